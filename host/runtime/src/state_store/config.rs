//! How a state store is set up.

use std::fmt;

use super::RedisAddress;

/// One state store.
#[derive(Clone, PartialEq, Eq)]
pub struct StateStoreConfig {
    /// Its name, and that of the bucket in which guests see the same values.
    pub name: String,
    /// Where the values are.
    pub kind: StateStoreKind,
    /// What each key begins with where it is stored.
    pub key_prefix: String,
    /// Whether a write with an ETag is taken where there is no value.
    pub etag_on_missing: EtagOnMissing,
    /// How long values stay that say nothing of it, in seconds; `None`: for ever.
    pub default_ttl_seconds: Option<u32>,
}

/// Where the values of a state store are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateStoreKind {
    /// In this server's own store, as buckets are.
    Own,
    /// In the memory of this process, gone when it ends.
    Memory,
    /// In a Redis, as Dapr keeps them there.
    Redis(RedisAddress),
}

/// What becomes of a write with an ETag where there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EtagOnMissing {
    /// It is taken.
    Accept,
    /// It is a mismatch.
    Reject,
}

impl StateStoreConfig {
    /// The store that is there without any set-up: all keys of the bucket of this name.
    #[must_use]
    pub fn default_store() -> Self {
        Self {
            name: "statestore".to_owned(),
            kind: StateStoreKind::Own,
            key_prefix: String::new(),
            etag_on_missing: EtagOnMissing::Reject,
            default_ttl_seconds: None,
        }
    }
}

impl fmt::Debug for StateStoreConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "state store {:?} ({:?})", self.name, self.kind)
    }
}
