//! The engine inside the process: a log-structured tree of our own for oplogs and records, files
//! for blobs.
//!
//! ```text
//! <directory>/lock      who uses the directory
//!             format    which format it has: see `format`
//!             journal/  what is not in tables yet: see `journal`
//!             tables/   oplogs and records: see `tables` and `tree`
//!             marks/    what was acknowledged, independent of the others: see `marks`
//!             blobs/    large payloads by digest: see `blobs`
//! ```
//! Code map, in the order of a write: `committer` (who waits, groups, poison) → `group` (guard of
//! appends, items) → `marks` → `tables` (`journal`, then `tree`) → answers. Reads go to `tables`
//! and
//! `blobs` directly.

mod blobs;
mod block;
mod cache;
mod committer;
mod envelope;
mod files;
mod format;
mod group;
mod journal;
mod keys;
mod lock;
mod marks;
mod panics;
mod tables;
mod tree;

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt as _, ready};
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};

use crate::store::{Done, Health, KeyRange, KeyValue, LogRecord, Order, Replication};
use crate::{Batch, Digest, Space, Store, StoreError, WorkerKey};
use blobs::Blobs;
use committer::Committer;
pub(crate) use files::{create_directory, io_error};
use group::GroupWriter;
pub(crate) use lock::DirectoryLock;
use marks::{Account, Loss, Marks};
use tables::Tables;

/// How to open an [`EmbeddedStore`].
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// The state directory; created if it is not there.
    pub directory: PathBuf,
    /// Memory for the indices of table files, in bytes; used as far as there is data. Pages of the
    /// files are left to the operating system's cache.
    pub cache_bytes: u64,
    /// How much is kept in memory before it is written to a file, in bytes; up to four times as
    /// much while files are written. Larger means fewer files, more memory, and a slower start
    /// after a crash.
    pub memtable_bytes: u64,
    /// Go on although acknowledged data is missing, after [`StoreError::LostTail`]: what is missing
    /// is written to the server's log, and forgotten.
    pub accept_loss: bool,
}

impl EmbeddedOptions {
    /// The usual options: 32 MiB of cache, 16 MiB in memory, no loss accepted.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            cache_bytes: 32 * 1024 * 1024,
            memtable_bytes: 16 * 1024 * 1024,
            accept_loss: false,
        }
    }
}

/// A [`Store`] in a directory of this machine, for one process.
///
/// An oplog that nobody reads or writes costs disk and nothing else. Dropping the store commits
/// what was submitted and waits for it.
pub struct EmbeddedStore {
    // In the order in which they are dropped: no write after the tables are closed, and all of it
    // before the directory is free for somebody else.
    committer: Committer<GroupWriter>,
    tables: Tables,
    blobs: Arc<Blobs>,
    _lock: DirectoryLock,
}

impl EmbeddedStore {
    /// Opens the store, recovering what a crash left. Blocks while it reads the journal, which is
    /// about as large as what is kept in memory.
    ///
    /// # Errors
    /// - [`StoreError::Locked`]: another process has it.
    /// - [`StoreError::Format`]: it was written by another version.
    /// - [`StoreError::LostTail`]: something acknowledged is missing.
    /// - [`StoreError::Corrupt`]: the tables cannot be opened.
    /// - [`StoreError::Io`].
    pub fn open(options: &EmbeddedOptions) -> Result<Self, StoreError> {
        let directory = &options.directory;
        create_directory(directory)?;
        let lock = DirectoryLock::acquire(directory)?;
        if !format::is_marked(directory)? {
            tables::create(directory)?;
            format::mark(directory)?;
        }
        let writer = recover(options)?;
        let tables = writer.tables().clone();
        let blobs = Arc::new(Blobs::open(directory)?);
        let committer =
            Committer::start(writer).map_err(io_error("start a thread for", directory))?;
        Ok(Self { committer, tables, blobs, _lock: lock })
    }

    /// Runs `read` where it may block. A cold read may take long.
    fn blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let tables = self.tables.clone();
        blocking(move || read(&tables))
    }
}

