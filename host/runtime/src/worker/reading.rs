//! Read-only functions that do not wait for their turn.
//!
//! A worker executes one invocation at a time, and that may take long: a sleep, a call, a retry. A function that was
//! declared as read-only then runs beside it, on an instance of its own that is made by replaying the history up to the
//! last invocation that has ended. So it sees what the worker was when nothing was half done, and nothing of what runs.
//! The instance is kept for the next reader, until the worker has ended another invocation or nobody has read for a
//! while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use everlog_oplog::{Conduct, Index, Rehearsal, Status, WorkerState as Life};
use everlog_store::StoreError;
use tokio::sync::Semaphore;

use super::beside::{Beside, Replay};
use super::execute::{End, explain};
use super::front::Front;
use super::message::{Call, InvocationResult, Outcome, Waiter};
use super::{WorkerId, load};
use crate::component::ComponentVersion;
use crate::durable::Recorder;
use crate::error::{InvokeError, WorkerError};
use crate::shared::Shared;
use crate::{Timestamp, clock};

/// Read-only functions that run beside their workers at once.
const MAX_AT_ONCE: usize = 64;
/// Instances that are kept for the next reader.
const MAX_KEPT: usize = 32;
/// How long one may take.
const LONGEST: Duration = Duration::from_secs(300);
/// An invocation that takes no longer than this is worth waiting for, in nanoseconds.
const WORTH_WAITING_NANOS: u64 = 20_000_000;

/// The instances of readers.
pub(crate) struct Readers {
    running: Semaphore,
    kept: Mutex<HashMap<WorkerId, Reader>>,
}

/// An instance that is as its worker was after an invocation.
struct Reader {
    beside: Beside,
    version: Arc<ComponentVersion>,
    moment: Moment,
    used: Timestamp,
}

/// Which worker it is, at which point of its life: another may have had its name.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Moment {
    created_at: Timestamp,
    version: u64,
    /// The invocation that a reader sees nothing of, or where the next one would begin.
    before: Index,
}

impl Moment {
    fn of(status: &Status) -> Self {
        let before = status.current().map_or(status.last_index.next(), |current| current.started);
        Self { created_at: status.created_at, version: status.component_version, before }
    }

    /// The last entry of what is read.
    fn last(&self) -> Index {
        Index(self.before.get() - 1)
    }
}

impl Default for Readers {
    fn default() -> Self {
        Self { running: Semaphore::new(MAX_AT_ONCE), kept: Mutex::default() }
    }
}

impl Readers {
    fn take(&self, worker: &WorkerId, moment: Moment) -> Option<Reader> {
        self.lock().remove(worker).filter(|reader| reader.moment == moment)
    }

    /// Lets the instances go that nobody has used since a point in time.
    pub(crate) fn evict_unused(&self, since: Timestamp) {
        self.lock().retain(|_, reader| reader.used >= since);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkerId, Reader>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, worker: WorkerId, reader: Reader) {
        let mut kept = self.lock();
        if kept.len() >= MAX_KEPT && !kept.contains_key(&worker) {
            let oldest = kept.iter().min_by_key(|(_, reader)| reader.used);
            if let Some(oldest) = oldest.map(|(worker, _)| worker.clone()) {
                kept.remove(&oldest);
            }
        }
        kept.insert(worker, reader);
    }
}

/// Whether what runs on a worker has been running for longer than a reader should wait, or does not run at all.
fn is_held_up(status: &Status, begun_at: Option<Timestamp>, now: Timestamp) -> bool {
    match status.state {
        Life::Suspended | Life::Retrying | Life::Interrupted | Life::Failed => true,
        Life::Running => begun_at.is_some_and(|begun| begun.after(WORTH_WAITING_NANOS) <= now),
        Life::Idle | Life::Exited | Life::Stalled => false,
    }
}

impl Front {
    /// Lets those calls go ahead that only read, where what runs takes long.
    pub(super) fn release_readers(&mut self, recorder: &Arc<Recorder>) {
        if self.desk.waiting() == 0 || !self.is_held_up(recorder) {
            return;
        }
        for (call, waiter) in self.desk.take_readers() {
            self.read_beside(recorder, call, waiter);
        }
    }

