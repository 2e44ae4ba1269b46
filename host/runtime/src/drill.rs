//! Drills: a store that lets the process die after a number of entries, or refuses a batch.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use everlog_oplog::codec::Decoded;
use everlog_oplog::{Codec, EntryKind, Index};
use everlog_store::cluster::Cluster;
use everlog_store::{
    Append, Batch, Digest, Done, Expectation, Health, KeyRange, LogRecord, Order, Replication,
    Space, Store, StoreError, WorkerKey,
};
use futures::future::BoxFuture;
use futures::stream::BoxStream;

use crate::records;
use crate::spaces::KEY_VALUES;

/// What is to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drill {
    /// The process stops itself, as if killed, once this many entries of all workers are durable.
    StopAfterEntries(u64),
    /// This one of the batches with entries, counted from 1, is refused as if a worker of another node had been quicker
    /// with data that both share.
    RefuseBatch(u64),
}

/// Passes everything on, but for what the drill says.
pub(crate) struct Drilled {
    store: Arc<dyn Store>,
    drill: Drill,
    /// Entries, or batches, until it happens.
    left: AtomicU64,
    /// Batches are looked at one at a time, in their order.
    looking: Mutex<()>,
}

impl Drilled {
    pub(crate) fn new(store: Arc<dyn Store>, drill: Drill) -> Self {
        let (Drill::StopAfterEntries(left) | Drill::RefuseBatch(left)) = drill;
        Self { store, drill, left: AtomicU64::new(left), looking: Mutex::new(()) }
    }

    fn stop_with(&self, mut batch: Batch, done: Done) {
        let ended = self.left.load(Ordering::SeqCst) == 0;
        if ended {
            // The process is about to die; nobody hears of this batch.
            return;
        }
        let done: Done =
            if self.cut(&mut batch) { Box::new(|_| std::process::abort()) } else { done };
        self.store.submit(batch, done);
    }

    fn refuse_with(&self, mut batch: Batch, done: Done) {
        let left = self.left.load(Ordering::SeqCst);
        if left > 0 && !batch.appends.is_empty() {
            self.left.store(left - 1, Ordering::SeqCst);
            if left == 1 {
                tracing::warn!("a batch is refused, as the drill says");
                // The store itself refuses it, in its turn: nobody has ever stored this.
                let (key, value) = (b"drill".to_vec(), Some(b"never".to_vec()));
                batch.expectations.push(Expectation { space: KEY_VALUES, key, value });
            }
        }
        self.store.submit(batch, done);
    }

    /// Leaves in `batch` only what may still be stored; says whether the end is reached with it.
    fn cut(&self, batch: &mut Batch) -> bool {
        for append in &mut batch.appends {
            let entries = append.last - append.first + 1;
            let left = self.left.load(Ordering::SeqCst);
            self.left.store(left.saturating_sub(entries), Ordering::SeqCst);
            if left >= entries {
                continue;
            }
            *append = beginning(append, left);
            // What belongs to the entries that are lost is lost with them; but no store parts a worker's first entry
            // from the record that lists it. What that says has to be made anew.
            batch.changes.clear();
            if append.first == Index::FIRST.get() && !append.bytes.is_empty() {
                batch.changes.push(records::put_unknown_status(&append.worker));
            }
        }
        batch.appends.retain(|append| !append.bytes.is_empty());
        self.left.load(Ordering::SeqCst) == 0
    }
}

/// The first `entries` of what is appended; fewer where the end would fall into the load of a snapshot, which relies on
/// being stored whole.
fn beginning(append: &Append, entries: u64) -> Append {
    let codec = Codec::new(append.worker.as_bytes());
    let frames: Vec<_> = codec.decode(Index(append.first), &append.bytes).flatten().collect();
    let mut taken = usize::try_from(entries).unwrap_or(usize::MAX).min(frames.len());
    let is_load = |frame: &Decoded| matches!(frame.entry.kind, EntryKind::SnapshotLoaded { .. });
    let is_done = |frame: &Decoded| matches!(frame.entry.kind, EntryKind::UpdateDone { .. });
    if let Some(load) = frames[..taken].iter().rposition(is_load)
        && !frames[load..taken].iter().any(is_done)
    {
        taken = load;
    }
    let bytes: usize = frames[..taken].iter().map(|frame| frame.frame_bytes).sum();
    let last = (append.first + taken as u64).saturating_sub(1).max(append.first);
    Append::new(append.worker.clone(), append.first, last, append.bytes[..bytes].to_vec())
}

impl Store for Drilled {
    fn submit(&self, batch: Batch, done: Done) {
        let _looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        match self.drill {
            Drill::StopAfterEntries(_) => self.stop_with(batch, done),
            Drill::RefuseBatch(_) => self.refuse_with(batch, done),
        }
    }

    fn read_log(
        &self,
        worker: &WorkerKey,
        from: u64,
        limit_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<LogRecord>, StoreError>> {
        self.store.read_log(worker, from, limit_bytes)
    }

    fn last_index(&self, worker: &WorkerKey) -> BoxFuture<'_, Result<Option<u64>, StoreError>> {
        self.store.last_index(worker)
    }

    fn get(&self, space: Space, key: &[u8]) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        self.store.get(space, key)
    }

    fn scan(
        &self,
        space: Space,
        range: KeyRange,
        order: Order,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError>> {
        self.store.scan(space, range, order, limit)
    }

    fn put_blob(&self, bytes: Vec<u8>) -> BoxFuture<'_, Result<Digest, StoreError>> {
        self.store.put_blob(bytes)
    }

    fn get_blob(&self, digest: &Digest) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        self.store.get_blob(digest)
    }

    fn logs(&self) -> BoxStream<'_, Result<WorkerKey, StoreError>> {
        self.store.logs()
    }

    fn blobs(&self) -> BoxStream<'_, Result<Digest, StoreError>> {
        self.store.blobs()
    }

    fn is_sequential(&self) -> bool {
        matches!(self.drill, Drill::StopAfterEntries(_)) && self.store.is_sequential()
    }

    fn health(&self) -> Health {
        self.store.health()
    }

    fn replication(&self) -> Replication {
        self.store.replication()
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        self.store.facts()
    }

    fn cluster(&self) -> Option<Arc<dyn Cluster>> {
        self.store.cluster()
    }

    fn wait_replicas(&self, count: u32) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.wait_replicas(count)
    }
}
