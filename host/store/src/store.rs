use std::ops::Bound;
use std::sync::Arc;

use futures::channel::oneshot;
use futures::future::BoxFuture;
use futures::stream::BoxStream;

use crate::cluster::Cluster;
use crate::{Batch, Digest, Space, StoreError, WorkerKey};

/// The largest blob, in bytes.
pub const MAX_BLOB_BYTES: usize = 256 * 1024 * 1024;

/// Runs once, when a batch is durable or has failed: on the thread that commits, or within
/// [`Store::submit`] if the store was poisoned before. It must be short, since the next batches
/// wait for it. It may call [`Store::submit`].
pub type Done = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Entries of one oplog as they were appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// Index of the first entry in `bytes`.
    pub first: u64,
    /// Index of the last entry in `bytes`.
    pub last: u64,
    /// What [`Append::bytes`](crate::Append::bytes) held.
    pub bytes: Vec<u8>,
}

/// A range of keys in one [`Space`]; an empty or inverted range holds no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// Where it starts.
    pub start: Bound<Vec<u8>>,
    /// Where it ends.
    pub end: Bound<Vec<u8>>,
}

impl KeyRange {
    /// Every key of the space.
    pub const fn all() -> Self {
        Self { start: Bound::Unbounded, end: Bound::Unbounded }
    }

    /// This key alone.
    pub fn only(key: &[u8]) -> Self {
        Self { start: Bound::Included(key.to_vec()), end: Bound::Included(key.to_vec()) }
    }

    /// Every key that starts with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Self {
        // The first key behind the range: the prefix without trailing 0xFF, its last byte raised by
        // one.
        let kept = prefix.iter().rposition(|byte| *byte != 0xFF).map_or(0, |last| last + 1);
        let mut end = prefix[..kept].to_vec();
        let end = match end.last_mut() {
            Some(byte) => {
                *byte += 1;
                Bound::Excluded(end)
            }
            None => Bound::Unbounded,
        };
        Self { start: Bound::Included(prefix.to_vec()), end }
    }
}

/// The direction of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From the smallest key up.
    Forward,
    /// From the largest key down.
    Backward,
}

/// A record as a scan returns it: its key and its value.
pub type KeyValue = (Vec<u8>, Vec<u8>);

/// Whether a store still accepts batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Ok,
    /// A write or a sync failed; nothing is acknowledged until the store is opened again.
    Poisoned {
        /// What failed.
        reason: String,
    },
    /// It cannot be reached now. Batches wait, and are stored once it can.
    Unreachable {
        /// Why not.
        reason: String,
    },
}

/// Who has a copy of what is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replication {
    /// How many replicas receive each batch beside the primary; 0 for an engine without
    /// replication.
    pub replicas: u32,
    /// How many bytes the slowest of them is behind.
    pub lag_bytes: u64,
}

