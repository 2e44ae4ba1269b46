//! State in the memory of this process.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use everlog_oplog::Timestamp;

use super::decide::decide;
use super::operation::ends;
use super::{
    Decided, KeyedState, Mode, Operation, Rejection, Standing, State, StateError, StateStoreConfig,
};
use crate::{clock, entropy};

/// What keys and values may be together, in bytes.
const MAX_BYTES: usize = 256 << 20;
/// What an entry counts beside its key and value, in bytes.
const ENTRY_BYTES: usize = 64;

/// Keys and values of one store.
#[derive(Default)]
pub(super) struct Memory(Mutex<Held>);

#[derive(Default)]
struct Held {
    values: BTreeMap<String, Kept>,
    bytes: usize,
}

struct Kept {
    version: u64,
    bytes: Vec<u8>,
    expires_at: Option<Timestamp>,
}

impl Kept {
    fn is_alive(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    fn state(&self) -> State {
        let etag = self.version.to_string();
        State { bytes: self.bytes.clone(), etag, expires_at: self.expires_at }
    }
}

impl Held {
    fn alive(&self, key: &str) -> Option<&Kept> {
        self.values.get(key).filter(|kept| kept.is_alive(clock::now()))
    }

    fn remove(&mut self, key: &str) {
        if let Some(kept) = self.values.remove(key) {
            self.bytes -= key.len() + kept.bytes.len() + ENTRY_BYTES;
        }
    }

    fn insert(&mut self, key: String, kept: Kept) {
        self.remove(&key);
        self.bytes += key.len() + kept.bytes.len() + ENTRY_BYTES;
        self.values.insert(key, kept);
    }
}

impl Memory {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, key: &str) -> Option<State> {
        self.held().alive(key).map(Kept::state)
    }

    pub(super) fn page(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> (Vec<KeyedState>, Option<String>) {
        let held = self.held();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let now = clock::now();
        let mut found: Vec<_> = held
            .values
            .range::<str, _>((start, Bound::Unbounded))
            .filter(|(_, kept)| kept.is_alive(now))
            .take(limit + 1)
            .collect();
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(key, _)| (*key).clone());
        (found.into_iter().map(|(key, kept)| (key.clone(), kept.state())).collect(), next)
    }

    /// Everything happens under one lock, so that nobody is ever quicker.
    pub(super) fn try_apply(
        &self,
        operations: &[Operation],
        mode: Mode,
        config: &StateStoreConfig,
    ) -> Result<Option<Vec<Result<(), Rejection>>>, StateError> {
        let mut held = self.held();
        let seen: HashMap<&str, Standing> = operations
            .iter()
            .map(|operation| {
                let kept = held.alive(&operation.key);
                let standing =
                    kept.map_or(Standing::Absent, |kept| Standing::Version(kept.version));
                (operation.key.as_str(), standing)
            })
            .collect();
        let Decided { told, writes, checked: _ } =
            decide(operations, mode, config.etag_on_missing, &seen);
        let added: usize = writes.iter().map(|place| operations[*place].size() + ENTRY_BYTES).sum();
        let adds = writes.iter().any(|place| operations[*place].value.is_some());
        if adds && held.bytes + added > MAX_BYTES {
            return Err(StateError::Full { limit: MAX_BYTES });
        }
        let now = clock::now();
        for place in writes {
            let Operation { key, value, .. } = &operations[place];
            match value {
                None => held.remove(key),
                Some(value) => {
                    let expires_at = ends(value, now);
                    let version = entropy::number() >> 1;
                    let kept = Kept { version, bytes: value.bytes.clone(), expires_at };
                    held.insert(key.clone(), kept);
                }
            }
        }
        Ok(Some(told))
    }

    /// Removes what has ended; returns how much that was.
    pub(super) fn remove_ended(&self) -> usize {
        let mut held = self.held();
        let now = clock::now();
        let ended: Vec<String> = held
            .values
            .iter()
            .filter(|(_, kept)| !kept.is_alive(now))
            .map(|(key, _)| key.clone())
            .collect();
        ended.iter().for_each(|key| held.remove(key));
        ended.len()
    }
}
