//! Why state was not read or written.

use everlog_store::StoreError;

use super::{MAX_STATE_KEY_BYTES, REPLICAS_LIMIT};

/// Why one operation was not carried out although the store works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The ETag is not the one of what is stored.
    #[error("the ETag is not the one of the stored value")]
    EtagMismatch,
    /// The ETag is none that this store ever gave.
    #[error("the ETag is not a number, as those of Redis are")]
    EtagMalformed,
    /// An ETag was sent, and nothing is stored.
    #[error("an ETag was sent, but there is no value under this key")]
    NothingStored,
    /// The first write should win, and it was made already.
    #[error("there is a value under this key already, and with first-write the first one stays")]
    NotFirst,
}

/// Why a call had no effect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// A key is empty.
    #[error("a key must not be empty")]
    EmptyKey,
    /// A key is too long.
    #[error("a key has {found} bytes, but at most {MAX_STATE_KEY_BYTES} are allowed")]
    LongKey {
        /// How long it is, in bytes.
        found: usize,
    },
    /// One call deals with too much.
    #[error("{found} {what}, but at most {limit} are allowed; make several calls")]
    Large {
        /// What was counted.
        what: &'static str,
        /// How much is allowed.
        limit: usize,
        /// How much there is.
        found: usize,
    },
    /// A store in memory is full.
    #[error("a store in memory holds at most {limit} bytes of keys and values; delete some first")]
    Full {
        /// What it may hold.
        limit: usize,
    },
    /// Others were quicker, again and again.
    #[error("others changed the same keys {attempts} times in a row; try again")]
    Contended {
        /// How often it was tried.
        attempts: usize,
    },
    /// It is stored here, but not everywhere.
    #[error(
        "written, but the replicas did not confirm it within {} seconds",
        REPLICAS_LIMIT.as_secs()
    )]
    NotReplicated,
    /// There is no list of its keys.
    #[error("a store in another Redis has no list of its keys, so it cannot be queried")]
    NotListed,
    /// The Redis of the store failed.
    #[error("the Redis at {address} failed: {reason}")]
    Redis {
        /// Where it is, without secrets.
        address: String,
        /// What it said, or what became of the connection.
        reason: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StateError {
    /// Whether the caller asked for something that is never carried out.
    #[must_use]
    pub fn is_callers_fault(&self) -> bool {
        matches!(self, Self::EmptyKey | Self::LongKey { .. } | Self::Large { .. })
    }
}
