//! What shared data may measure. Whoever breaks a limit is told which, and what it is.

/// The longest name of a bucket or a container, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 256;

/// The longest key, or name of an object, in bytes.
pub(crate) const MAX_KEY_BYTES: usize = 1024;

/// The largest value under a key, in bytes.
pub(crate) const MAX_VALUE_BYTES: usize = 16 << 20;

/// The largest object, in bytes.
pub(crate) const MAX_OBJECT_BYTES: usize = 64 << 20;

/// Up to this many bytes a value is part of its record, and of the log of whoever reads it; a larger one is a blob,
/// and the log names it by its digest.
pub(crate) const MAX_INLINE_BYTES: usize = 256 << 10;

/// Keys or names in one page of a listing.
pub(crate) const PAGE_KEYS: usize = 1_000;

/// Keys or names that one call lists or removes where it cannot turn pages.
pub(crate) const MAX_KEYS: usize = 10_000;

/// Keys, with or without values, that one call may name.
pub(crate) const MAX_BATCH_KEYS: usize = 1_000;

/// What one call may read or write of values that are not blobs, or list of keys, in bytes: it becomes one entry of the
/// log, or part of one batch of the store.
pub(crate) const MAX_BATCH_BYTES: usize = 4 << 20;

const _: () = assert!(2 * MAX_BATCH_BYTES <= everlog_oplog::Payload::MAX_INLINE_BYTES);
const _: () = assert!(PAGE_KEYS * MAX_KEY_BYTES <= MAX_BATCH_BYTES);
const _: () = assert!(MAX_NAME_BYTES + 1 + MAX_KEY_BYTES <= everlog_store::MAX_RECORD_KEY_BYTES);
// A batch holds the worker's buffered tail beside the records.
const _: () = assert!(
    MAX_BATCH_BYTES + MAX_KEYS * (MAX_NAME_BYTES + 1 + MAX_KEY_BYTES + 64)
        <= everlog_store::MAX_BATCH_BYTES / 2
);
