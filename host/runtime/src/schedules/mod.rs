//! Schedules: calls of workers at times that are told in advance.
//!
//! A schedule is a record; each firing is an ordinary accepted call, whose idempotency key is made of the schedule and the
//! time. So a firing that is tried twice, by a server that was killed in between or by two nodes, happens once. The node
//! that has the worker fires, once it has the record changed nobody else has.

mod cron;
mod record;
mod run;
mod timing;

use std::ops::Bound;

use everlog_oplog::Timestamp;
use everlog_store::{Batch, Change, Expectation, KeyRange, Order, StoreError, commit};
use tokio::sync::Notify;
use uuid::Uuid;

use self::record::ScheduleRecord;
use crate::error::WorkerError;
use crate::runtime::Runtime;
use crate::shared::Shared;
use crate::spaces::SCHEDULES;
use crate::value::{Value, encode_values};
use crate::worker::WorkerId;
use crate::{clock, entropy};

pub(crate) use run::run_schedules;
pub use timing::{Missed, Timing};

/// The longest name of a schedule, in bytes.
pub const MAX_SCHEDULE_NAME_BYTES: usize = 128;
/// How many schedules there may be.
pub const MAX_SCHEDULES: usize = 10_000;
/// The longest arguments, in bytes as they are written, and as they are kept.
pub const MAX_SCHEDULE_ARGUMENT_BYTES: usize = 64 << 10;
/// How many missed firings can be made up for.
pub const MAX_MADE_UP: u32 = 1_000;
/// The longest cron expression and name of a time zone, in bytes.
const MAX_TIMING_BYTES: usize = 256;

/// Records that are read at once.
const PAGE: usize = 100;
/// How often a change is decided on anew because others were quicker.
const ATTEMPTS: usize = 1_000;

/// Lets the one who fires know that schedules have changed here.
#[derive(Default)]
pub(crate) struct Schedules {
    changed: Notify,
}

/// A schedule to be.
#[derive(Clone, Debug)]
pub struct NewSchedule {
    /// Its name.
    pub name: String,
    /// Whom it calls; created on the first call.
    pub worker: WorkerId,
    /// The full name of the function.
    pub function: String,
    /// Its arguments, decoded by the function's types.
    pub args: Vec<Value>,
    /// The same as they were written.
    pub arguments: String,
    /// When it fires.
    pub timing: Timing,
    /// What becomes of missed firings.
    pub missed: Missed,
    /// Whether it begins paused.
    pub paused: bool,
}

/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// Its own for life: one that is made anew under its name has another.
    pub id: Uuid,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whom it calls.
    pub worker: WorkerId,
    /// The full name of the function.
    pub function: String,
    /// The arguments as they were written.
    pub arguments: String,
    /// When it fires.
    pub timing: Timing,
    /// What becomes of missed firings.
    pub missed: Missed,
    /// Whether it is paused.
    pub paused: bool,
    /// When it fires next, were it not paused; `None` once it is over.
    pub next: Option<Timestamp>,
    /// The last firing.
    pub last: Option<Fired>,
    /// How many calls were made.
    pub fired: u64,
    /// How many missed firings were not made up for.
    pub skipped: u64,
}

/// A firing of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fired {
    /// When it was due.
    pub due: Timestamp,
    /// When it was done.
    pub at: Timestamp,
    /// The idempotency key of the call.
    pub key: String,
    /// Why the call was not taken, if so.
    pub error: Option<String>,
}

/// Why something can't be done with a schedule.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// There is no such schedule.
    #[error("there is no schedule {name:?}")]
    NotFound {
        /// The name.
        name: String,
    },
    /// There is one of that name.
    #[error(
        "there is a schedule {name:?} already, which is another; remove it first, or choose another name"
    )]
    Exists {
        /// The name.
        name: String,
    },
    /// It can't be like that.
    #[error("{detail}")]
    Invalid {
        /// What is wrong.
        detail: String,
    },
    /// There are too many.
    #[error("there are {limit} schedules already, the most there may be; remove some")]
    TooMany {
        /// How many there may be.
        limit: usize,
    },
    /// Others change it all the time.
    #[error("schedule {name:?} was changed by others again and again; try again")]
    Contended {
        /// The name.
        name: String,
    },
    /// The worker or the store.
    #[error(transparent)]
    Worker(#[from] WorkerError),
}

impl From<StoreError> for ScheduleError {
    fn from(error: StoreError) -> Self {
        Self::Worker(error.into())
    }
}

