//! State stores: keys and values for callers that speak no WIT, with ETags, conditions, transactions and values that
//! end at a time.
//!
//! A store of kind [`Own`](StateStoreKind::Own) keeps its values as buckets of `wasi:keyvalue` do, in the bucket of its
//! name: guests see the same values, and an ETag is the version that their compare-and-swap compares.
//!
//! [`decide`] says what may be written, and knows no storage. [`own`], [`memory`] and [`redis`] are what storage there is;
//! each takes a set of writes together with what it stands on, and refuses it if somebody was quicker. So no lock of one
//! process decides anything, and several nodes may write the same keys.

mod config;
mod decide;
mod error;
mod memory;
mod operation;
mod own;
mod redis;
mod sweep;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use everlog_oplog::Timestamp;
use everlog_store::Store;

pub use config::{EtagOnMissing, StateStoreConfig, StateStoreKind};
pub use error::{Rejection, StateError};
pub use operation::{Concurrency, Operation, Value};
pub use redis::RedisAddress;

use self::decide::{Decided, Standing};
use self::memory::Memory;
use self::own::Own;
use self::redis::Redis;
use crate::keyvalue::Locks;

pub(crate) use sweep::run_sweeper;

/// The longest key, in bytes, without the prefix of its store.
pub const MAX_STATE_KEY_BYTES: usize = crate::keyvalue::limits::MAX_KEY_BYTES;
/// Keys that one call names.
pub const MAX_STATE_KEYS: usize = 10_000;
/// Operations of one transaction.
pub const MAX_TRANSACTION_OPERATIONS: usize = 1_000;
/// What the values of one call may be together, in bytes.
pub const MAX_STATE_BYTES: usize = 32 << 20;

/// How often a write is decided on anew because others were quicker. Each time one of them came through, so that this
/// many in a row mean something else is wrong.
const ATTEMPTS: usize = 1_000;
/// How long a write waits for replicas that are connected and do not answer.
const REPLICAS_LIMIT: Duration = Duration::from_secs(10);

/// What is under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The value.
    pub bytes: Vec<u8>,
    /// Never the same for another value of this key, also when it was deleted in between.
    pub etag: String,
    /// From then on the key counts as absent.
    pub expires_at: Option<Timestamp>,
}

/// A key with what is under it.
pub type KeyedState = (String, State);

/// Whether the writes of a call stand and fall together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Each for itself, in order: a later one sees the earlier ones.
    Each,
    /// All or none, each compared with what was there before all of them.
    Together,
}

/// All state stores of a server, by name.
pub struct StateStores {
    by_name: BTreeMap<String, StateStore>,
    /// Keeps the writers of this process apart.
    locks: Arc<Locks>,
}

impl StateStores {
    pub(crate) fn new(
        configs: &[StateStoreConfig],
        store: &Arc<dyn Store>,
        locks: &Arc<Locks>,
    ) -> Self {
        let open = |config: &StateStoreConfig| {
            let backend = match &config.kind {
                StateStoreKind::Own => {
                    Backend::Own(Own::new(config, Arc::clone(store), Arc::clone(locks)))
                }
                StateStoreKind::Memory => Backend::Memory(Memory::default()),
                StateStoreKind::Redis(address) => Backend::Redis(Redis::new(config, address)),
            };
            (config.name.clone(), StateStore { config: config.clone(), backend })
        };
        Self { by_name: configs.iter().map(open).collect(), locks: Arc::clone(locks) }
    }

    /// The store of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&StateStore> {
        self.by_name.get(name)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &StateStore> {
        self.by_name.values()
    }
}

/// One state store.
pub struct StateStore {
    config: StateStoreConfig,
    backend: Backend,
}

enum Backend {
    Own(Own),
    Memory(Memory),
    Redis(Redis),
}

