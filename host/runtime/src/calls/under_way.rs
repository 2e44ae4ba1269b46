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
}

/// Takes a call off when it is dropped.
pub(super) struct OnItsWay<'a> {
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
        calls.entry(key.clone()).or_insert(Carried { call, carriers: 0 }).carriers += 1;
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

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkerId, HashMap<String, Carried>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
