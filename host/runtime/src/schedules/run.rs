//! Fires what is due.
//!
//! In memory is only which schedule is due when; the record is read afresh for each firing, and changed only if it is
//! still that one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use everlog_oplog::Timestamp;
use everlog_store::StoreError;
use tokio::task::JoinSet;

use super::PAGE;
use super::record::{FiredRecord, ScheduleRecord};
use crate::calls::{Address, Arguments, CallRequest, Meanwhile, Parcel, Start};
use crate::clock;
use crate::error::WorkerError;
use crate::shared::Shared;
use crate::value::decode_values;

/// How often all schedules are looked at, should others have changed them: on a shared store, and on one's own.
const LOOK_AGAIN_SHARED: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// After something that passes, it is tried again then.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Schedules that fire at the same time.
const AT_ONCE: usize = 256;

/// The schedules that this node fires.
#[derive(Default)]
struct Plan {
    /// When each is due next.
    due: BTreeSet<(Timestamp, String)>,
    /// Since when somebody is here to fire each in time; a schedule that is made anew is another.
    since: BTreeMap<String, ([u8; 16], Timestamp)>,
    /// Those that are firing now.
    firing: BTreeSet<String>,
}

/// Fires schedules for as long as the runtime lives.
pub(crate) async fn run_schedules(shared: Arc<Shared>) {
    let interval = match shared.membership {
        Some(_) => LOOK_AGAIN_SHARED,
        None => LOOK_AGAIN,
    };
    let mut plan = Plan::default();
    let mut firing = JoinSet::new();
    let mut look_at = Timestamp(0);
    let mut course = clock::Course::begin();
    loop {
        let now = clock::now();
        if course.is_set_back() {
            look_at = Timestamp(0);
        }
        if look_at <= now {
            let pause = match plan.look(&shared, now).await {
                Ok(()) => interval,
                Err(error) => {
                    tracing::error!(%error, "schedules can't be read; trying again");
                    RETRY_AFTER
                }
            };
            look_at = after(now, pause);
        }
        while firing.len() < AT_ONCE
            && let Some((name, since)) = plan.take_due(now)
        {
            let shared = Arc::clone(&shared);
            firing.spawn(async move {
                let next = shared.fire_schedule(&name, since).await;
                (name, next)
            });
        }
        let next = match plan.due.first() {
            Some((due, _)) if firing.len() < AT_ONCE => look_at.min(*due),
            _ => look_at,
        };
        tokio::select! {
            () = clock::nap_until(next) => {}
            () = shared.schedules.changed.notified() => look_at = Timestamp(0),
            Some(fired) = firing.join_next() => {
                if let Ok((name, next)) = fired {
                    // One that is over, or was changed meanwhile.
                    if next.is_none() {
                        look_at = Timestamp(0);
                    }
                    plan.fired(name, next);
                }
            }
        }
    }
}

impl Plan {
    /// Reads all schedules.
    async fn look(&mut self, shared: &Shared, now: Timestamp) -> Result<(), StoreError> {
        let mut seen = BTreeMap::new();
        self.due.clear();
        let mut after = None;
        loop {
            let page = shared.scan_schedules(after.as_deref(), PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (key, bytes) in page {
                let Ok(name) = String::from_utf8(key) else { continue };
                match ScheduleRecord::decode(&name, &bytes) {
                    Ok(record) => {
                        let ours = record.worker().is_ok_and(|worker| shared.serves(&worker));
                        if ours
                            && !record.paused
                            && let Some(next) = record.next
                        {
                            let known = self.since.get(&name).copied();
                            let known = known.filter(|(id, _)| *id == record.id);
                            let since = known.map_or(now, |(_, since)| since);
                            seen.insert(name.clone(), (record.id, since));
                            if !self.firing.contains(&name) {
                                self.due.insert((next, name));
                            }
                        }
                    }
                    Err(error) => tracing::error!(%error, "a schedule is left out"),
                }
            }
        }
        self.since = seen;
        Ok(())
    }

    /// The next schedule that is due by now.
    fn take_due(&mut self, now: Timestamp) -> Option<(String, Timestamp)> {
        if self.due.first()?.0 > now {
            return None;
        }
        let (_, name) = self.due.pop_first()?;
        let since = self.since.get(&name).map_or(now, |(_, since)| *since);
        self.firing.insert(name.clone());
        Some((name, since))
    }

    fn fired(&mut self, name: String, next: Option<Timestamp>) {
        self.firing.remove(&name);
        if let Some(next) = next {
            self.due.insert((next, name));
        }
    }
}

impl Shared {
    /// Fires a schedule as often as it is due; returns when to come back to it.
    async fn fire_schedule(self: &Arc<Self>, name: &str, since: Timestamp) -> Option<Timestamp> {
        match self.try_fire_schedule(name, since).await {
            Ok(next) => next,
            Err(error) => {
                tracing::warn!(schedule = name, %error, "a schedule can't fire now; trying again");
                Some(after(clock::now(), RETRY_AFTER))
            }
        }
    }

    async fn try_fire_schedule(
        self: &Arc<Self>,
        name: &str,
        since: Timestamp,
    ) -> Result<Option<Timestamp>, WorkerError> {
        let Some((record, stored)) = self.schedule_record(name).await? else { return Ok(None) };
        let ours = self.serves(&record.worker()?);
        let clockwork = match record.timing.clockwork() {
            Ok(clockwork) if ours && !record.paused => clockwork,
            _ => return Ok(None),
        };
        let now = clock::now();
        let due = clockwork.due(record.next, now, since, record.missed);
        let mut next_record = ScheduleRecord { next: due.next, ..record.clone() };
        next_record.skipped += due.skipped;
        for at in due.fire {
            let key = record.key(name, at);
            let error = self.call_for_schedule(&record, key.clone()).await?;
            next_record.fired += u64::from(error.is_none());
            next_record.last = Some(FiredRecord { due: at, at: clock::now(), key, error });
        }
        if !self.replace_schedule(name, stored, Some(&next_record)).await? {
            // Somebody has changed it meanwhile. What is fired again has its key.
            return Ok(Some(clock::now()));
        }
        Ok(next_record.next)
    }

    /// Has the call of a firing accepted; returns why it never will be, if so.
    async fn call_for_schedule(
        self: &Arc<Self>,
        record: &ScheduleRecord,
        key: String,
    ) -> Result<Option<String>, WorkerError> {
        let worker = record.worker()?;
        let values = match decode_values(&record.request) {
            Ok(values) => values,
            Err(error) => return Ok(Some(error.to_string())),
        };
        let component = worker.component.to_string();
        let address = Address::Worker { component, worker: worker.name.clone() };
        let request = CallRequest {
            address,
            function: record.function.clone(),
            start: Some(Start::Now),
            arguments: Arguments::Values(values),
        };
        let parcel =
            Parcel { request, key, due: None, args: Vec::new(), env: Vec::new(), trace: None };
        let sent = self.carry(&worker, &parcel, Meanwhile::GoesOn).await;
        Ok(sent.err().map(|failure| failure.to_string()))
    }
}

fn after(now: Timestamp, duration: Duration) -> Timestamp {
    now.after(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}