impl StateStore {
    /// Whether its values can be listed, and so queried.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        !matches!(self.backend, Backend::Redis(_))
    }

    /// How it was set up.
    #[must_use]
    pub fn config(&self) -> &StateStoreConfig {
        &self.config
    }

    /// What is under `key` now.
    ///
    /// # Errors
    /// [`StateError`] if the key can't be one, or the store fails.
    pub async fn get(&self, key: &str) -> Result<Option<State>, StateError> {
        check_key(key)?;
        match &self.backend {
            Backend::Own(own) => own.get(key).await,
            Backend::Memory(memory) => Ok(memory.get(key)),
            Backend::Redis(redis) => redis.get(key).await,
        }
    }

    /// Up to `limit` keys behind `after` with their values, in the order of the keys; and behind which key the next
    /// page begins, if there is one.
    ///
    /// # Errors
    /// [`StateError`] if the store fails.
    pub async fn page(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<KeyedState>, Option<String>), StateError> {
        match &self.backend {
            Backend::Own(own) => own.page(after, limit).await,
            Backend::Memory(memory) => Ok(memory.page(after, limit)),
            Backend::Redis(_) => Err(StateError::NotListed),
        }
    }

    /// Carries out each operation for itself. What can be written is written in one step; the others are told why
    /// not, each at its place.
    ///
    /// # Errors
    /// [`StateError`] if nothing was written.
    pub async fn apply_each(
        &self,
        operations: &[Operation],
    ) -> Result<Vec<Result<(), Rejection>>, StateError> {
        check_size(operations, MAX_STATE_KEYS)?;
        self.apply(operations, Mode::Each).await
    }

    /// Carries out all operations in one step, or none. In the latter case says which were in the way.
    ///
    /// # Errors
    /// [`StateError`] if nothing was written.
    pub async fn transact(
        &self,
        operations: &[Operation],
    ) -> Result<Vec<Result<(), Rejection>>, StateError> {
        check_size(operations, MAX_TRANSACTION_OPERATIONS)?;
        self.apply(operations, Mode::Together).await
    }

    /// Waits until all replicas that are connected have what was written so far.
    ///
    /// # Errors
    /// [`StateError::NotReplicated`] if they do not say so in time.
    pub async fn wait_replicas(&self) -> Result<(), StateError> {
        match &self.backend {
            Backend::Own(own) => own.wait_replicas(REPLICAS_LIMIT).await,
            Backend::Memory(_) => Ok(()),
            Backend::Redis(redis) => redis.wait_replicas().await,
        }
    }

    async fn apply(
        &self,
        operations: &[Operation],
        mode: Mode,
    ) -> Result<Vec<Result<(), Rejection>>, StateError> {
        if operations.is_empty() {
            return Ok(Vec::new());
        }
        for _ in 0..ATTEMPTS {
            let told = match &self.backend {
                Backend::Own(own) => own.try_apply(operations, mode, &self.config).await?,
                Backend::Memory(memory) => memory.try_apply(operations, mode, &self.config)?,
                Backend::Redis(redis) => redis.try_apply(operations, mode, &self.config).await?,
            };
            if let Some(told) = told {
                return Ok(told);
            }
        }
        Err(StateError::Contended { attempts: ATTEMPTS })
    }
}

fn check_key(key: &str) -> Result<(), StateError> {
    match key.len() {
        0 => Err(StateError::EmptyKey),
        found if found > MAX_STATE_KEY_BYTES => Err(StateError::LongKey { found }),
        _ => Ok(()),
    }
}

fn check_size(operations: &[Operation], most: usize) -> Result<(), StateError> {
    operations.iter().try_for_each(|operation| check_key(&operation.key))?;
    let bytes = operations.iter().map(Operation::size).sum();
    check_limit("operations in one call", most, operations.len())?;
    check_limit("bytes of values in one call", MAX_STATE_BYTES, bytes)
}

fn check_limit(what: &'static str, limit: usize, found: usize) -> Result<(), StateError> {
    if found > limit { Err(StateError::Large { what, limit, found }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