/// What an engine does. All of it is checked by the conformance suite.
///
/// Futures must be polled inside a tokio runtime: engines move long reads to its blocking threads.
pub trait Store: Send + Sync + 'static {
    /// Hands `batch` over to be made durable, then `done` is called, exactly once.
    ///
    /// Batches from one thread take effect in the order of their submission. A batch that is
    /// refused ([`StoreError::Conflict`], [`StoreError::Unexpected`], [`StoreError::InvalidBatch`],
    /// [`StoreError::Limit`]) changes nothing and does not hinder the others. After a failed write
    /// or sync every batch gets [`StoreError::Poisoned`].
    ///
    /// Does not wait for the disk; it may wait for room while the engine holds as much as it may
    /// buffer.
    fn submit(&self, batch: Batch, done: Done);

    /// [`Store::submit`] in two steps, for a caller that holds locks: this one queues the batch in
    /// its place, and a [`Store::wake`] or [`Store::drive`] has to follow.
    fn enqueue(&self, batch: Batch, done: Done) {
        self.submit(batch, done);
    }

    /// Sees to it that what was queued by [`Store::enqueue`] becomes durable, and does not wait.
    fn wake(&self) {}

    /// [`Store::wake`] for a caller that has nothing to do before the batch is durable: if storing
    /// it takes no longer than handing it to another thread, it is stored here, within less than a
    /// millisecond as a rule, and `done` is called on this thread. Nothing that it needs may be
    /// locked.
    fn drive(&self) {
        self.wake();
    }

    /// The records of `worker`'s oplog that hold entries with an index of at least `from`, in
    /// order; so the first one may start before `from`. Stops before the record that would take the
    /// sum of bytes above `limit_bytes`, but returns at least one record if there is any. Empty at
    /// the end of the oplog, and for a worker that has none.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if a record is damaged or missing.
    fn read_log(
        &self,
        worker: &WorkerKey,
        from: u64,
        limit_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<LogRecord>, StoreError>>;

    /// Index of the last entry of `worker`'s oplog; `None` if it has none.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the record that holds it is damaged.
    fn last_index(&self, worker: &WorkerKey) -> BoxFuture<'_, Result<Option<u64>, StoreError>>;

    /// The value of a record.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it is damaged.
    fn get(&self, space: Space, key: &[u8]) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>>;

    /// Up to `limit` records of `space` with keys in `range`, as they
    /// are at one moment.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if one of them is damaged.
    fn scan(
        &self,
        space: Space,
        range: KeyRange,
        order: Order,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<KeyValue>, StoreError>>;

    /// Stores a blob under its digest; durable when the future resolves. Storing what is there
    /// already is cheap.
    ///
    /// # Errors
    /// [`StoreError::Limit`] above [`MAX_BLOB_BYTES`], [`StoreError::Poisoned`],
    /// [`StoreError::Io`].
    fn put_blob(&self, bytes: Vec<u8>) -> BoxFuture<'_, Result<Digest, StoreError>>;

    /// The blob with this digest, checked against it; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the bytes do not have this digest, [`StoreError::Io`].
    fn get_blob(&self, digest: &Digest) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>>;

    /// Every worker that has an oplog, in any order; one may come twice. What is created or deleted
    /// meanwhile may be missing.
    ///
    /// An item is [`StoreError::Corrupt`] where names can no longer be read.
    fn logs(&self) -> BoxStream<'_, Result<WorkerKey, StoreError>>;

    /// The digest of every blob, like [`Store::logs`]. The blobs themselves are not looked at.
    fn blobs(&self) -> BoxStream<'_, Result<Digest, StoreError>>;

    /// Whether the store holds, at every moment and after any crash, the beginning of all that was
    /// handed over, by whichever thread: whoever sees a batch stored then knows the same of every
    /// batch that was queued before it. Left out are only batches that were refused, and one
    /// without expectations and within the limits is not, as long as a single writer continues an
    /// oplog and what it holds is not damaged.
    fn is_sequential(&self) -> bool {
        false
    }

    /// Whether batches are still accepted, and why not. Cheap; for `/readyz`.
    fn health(&self) -> Health;

    /// Which replicas there are, as far as is known. Cheap; for metrics.
    fn replication(&self) -> Replication;

    /// What an operator may want to know of this engine, as names and values, without secrets.
    /// Cheap; for `/readyz?verbose`.
    fn facts(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// The nodes that share the store; `None` where one process has it for itself.
    fn cluster(&self) -> Option<Arc<dyn Cluster>> {
        None
    }

    /// Waits until everything acknowledged so far is on `count` replicas, or on all there are if
    /// they are fewer, then; without replicas it resolves at once. Dropping the future ends the
    /// wait.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`] if the store was poisoned meanwhile.
    fn wait_replicas(&self, count: u32) -> BoxFuture<'_, Result<(), StoreError>>;
}

/// Submits `batch` and waits until it is durable.
///
/// # Errors
/// Those of [`Store::submit`]; [`StoreError::Closed`] if the store went away without an answer.
pub async fn commit(store: &dyn Store, batch: Batch) -> Result<(), StoreError> {
    let (sender, receiver) = oneshot::channel();
    // A caller that no longer waits is fine: the batch is stored all the same.
    store.enqueue(batch, Box::new(move |outcome| drop(sender.send(outcome))));
    store.drive();
    receiver.await.unwrap_or(Err(StoreError::Closed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_prefix() {
        let end = |prefix: &[u8]| KeyRange::prefix(prefix).end;
        assert_eq!(end(b"ab"), Bound::Excluded(b"ac".to_vec()));
        assert_eq!(end(b"a\xFF\xFF"), Bound::Excluded(b"b".to_vec()));
        assert_eq!(end(b"\xFF"), Bound::Unbounded);
        assert_eq!(end(b""), Bound::Unbounded);
    }
}
