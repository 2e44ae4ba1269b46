//! State in this server's own store: records like those of buckets.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use everlog_store::{Batch, Change, Expectation, Order, Store, StoreError, commit};

use super::decide::decide;
use super::operation::{ends, sweep_time};
use super::{
    Decided, KeyedState, MAX_STATE_BYTES, Mode, Operation, Rejection, Standing, State, StateError,
    StateStoreConfig, check_limit,
};
use crate::clock;
use crate::keyvalue::{Claim, Locks, Record, StoredValue, key_of, record_key, record_range};
use crate::spaces::{ENDS, KEY_VALUES};

/// The records of one store.
pub(super) struct Own {
    store: Arc<dyn Store>,
    locks: Arc<Locks>,
    /// The bucket.
    name: String,
    prefix: String,
}

/// A record as it is stored, and whether it still counts.
struct Seen {
    stored: Option<Vec<u8>>,
    standing: Standing,
}

impl Own {
    pub(super) fn new(config: &StateStoreConfig, store: Arc<dyn Store>, locks: Arc<Locks>) -> Self {
        Self { store, locks, name: config.name.clone(), prefix: config.key_prefix.clone() }
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<State>, StateError> {
        let stored = self.store.get(KEY_VALUES, &self.record_key(key)).await?;
        let Some(record) = self.alive(key, stored.as_deref())? else { return Ok(None) };
        Ok(Some(self.state(record).await?))
    }

    pub(super) async fn page(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<KeyedState>, Option<String>), StateError> {
        let range = record_range(&self.name, &self.prefix, after);
        let mut found = self.store.scan(KEY_VALUES, range, Order::Forward, limit + 1).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let key_of = |record_key: &[u8]| key_of(&self.name, &self.prefix, record_key);
        let next = found.last().filter(|_| more).and_then(|(record_key, _)| key_of(record_key));
        let mut states = Vec::with_capacity(found.len());
        for (record_key, stored) in found {
            let Some(key) = key_of(&record_key) else { continue };
            if let Some(record) = self.alive(&key, Some(&stored))? {
                states.push((key, self.state(record).await?));
            }
        }
        Ok((states, next))
    }

    /// Decides on the operations and stores what they change; `None` if somebody was quicker.
    ///
    /// The locks only keep the writers of this process from getting into each other's way, guests among them: what
    /// decides is what the batch expects.
    pub(super) async fn try_apply(
        &self,
        operations: &[Operation],
        mode: Mode,
        config: &StateStoreConfig,
    ) -> Result<Option<Vec<Result<(), Rejection>>>, StateError> {
        let keys: Vec<Vec<u8>> =
            operations.iter().map(|operation| self.record_key(&operation.key)).collect();
        let values = self.keep_values(operations).await?;
        let claims = operations.iter().zip(&keys).map(|(operation, key)| {
            let claim = if operation.is_conditional() { Claim::Change } else { Claim::Keep };
            (claim, KEY_VALUES, key.as_slice())
        });
        let claims: Vec<_> = claims.collect();
        let held = self.locks.hold(claims).await;
        let seen = self.look(operations, &keys).await?;
        let standings = seen.iter().map(|(key, seen)| (*key, seen.standing)).collect();
        let Decided { told, writes, checked } =
            decide(operations, mode, config.etag_on_missing, &standings);
        let mut batch = Batch::default();
        for place in checked {
            let Some(seen) = seen.get(operations[place].key.as_str()) else { continue };
            let value = seen.stored.clone();
            let key = keys[place].clone();
            batch.expectations.push(Expectation { space: KEY_VALUES, key, value });
        }
        for place in writes {
            let value = values[place].clone();
            self.change(&operations[place], value, keys[place].clone(), &mut batch.changes);
        }
        if batch.changes.is_empty() {
            return Ok(Some(told));
        }
        let committed = commit(&*self.store, batch).await;
        drop(held);
        match committed {
            Ok(()) => Ok(Some(told)),
            Err(StoreError::Unexpected { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn wait_replicas(&self, limit: Duration) -> Result<(), StateError> {
        match tokio::time::timeout(limit, self.store.wait_replicas(u32::MAX)).await {
            Ok(waited) => Ok(waited?),
            Err(_) => Err(StateError::NotReplicated),
        }
    }

    /// Stores large values as blobs, before anything is decided.
    async fn keep_values(
        &self,
        operations: &[Operation],
    ) -> Result<Vec<Option<StoredValue>>, StateError> {
        let mut kept = Vec::with_capacity(operations.len());
        for operation in operations {
            kept.push(match &operation.value {
                Some(value) => Some(StoredValue::keep(&*self.store, value.bytes.clone()).await?),
                None => None,
            });
        }
        let inline = kept.iter().flatten().map(StoredValue::inline_bytes).sum();
        check_limit("bytes of small values in one call", MAX_STATE_BYTES, inline)?;
        Ok(kept)
    }

    /// What is under the keys that an operation with a condition names.
    async fn look<'a>(
        &self,
        operations: &'a [Operation],
        keys: &[Vec<u8>],
    ) -> Result<HashMap<&'a str, Seen>, StateError> {
        let mut seen = HashMap::new();
        let conditional = operations.iter().zip(keys).filter(|(one, _)| one.is_conditional());
        for (operation, record_key) in conditional {
            let key = operation.key.as_str();
            if seen.contains_key(key) {
                continue;
            }
            let stored = self.store.get(KEY_VALUES, record_key).await?;
            let alive = self.alive(key, stored.as_deref())?;
            let standing =
                alive.map_or(Standing::Absent, |record| Standing::Version(record.version));
            seen.insert(key, Seen { stored, standing });
        }
        Ok(seen)
    }

    fn change(
        &self,
        operation: &Operation,
        stored: Option<StoredValue>,
        key: Vec<u8>,
        changes: &mut Vec<Change>,
    ) {
        let now = clock::now();
        match (&operation.value, stored) {
            (Some(value), Some(stored)) => {
                let expires_at = ends(value, now);
                if let (Some(end), Some(ttl_seconds)) = (expires_at, value.ttl_seconds) {
                    let end = sweep_time(end, ttl_seconds);
                    let key = [end.0.to_be_bytes().as_slice(), &key].concat();
                    changes.push(Change::Put { space: ENDS, key, value: Vec::new() });
                }
                changes.push(Record::new(stored, now, expires_at).put(KEY_VALUES, key));
            }
            _ => changes.push(Change::Delete { space: KEY_VALUES, key }),
        }
    }

    async fn state(&self, record: Record) -> Result<State, StateError> {
        let bytes = record.value.load(&*self.store).await?;
        Ok(State { bytes, etag: record.version.to_string(), expires_at: record.expires_at })
    }

    fn alive(&self, key: &str, stored: Option<&[u8]>) -> Result<Option<Record>, StoreError> {
        let Some(bytes) = stored else { return Ok(None) };
        let place = || format!("key {key:?} of state store {:?}", self.name);
        let record = Record::decode(bytes, place)?;
        Ok(Some(record).filter(|record| record.is_alive(clock::now())))
    }

    fn record_key(&self, key: &str) -> Vec<u8> {
        record_key(&self.name, &[self.prefix.as_str(), key].concat())
    }
}
