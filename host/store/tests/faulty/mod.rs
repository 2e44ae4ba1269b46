//! A store that does what it should up to a certain write.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use everlog_store::{
    Batch, Digest, Done, Health, KeyRange, KeyValue, LogRecord, Order, Replication, Space, Store,
    StoreError, WorkerKey,
};
use futures::future::{BoxFuture, FutureExt as _, ready};
use futures::stream::{BoxStream, StreamExt as _};

/// What happens to the writes behind the good ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// All of them fail, as if the process had been killed before.
    Stopped,
    /// The first of them is acknowledged and not done.
    Swallows,
    /// Nothing, but everything is listed twice.
    Stammers,
}

pub(crate) struct Faulty {
    store: Arc<dyn Store>,
    fault: Fault,
    good: u64,
    writes: AtomicU64,
}

impl Faulty {
    pub(crate) fn new(store: &Arc<dyn Store>, fault: Fault, good: u64) -> Self {
        Self { store: Arc::clone(store), fault, good, writes: AtomicU64::new(0) }
    }

    /// How many writes there were.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// The outcome of this write, unless it is to be done.
    fn spoiled(&self) -> Option<Result<(), StoreError>> {
        let number = self.writes.fetch_add(1, Ordering::SeqCst);
        match self.fault {
            Fault::Stopped if number >= self.good => Some(Err(StoreError::Closed)),
            Fault::Swallows if number == self.good => Some(Ok(())),
            _ => None,
        }
    }
}

impl Store for Faulty {
    fn submit(&self, batch: Batch, done: Done) {
        match self.spoiled() {
            Some(outcome) => done(outcome),
            None => self.store.submit(batch, done),
        }
    }

    fn put_blob(&self, bytes: Vec<u8>) -> BoxFuture<'_, Result<Digest, StoreError>> {
        match self.spoiled() {
            Some(outcome) => ready(outcome.map(|()| Digest::of(&bytes))).boxed(),
            None => self.store.put_blob(bytes),
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
    ) -> BoxFuture<'_, Result<Vec<KeyValue>, StoreError>> {
        self.store.scan(space, range, order, limit)
    }

    fn get_blob(&self, digest: &Digest) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        self.store.get_blob(digest)
    }

    fn logs(&self) -> BoxStream<'_, Result<WorkerKey, StoreError>> {
        match self.fault {
            Fault::Stammers => self.store.logs().chain(self.store.logs()).boxed(),
            _ => self.store.logs(),
        }
    }

    fn blobs(&self) -> BoxStream<'_, Result<Digest, StoreError>> {
        match self.fault {
            Fault::Stammers => self.store.blobs().chain(self.store.blobs()).boxed(),
            _ => self.store.blobs(),
        }
    }

    fn health(&self) -> Health {
        self.store.health()
    }

    fn replication(&self) -> Replication {
        self.store.replication()
    }

    fn wait_replicas(&self, count: u32) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.wait_replicas(count)
    }
}
