//! Brings workers back that left memory and have something due: sleeps, retries, scheduled and interrupted-by-crash calls.
//!
//! The truth is in the store's wake records, ordered by time. In memory is only what is due within the horizon, so that
//! a million sleepers cost nothing but disk.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use everlog_oplog::Timestamp;
use everlog_store::{KeyRange, Order as Direction, StoreError};
use tokio::sync::Notify;

use super::WorkerId;
use super::message::Message;
use crate::shared::Shared;
use crate::{clock, records, spaces};

/// What is due later than this is left to the next look at the store.
const HORIZON: Duration = Duration::from_secs(30);
/// Records read at once.
const PAGE: usize = 1_000;
/// After a failed look at the store, the next one comes then.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Due times of workers that are not in memory.
#[derive(Default)]
pub(crate) struct Timers {
    near: Mutex<BinaryHeap<Reverse<(Timestamp, WorkerId)>>>,
    changed: Notify,
    /// Workers have come to this node whose records were passed over.
    is_outdated: AtomicBool,
}

impl Timers {
    /// Has all records looked at again, since workers have come to this node.
    pub(crate) fn read_again(&self) {
        self.is_outdated.store(true, Ordering::SeqCst);
        self.changed.notify_one();
    }

    /// Remembers that `worker`, which leaves memory, is due at `due`. The wake record is in the store already.
    pub(crate) fn schedule(&self, worker: &WorkerId, due: Timestamp) {
        if due.0 <= clock::now().0.saturating_add(nanos(HORIZON)) {
            self.push(due, worker.clone());
            self.changed.notify_one();
        }
    }

    fn push(&self, due: Timestamp, worker: WorkerId) {
        self.near.lock().unwrap_or_else(PoisonError::into_inner).push(Reverse((due, worker)));
    }

    fn pop_due(&self, now: Timestamp) -> Option<(Timestamp, WorkerId)> {
        let mut near = self.near.lock().unwrap_or_else(PoisonError::into_inner);
        match near.peek() {
            Some(Reverse((due, _))) if *due <= now => near.pop().map(|Reverse(next)| next),
            _ => None,
        }
    }

    fn next_due(&self) -> Option<Timestamp> {
        let near = self.near.lock().unwrap_or_else(PoisonError::into_inner);
        near.peek().map(|Reverse((due, _))| *due)
    }
}

/// Wakes workers for as long as the runtime lives.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut read_up_to = None;
    let mut course = clock::Course::begin();
    loop {
        if shared.timers.is_outdated.swap(false, Ordering::SeqCst) {
            read_up_to = None;
        }
        let horizon = Timestamp(clock::now().0.saturating_add(nanos(HORIZON)));
        let mut look_again = Timestamp(horizon.0.saturating_sub(nanos(HORIZON) / 2));
        match read(&shared, read_up_to, horizon).await {
            Ok(()) => read_up_to = Some(horizon),
            Err(error) => {
                tracing::error!(%error, "wake records can't be read; trying again");
                look_again = Timestamp(clock::now().0.saturating_add(nanos(RETRY_AFTER)));
            }
        }
        wake_until(&shared, look_again, &mut course).await;
    }
}

/// Wakes what is due until it is time to look at the store again.
async fn wake_until(shared: &Arc<Shared>, look_again: Timestamp, course: &mut clock::Course) {
    loop {
        if course.is_set_back() {
            // By the new time that look is far away, and so was what came since and is due before it.
            return shared.timers.read_again();
        }
        while let Some((due, worker)) = shared.timers.pop_due(clock::now()) {
            // A full mailbox means that the worker is awake; a closing server wakes nobody.
            let _ = shared.registry.send(shared, &worker, Message::Wake { due }).await;
        }
        if clock::now() >= look_again || shared.timers.is_outdated.load(Ordering::SeqCst) {
            return;
        }
        let next = shared.timers.next_due().unwrap_or(look_again).min(look_again);
        tokio::select! {
            () = clock::nap_until(next) => {}
            () = shared.timers.changed.notified() => {}
        }
    }
}

/// Reads the records due behind `from` and up to `horizon`.
async fn read(
    shared: &Arc<Shared>,
    from: Option<Timestamp>,
    horizon: Timestamp,
) -> Result<(), StoreError> {
    let mut start = match from {
        Some(from) => Bound::Included(from.0.saturating_add(1).to_be_bytes().to_vec()),
        None => Bound::Unbounded,
    };
    let end = Bound::Excluded(horizon.0.saturating_add(1).to_be_bytes().to_vec());
    loop {
        let range = KeyRange { start, end: end.clone() };
        let page = shared.store.scan(spaces::WAKES, range, Direction::Forward, PAGE).await?;
        for (key, _) in &page {
            match records::parse_wake_key(key) {
                Some((due, worker)) => match WorkerId::from_key(worker) {
                    Some(worker) if shared.serves(&worker) => shared.timers.push(due, worker),
                    Some(_) => {}
                    None => tracing::error!(?key, "a wake record names no worker; skipped"),
                },
                None => tracing::error!(?key, "a wake record can't be read; skipped"),
            }
        }
        match page.into_iter().last() {
            Some((key, _)) => start = Bound::Excluded(key),
            None => return Ok(()),
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