/// Opens the tables, compares them with the account of what was acknowledged, and goes on from
/// there.
fn recover(options: &EmbeddedOptions) -> Result<GroupWriter, StoreError> {
    let marks = options.directory.join("marks");
    create_directory(&marks)?;
    let account = Account::read(&marks)?;
    let segments = account.segments.clone();
    let opened = tables::open(options, account.group)?;
    let stored = opened.tables.last_group();
    let mut losses = account.verify(&opened.tables, stored);
    losses.extend(Account::gaps(&opened.recovered.gaps));
    let is_accepted = !losses.is_empty() && options.accept_loss;
    if is_accepted {
        Loss::accept(&losses);
    } else if let Some(refusal) = Loss::refusal(losses, &options.directory) {
        return Err(refusal);
    }
    let mut writer = opened.begin(is_accepted)?;
    let marks = Marks::resume(&marks, options.memtable_bytes, stored, segments, &mut writer)?;
    Ok(GroupWriter::new(writer, marks))
}

impl Store for EmbeddedStore {
    fn submit(&self, batch: Batch, done: Done) {
        self.committer.submit(batch, done);
    }

    fn enqueue(&self, batch: Batch, done: Done) {
        self.committer.enqueue(batch, done);
    }

    fn wake(&self) {
        self.committer.wake();
    }

    fn drive(&self) {
        self.committer.drive();
    }

    fn read_log(
        &self,
        worker: &WorkerKey,
        from: u64,
        limit_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<LogRecord>, StoreError>> {
        let worker = worker.clone();
        self.blocking(move |tables| tables.read_log(&worker, from, limit_bytes))
    }

    // Reads of one record run in place: mostly filters and blocks in memory answer them within a
    // few microseconds, less than it costs to change threads; at worst they read a few pages of 8
    // KiB, or write a damaged table anew.

    fn last_index(&self, worker: &WorkerKey) -> BoxFuture<'_, Result<Option<u64>, StoreError>> {
        let worker = worker.clone();
        async move { Ok(self.tables.log_tail(&worker)?.map(|tail| tail.last)) }.boxed()
    }

    fn get(&self, space: Space, key: &[u8]) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        let key = keys::record_key(space, key);
        async move { Ok(self.tables.get(&key)?.map(|(value, _)| value)) }.boxed()
    }

    fn scan(
        &self,
        space: Space,
        range: KeyRange,
        order: Order,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<KeyValue>, StoreError>> {
        self.blocking(move |tables| tables.scan(space, range, order, limit))
    }

    fn put_blob(&self, bytes: Vec<u8>) -> BoxFuture<'_, Result<Digest, StoreError>> {
        let blobs = Arc::clone(&self.blobs);
        match self.committer.check() {
            Ok(()) => blocking(move || blobs.put(&bytes)),
            Err(poisoned) => ready(Err(poisoned)).boxed(),
        }
    }

    fn get_blob(&self, digest: &Digest) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        let blobs = Arc::clone(&self.blobs);
        let digest = *digest;
        blocking(move || blobs.get(&digest))
    }

    fn logs(&self) -> BoxStream<'_, Result<WorkerKey, StoreError>> {
        let next = async |after: Option<WorkerKey>| {
            let found = self.blocking(move |tables| tables.next_log(after.as_ref())).await?;
            Ok(found.map(|worker| (worker.clone(), Some(worker))))
        };
        stream::try_unfold(None, next).boxed()
    }

    fn blobs(&self) -> BoxStream<'_, Result<Digest, StoreError>> {
        let list = |shard| {
            let blobs = Arc::clone(&self.blobs);
            blocking(move || blobs.list(shard))
        };
        let shards = stream::iter(0..=u8::MAX).then(list);
        shards.map_ok(|digests| stream::iter(digests.into_iter().map(Ok))).try_flatten().boxed()
    }

    fn is_sequential(&self) -> bool {
        true
    }

    fn health(&self) -> Health {
        match (self.committer.health(), self.tables.check()) {
            (Health::Ok, Err(reason)) => Health::Poisoned { reason },
            (health, _) => health,
        }
    }

    fn replication(&self) -> Replication {
        Replication::default()
    }

    fn wait_replicas(&self, _count: u32) -> BoxFuture<'_, Result<(), StoreError>> {
        ready(self.committer.check()).boxed()
    }
}

/// Runs `work` on a thread of tokio that may block.
fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> BoxFuture<'static, Result<T, StoreError>> {
    // The task is only lost when the runtime shuts down.
    async { tokio::task::spawn_blocking(work).await.unwrap_or(Err(StoreError::Closed)) }.boxed()
}
