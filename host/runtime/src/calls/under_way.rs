//! Which calls of workers are on their way, for those who look at what a worker does.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use everlog_oplog::Timestamp;

use super::Parcel;
use crate::clock;
use crate::worker::WorkerId;

/// A call that a worker has made and that has no outcome yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallUnderWay {
    /// The component that is called, by its name or its UUID.
    pub component: String,
    /// The worker that is called; of a fresh one the name that it has for this call.
    pub worker: String,
    /// The function, as the caller wrote it.
    pub function: String,
    /// The key under which the worker knows the call.
    pub key: String,
    /// Since when it is on its way, in this life of the caller.
    pub since: Timestamp,
}

impl CallUnderWay {
    pub(super) fn of(parcel: &Parcel) -> Self {
        Self {
            component: parcel.request.address.component().to_owned(),
            worker: parcel.worker_name().to_owned(),
            function: parcel.request.function.clone(),
            key: parcel.key.clone(),
            since: clock::now(),
        }
    }
}

/// The calls of the workers of this node, by key.
#[derive(Debug, Default)]
pub(crate) struct CallsUnderWay(Mutex<HashMap<WorkerId, HashMap<String, Carried>>>);

#[derive(Debug)]
struct Carried {
    call: CallUnderWay,
    /// One that carries it may still be about to stop when the next has begun.
    carriers: u32,
    /// The worker that executes it in its turn, while the caller stands still.
    stands_still_for: Option<WorkerId>,
}

/// Takes a call off when it is dropped.
pub(crate) struct OnItsWay<'a> {
    calls: &'a CallsUnderWay,
    caller: &'a WorkerId,
    key: &'a str,
}

impl CallsUnderWay {
    /// A call is on its way until what is returned is dropped.
    pub(super) fn begin<'a>(&'a self, caller: &'a WorkerId, parcel: &'a Parcel) -> OnItsWay<'a> {
        let (call, key) = (CallUnderWay::of(parcel), &parcel.key);
        let mut calls = self.lock();
        let calls = calls.entry(caller.clone()).or_default();
        let carried = Carried { call, carriers: 0, stands_still_for: None };
        calls.entry(key.clone()).or_insert(carried).carriers += 1;
        OnItsWay { calls: self, caller, key }
    }

    /// At most `limit` of those of a worker, the oldest first.
    pub(crate) fn of(&self, caller: &WorkerId, limit: usize) -> Vec<CallUnderWay> {
        let found = self
            .lock()
            .get(caller)
            .map(|calls| calls.values().map(|carried| carried.call.clone()).collect::<Vec<_>>());
        let mut calls = found.unwrap_or_default();
        calls.sort_by(|one, other| (one.since, &one.key).cmp(&(other.since, &other.key)));
        calls.truncate(limit);
        calls
    }

    /// The calls by which workers wait for each other, from that of `caller` under `key` back to `caller`.
    pub(super) fn circle(&self, caller: &WorkerId, key: &str) -> Option<Vec<CallUnderWay>> {
        let all = self.lock();
        let mut circle = Vec::new();
        let mut carried = all.get(caller)?.get(key)?;
        while circle.len() < all.len() {
            let next = carried.stands_still_for.as_ref()?;
            circle.push(carried.call.clone());
            if next == caller {
                return Some(circle);
            }
            carried = all.get(next)?.values().find(|call| call.stands_still_for.is_some())?;
        }
        // It leads into a circle of others.
        None
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkerId, HashMap<String, Carried>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OnItsWay<'_> {
    /// Says for which worker the caller stands still, if it does.
    pub(super) fn stands_still_for(&self, worker: Option<&WorkerId>) {
        let mut all = self.calls.lock();
        let carried = all.get_mut(self.caller).and_then(|calls| calls.get_mut(self.key));
        if let Some(carried) = carried {
            carried.stands_still_for = worker.cloned();
        }
    }
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        let mut all = self.calls.lock();
        let Some(calls) = all.get_mut(self.caller) else { return };
        if let Some(carried) = calls.get_mut(self.key) {
            carried.carriers -= 1;
            if carried.carriers == 0 {
                calls.remove(self.key);
            }
        }
        if calls.is_empty() {
            all.remove(self.caller);
        }
    }
}