    pub(super) fn is_held_up(&self, recorder: &Arc<Recorder>) -> bool {
        let begun_at = self.desk.current.as_ref().map(|current| current.begun_at);
        recorder.with(|journal, now| is_held_up(journal.status(), begun_at, now))
    }

    pub(super) fn read_beside(&self, recorder: &Arc<Recorder>, call: Box<Call>, waiter: Waiter) {
        let moment = recorder.with(|journal, _| Moment::of(journal.status()));
        let (shared, worker) = (Arc::clone(&self.shared), self.worker.clone());
        let recorder = Arc::clone(recorder);
        tokio::spawn(async move {
            // Its caller may know of more than is durable, and it is read from what is stored.
            let outcome = match recorder.wait_durable(moment.last()).await {
                Ok(()) => shared.read(&worker, *call, moment).await,
                Err(_) => Err(recorder.failure().unwrap_or(StoreError::Closed).into()),
            };
            waiter.tell(outcome);
        });
    }
}

impl Shared {
    /// Runs a read-only function beside its worker, as that was at a moment.
    ///
    /// # Errors
    /// What the function failed with, or what it must not do.
    async fn read(self: &Arc<Self>, worker: &WorkerId, call: Call, moment: Moment) -> Outcome {
        let _permit = self.readers.running.acquire().await;
        let mut reader = match self.readers.take(worker, moment) {
            Some(kept) => kept,
            None => self.reader(worker, moment).await?,
        };
        let Call { key, function, target, args, .. } = call;
        let guest = &mut reader.beside.guest;
        let prepared = guest.prepare(&target, &args);
        let prepared = prepared.map_err(|error| {
            let detail = error.to_string();
            InvokeError::InvalidArguments { detail }
        })?;
        let returned = tokio::select! {
            returned = guest.call(&target, prepared) => returned.map_err(|error| told(explain(error))),
            () = clock::pause(LONGEST) => Err(format!("it takes longer than {LONGEST:?}")),
        };
        let failed = |message| InvokeError::ReadFailed { function, message };
        let value = returned.map_err(failed)?.value;
        let ty = reader.version.exports().result_of(&target).cloned();
        reader.used = clock::now();
        self.readers.keep(worker.clone(), reader);
        let index = moment.last();
        Ok(InvocationResult { key, index, value, ty, cancelled: false })
    }

    /// An instance that is as the worker was at a moment.
    async fn reader(
        self: &Arc<Self>,
        worker: &WorkerId,
        asked: Moment,
    ) -> Result<Reader, InvokeError> {
        let key = worker.key().map_err(InvokeError::from)?;
        let journal = load::read_journal(self, worker, &key).await?;
        let not_found = || WorkerError::NotFound { worker: worker.to_string() };
        let mut journal = journal.ok_or_else(not_found)?;
        let moment = Moment { before: asked.before, ..Moment::of(journal.status()) };
        if moment.created_at != asked.created_at {
            return Err(InvokeError::Deleted { worker: worker.to_string() });
        }
        let component = worker.component.to_string();
        let version = journal.status().component_version;
        let version = self.catalog.version(&component, version).await?;
        journal.rehearse(Rehearsal::Check);
        let recorder = load::beside(self, &key, journal);
        let replay =
            Replay { shared: self, worker, version: Arc::clone(&version), recorder: &recorder };
        let beside = replay.run(Some(moment.before)).await.map_err(|end| {
            let detail = format!("its history can't be replayed for a reader: {}", told(end));
            InvokeError::from(WorkerError::CorruptLog { worker: worker.to_string(), detail })
        })?;
        recorder.with(|journal, _| journal.conduct(Conduct::Reading));
        Ok(Reader { beside, version, moment, used: clock::now() })
    }
}

/// What a reader is told.
fn told(end: End) -> String {
    match end {
        End::Failed { message, .. } => message,
        End::Diverged(divergence) => {
            format!("{} is allowed, and it asked for {}", divergence.recorded, divergence.asked)
        }
        End::Suspended { .. } => "it waits for too long".to_owned(),
        End::Cancelled => "it was cancelled".to_owned(),
        End::Exited { code } => format!("it exited with code {code}"),
        End::StoreFailed(error) => error.to_string(),
        End::Returned(_) | End::Jumped | End::Halted | End::Stopped(_) => {
            "it did not come to an end".to_owned()
        }
    }
}
