//! A store that does what it should up to a certain write.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

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
    /// Batches are done only once a blob was refused, and all blobs are.
    Withheld,
    /// Nothing, but everything is listed twice.
    Stammers,
}

pub(crate) struct Faulty {
    store: Arc<dyn Store>,
    fault: Fault,
    good: u64,
    writes: AtomicU64,
    under_way: Arc<AtomicU64>,
    withheld: Mutex<Vec<(Batch, Done)>>,
}

impl Faulty {
    pub(crate) fn new(store: &Arc<dyn Store>, fault: Fault, good: u64) -> Self {
        let (writes, under_way, withheld) = (AtomicU64::new(0), Arc::default(), Mutex::default());
        Self { store: Arc::clone(store), fault, good, writes, under_way, withheld }
    }

    /// How many writes there were.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// How many batches are not answered yet.
    pub(crate) fn under_way(&self) -> u64 {
        self.under_way.load(Ordering::SeqCst)
    }

    /// `done`, counted as under way until it is called.
    fn counted(&self, done: Done) -> Done {
        let under_way = Arc::clone(&self.under_way);
        under_way.fetch_add(1, Ordering::SeqCst);
        Box::new(move |outcome| {
            under_way.fetch_sub(1, Ordering::SeqCst);
            done(outcome);
        })
    }

    /// Does what was withheld, in its order and while the caller goes on.
    fn release(&self) {
        let withheld = std::mem::take(&mut *self.withheld.lock().expect("nobody panicked"));
        let store = Arc::clone(&self.store);
        std::thread::spawn(move || {
            for (batch, done) in withheld {
                store.submit(batch, done);
            }
        });
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
            None if self.fault == Fault::Withheld && self.writes() > self.good => {
                let withheld = (batch, self.counted(done));
                self.withheld.lock().expect("nobody panicked").push(withheld);
            }
            None => self.store.submit(batch, self.counted(done)),
        }
    }

    fn put_blob(&self, bytes: Vec<u8>) -> BoxFuture<'_, Result<Digest, StoreError>> {
        if self.fault == Fault::Withheld {
            self.release();
            return ready(Err(StoreError::Closed)).boxed();
        }
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

    fn is_sequential(&self) -> bool {
        self.store.is_sequential()
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