impl Runtime {
    /// Makes a schedule, once it is durable; `false` if there is the very same one.
    ///
    /// # Errors
    /// [`ScheduleError`] if it can't be, or there is another of its name.
    pub async fn add_schedule(&self, new: NewSchedule) -> Result<(Schedule, bool), ScheduleError> {
        let (name, record) = new.into_record()?;
        if self.shared.count_schedules().await? >= MAX_SCHEDULES {
            return Err(ScheduleError::TooMany { limit: MAX_SCHEDULES });
        }
        let (key, value) = (name.as_bytes().to_vec(), record.encode());
        let expected = Expectation { space: SCHEDULES, key: key.clone(), value: None };
        let put = Change::Put { space: SCHEDULES, key, value };
        let batch = Batch { expectations: vec![expected], changes: vec![put], ..Batch::default() };
        match commit(&*self.shared.store, batch).await {
            Ok(()) => {
                self.shared.schedules.changed.notify_one();
                Ok((of_record(name, record)?, true))
            }
            Err(StoreError::Unexpected { .. }) => {
                let there = self.shared.schedule_record(&name).await?;
                let Some((there, _)) = there else { return Err(ScheduleError::Contended { name }) };
                if there.is_like(&record) {
                    return Ok((of_record(name, there)?, false));
                }
                Err(ScheduleError::Exists { name })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The schedule of this name.
    ///
    /// # Errors
    /// [`ScheduleError::NotFound`], or a damaged record.
    pub async fn schedule(&self, name: &str) -> Result<Schedule, ScheduleError> {
        match self.shared.schedule_record(name).await? {
            Some((record, _)) => Ok(of_record(name.to_owned(), record)?),
            None => Err(ScheduleError::NotFound { name: name.to_owned() }),
        }
    }

    /// Up to `limit` schedules behind the one called `after`, in the order of their names. Damaged ones are left out.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn schedules(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Schedule>, ScheduleError> {
        let found = self.shared.scan_schedules(after.map(str::as_bytes), limit).await?;
        let read = |(key, bytes): (Vec<u8>, Vec<u8>)| {
            let name = String::from_utf8(key).ok()?;
            let record = ScheduleRecord::decode(&name, &bytes).ok()?;
            of_record(name, record).ok()
        };
        Ok(found.into_iter().filter_map(read).collect())
    }

    /// The next times of a schedule, at most `count`.
    #[must_use]
    pub fn upcoming(&self, schedule: &Schedule, count: usize) -> Vec<Timestamp> {
        let Ok(clockwork) = schedule.timing.clockwork() else { return Vec::new() };
        std::iter::successors(schedule.next, |at| clockwork.next(*at)).take(count).collect()
    }

    /// Pauses a schedule, or lets it go on; what fell due meanwhile was missed.
    ///
    /// # Errors
    /// [`ScheduleError::NotFound`].
    pub async fn pause_schedule(
        &self,
        name: &str,
        paused: bool,
    ) -> Result<Schedule, ScheduleError> {
        for _ in 0..ATTEMPTS {
            let Some((record, stored)) = self.shared.schedule_record(name).await? else {
                return Err(ScheduleError::NotFound { name: name.to_owned() });
            };
            let record = ScheduleRecord { paused, ..record };
            if self.shared.replace_schedule(name, stored, Some(&record)).await? {
                self.shared.schedules.changed.notify_one();
                return Ok(of_record(name.to_owned(), record)?);
            }
        }
        Err(ScheduleError::Contended { name: name.to_owned() })
    }

    /// Removes a schedule. Calls that it has made go on.
    ///
    /// # Errors
    /// [`ScheduleError::NotFound`].
    pub async fn remove_schedule(&self, name: &str) -> Result<(), ScheduleError> {
        for _ in 0..ATTEMPTS {
            // Also a damaged one.
            let stored = self.shared.store.get(SCHEDULES, name.as_bytes()).await?;
            let Some(stored) = stored else {
                return Err(ScheduleError::NotFound { name: name.to_owned() });
            };
            if self.shared.replace_schedule(name, stored, None).await? {
                self.shared.schedules.changed.notify_one();
                return Ok(());
            }
        }
        Err(ScheduleError::Contended { name: name.to_owned() })
    }
}

impl Shared {
    /// A schedule's record, and its bytes.
    async fn schedule_record(
        &self,
        name: &str,
    ) -> Result<Option<(ScheduleRecord, Vec<u8>)>, StoreError> {
        let Some(stored) = self.store.get(SCHEDULES, name.as_bytes()).await? else {
            return Ok(None);
        };
        Ok(Some((ScheduleRecord::decode(name, &stored)?, stored)))
    }

    /// Puts another record in place of `stored`, or none; false if something else is there by now.
    async fn replace_schedule(
        &self,
        name: &str,
        stored: Vec<u8>,
        record: Option<&ScheduleRecord>,
    ) -> Result<bool, StoreError> {
        let key = name.as_bytes().to_vec();
        let expected = Expectation { space: SCHEDULES, key: key.clone(), value: Some(stored) };
        let change = match record {
            Some(record) => Change::Put { space: SCHEDULES, key, value: record.encode() },
            None => Change::Delete { space: SCHEDULES, key },
        };
        let batch =
            Batch { expectations: vec![expected], changes: vec![change], ..Batch::default() };
        match commit(&*self.store, batch).await {
            Ok(()) => Ok(true),
            Err(StoreError::Unexpected { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn scan_schedules(
        &self,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
        let mut range = KeyRange::all();
        if let Some(after) = after {
            range.start = Bound::Excluded(after.to_vec());
        }
        self.store.scan(SCHEDULES, range, Order::Forward, limit).await
    }

    async fn count_schedules(&self) -> Result<usize, StoreError> {
        let (mut count, mut after) = (0, None);
        loop {
            let page = self.scan_schedules(after.as_deref(), PAGE).await?;
            count += page.len();
            match page.into_iter().last() {
                Some((key, _)) => after = Some(key),
                None => return Ok(count),
            }
        }
    }
}

impl NewSchedule {
    fn into_record(self) -> Result<(String, ScheduleRecord), ScheduleError> {
        let invalid = |detail: String| Err(ScheduleError::Invalid { detail });
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let fits = (1..=MAX_SCHEDULE_NAME_BYTES).contains(&self.name.len());
        if !fits || !self.name.bytes().all(allowed) {
            return invalid(format!(
                "{:?} is no name of a schedule: 1 to {MAX_SCHEDULE_NAME_BYTES} letters, digits, `.`, `_` and `-`",
                self.name
            ));
        }
        let request = match encode_values(&self.args) {
            Ok(request) => request,
            Err(error) => return invalid(error.to_string()),
        };
        let size = request.len().max(self.arguments.len());
        if size > MAX_SCHEDULE_ARGUMENT_BYTES {
            return invalid(format!(
                "the arguments have {size} bytes, but at most {MAX_SCHEDULE_ARGUMENT_BYTES} are allowed"
            ));
        }
        if let Missed::RunAll(most) = self.missed
            && !(1..=MAX_MADE_UP).contains(&most)
        {
            return invalid(format!(
                "1 to {MAX_MADE_UP} missed firings can be made up for, not {most}"
            ));
        }
        if let Timing::Cron { expression, time_zone } = &self.timing
            && expression.len().max(time_zone.len()) > MAX_TIMING_BYTES
        {
            return invalid(format!(
                "a cron expression and a time zone have at most {MAX_TIMING_BYTES} bytes"
            ));
        }
        let clockwork = match self.timing.clockwork() {
            Ok(clockwork) => clockwork,
            Err(detail) => return invalid(detail),
        };
        let now = clock::now();
        // A time that has passed is one that is due.
        let next = match self.timing {
            Timing::At(at) => Some(at.max(now)),
            Timing::Cron { .. } => clockwork.next(now),
        };
        let record = ScheduleRecord {
            id: entropy::uuid().into_bytes(),
            created_at: now,
            component: self.worker.component.into_bytes(),
            worker: self.worker.name,
            function: self.function,
            request,
            arguments: self.arguments,
            timing: self.timing,
            missed: self.missed,
            paused: self.paused,
            next,
            last: None,
            fired: 0,
            skipped: 0,
        };
        Ok((self.name, record))
    }
}

impl ScheduleRecord {
    /// Whether both are the same, apart from when they were made and what came of them.
    fn is_like(&self, other: &Self) -> bool {
        self.component == other.component
            && self.worker == other.worker
            && self.function == other.function
            && self.request == other.request
            && self.timing == other.timing
            && self.missed == other.missed
    }
}

fn of_record(name: String, record: ScheduleRecord) -> Result<Schedule, WorkerError> {
    let worker = record.worker()?;
    let fired = |last: record::FiredRecord| Fired {
        due: last.due,
        at: last.at,
        key: last.key,
        error: last.error,
    };
    Ok(Schedule {
        name,
        id: Uuid::from_bytes(record.id),
        created_at: record.created_at,
        worker,
        function: record.function,
        arguments: record.arguments,
        timing: record.timing,
        missed: record.missed,
        paused: record.paused,
        next: record.next,
        last: record.last.map(fired),
        fired: record.fired,
        skipped: record.skipped,
    })
}
