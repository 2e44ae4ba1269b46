//! Why shared data was not read or changed.

use everlog_store::StoreError;

use super::limits;

/// What the guest is told; it goes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// A name or key is empty.
    #[error("{what} must not be empty")]
    Empty {
        /// What is empty.
        what: &'static str,
    },
    /// A name or key is too long.
    #[error("{what} has {found} bytes, but at most {limit} are allowed")]
    Long {
        /// What is too long.
        what: &'static str,
        /// How long it may be, in bytes.
        limit: usize,
        /// How long it is, in bytes.
        found: usize,
    },
    /// A name could not be told from others.
    #[error("{what} {name:?} has a control character")]
    Control {
        /// What it names.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// One call deals with too much.
    #[error("{found} {what} in one call, but at most {limit} are allowed; make several calls")]
    Many {
        /// What was counted.
        what: &'static str,
        /// How much is allowed.
        limit: usize,
        /// How much there is.
        found: usize,
    },
    /// A listing without pages is too long.
    #[error(
        "{place} has more keys than one listing holds ({} or {} bytes); use an interface that lists in pages, such as \
         `wasi:keyvalue/store.list-keys`",
        limits::MAX_KEYS,
        limits::MAX_BATCH_BYTES
    )]
    NoPages {
        /// The bucket.
        place: String,
    },
    /// There is too much to be removed in one step.
    #[error(
        "there are more than {} keys, which is the most that one call removes; clear some of them first",
        limits::MAX_KEYS
    )]
    Overfull,
    /// A container is too full to be emptied in one step.
    #[error(
        "container {container:?} has more than {} objects, which is the most that one call removes; delete some of \
         them first",
        limits::MAX_KEYS
    )]
    Crowded {
        /// The container.
        container: String,
    },
    /// A value is no number.
    #[error(
        "the value of key {key:?} in bucket {bucket:?} is no decimal number, but {size} bytes that begin with {found:?}"
    )]
    NoNumber {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// The beginning of the value.
        found: String,
        /// Its length in bytes.
        size: u64,
    },
    /// A sum is too large.
    #[error("key {key:?} in bucket {bucket:?} holds {value}; {delta} more would overflow")]
    Overflow {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// What it holds.
        value: i128,
        /// What was to be added.
        delta: i128,
    },
    /// There is no such cursor.
    #[error("cursor {cursor} is not one of the last that this worker got from `list-keys`")]
    UnknownCursor {
        /// The cursor.
        cursor: u64,
    },
    /// The bucket is a state store that keeps its values somewhere else.
    #[error(
        "bucket {bucket:?} is a state store that does not keep its values in this server's own store, so guests cannot \
         reach it"
    )]
    Elsewhere {
        /// The bucket.
        bucket: String,
    },
    /// There is no such container.
    #[error("container {container:?} does not exist")]
    NoContainer {
        /// Its name.
        container: String,
    },
    /// There is such a container.
    #[error("container {container:?} exists already")]
    ContainerExists {
        /// Its name.
        container: String,
    },
    /// There is no such object.
    #[error("container {container:?} has no object {object:?}")]
    NoObject {
        /// The container's name.
        container: String,
        /// The object's name.
        object: String,
    },
    /// A part of an object that ends before it starts.
    #[error("the part asked for starts at byte {start}, but ends at byte {end}")]
    Backwards {
        /// The first byte.
        start: u64,
        /// The last byte.
        end: u64,
    },
}

/// What became of an operation that did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataError {
    /// Something for the guest to hear.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The worker whose data it is is not there.
    #[error("there is no such worker")]
    NoWorker,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DataError {
    /// Parts what the guest is told from what ends its execution: a damaged record is no reason to stop the worker.
    pub(crate) fn into_told(self) -> Result<String, StoreError> {
        match self {
            Self::Refused(refusal) => Ok(refusal.to_string()),
            Self::NoWorker => Ok(self.to_string()),
            Self::Store(damaged @ StoreError::Corrupt { .. }) => Ok(damaged.to_string()),
            Self::Store(error) => Err(error),
        }
    }
}
