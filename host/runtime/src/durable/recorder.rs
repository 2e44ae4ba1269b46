//! One worker's journal together with the way to the store: what is buffered, what is on its way, what is durable.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use everlog_oplog::{Index, Journal, Timestamp};
use everlog_store::{Append, Batch, Change, MAX_BATCH_BYTES, Store, StoreError, WorkerKey};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, oneshot, watch};

use super::Interruption;
use crate::statistics::{Counters, add};
use crate::worker::WorkerId;
use crate::{clock, records};

/// How long a commit that is to be started soon waits for the next gate, whose sync it then shares.
const SOON: Duration = Duration::from_millis(1);

/// How far a worker's log is on disk.
#[derive(Clone, Debug)]
pub(crate) enum Durable {
    /// Everything up to and including this entry is durable.
    UpTo(Index),
    /// A write failed; nothing after it will be acknowledged.
    Failed(StoreError),
}

/// Called on the thread that commits, once a flushed batch is durable, or when it failed.
pub(crate) type Flushed = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Shared by the worker's task (which flushes in the background) and its host functions (which record).
pub(crate) struct Recorder {
    inner: Mutex<Inner>,
    /// Whether entries stay in memory for now.
    held: AtomicBool,
    /// A commit is to be started soon.
    soon: Notify,
    store: Arc<dyn Store>,
    key: WorkerKey,
    durable: Arc<watch::Sender<Durable>>,
    counters: Arc<Counters>,
    /// Notified when a promise of the worker was completed.
    completions: Notify,
    /// Notified when somebody asks that the running invocation come to an end.
    cancellations: Notify,
    /// What the guest waits for right now, for those who look at it.
    waits: Mutex<Option<Waits>>,
}

/// What a guest waits for in memory, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waits {
    /// When the wait began in this life of the worker.
    pub since: Timestamp,
    /// What would end it.
    pub waits_for: WaitsFor,
}

/// What would end the wait of a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// This time, if it is a time.
    Poll {
        /// The first deadline of all that it waits for.
        until: Option<Timestamp>,
        /// How many things it waits for.
        pollables: usize,
    },
    /// A promise of its own.
    Promise(Index),
    /// A promise of another worker.
    PromiseOf(WorkerId, Index),
}

/// Forgets what a guest waited for when the wait ends, however it does.
pub(crate) struct Noted<'a> {
    recorder: &'a Recorder,
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        *self.recorder.lock_waits() = None;
    }
}

struct Inner {
    journal: Journal,
    /// The wake record that the store holds for this worker.
    wake: Option<Timestamp>,
    /// The last entry of a batch that the store may refuse. Until it is durable, all behind it may have never been.
    doubtful: Index,
}

impl Inner {
    /// Whether what is recorded, and not durable yet, is lost with everything that is handed over from now on, or not at
    /// all.
    fn is_certain(&self, durable: &Durable) -> bool {
        let fits = self.journal.tail_len() <= MAX_BATCH_BYTES / 2;
        fits && matches!(durable, Durable::UpTo(index) if *index >= self.doubtful)
    }
}

impl Recorder {
    /// `durable` outlives the recorder: followers of the log hold on to it across recoveries.
    pub(crate) fn new(
        journal: Journal,
        store: Arc<dyn Store>,
        key: WorkerKey,
        durable: Arc<watch::Sender<Durable>>,
        counters: Arc<Counters>,
    ) -> Self {
        // A new worker has no entry in the store, and so no wake record either.
        let stored = matches!(&*durable.borrow(), Durable::UpTo(index) if index.get() > 0);
        let wake = if stored { records::wake_time(journal.status()) } else { None };
        let inner = Mutex::new(Inner { journal, wake, doubtful: Index(0) });
        let (held, soon, completions) = (AtomicBool::new(false), Notify::new(), Notify::new());
        let (cancellations, waits) = (Notify::new(), Mutex::new(None));
        Self { inner, held, soon, store, key, durable, counters, completions, cancellations, waits }
    }

    /// Says which wake record the store holds, where that does not follow from the journal: something in its tail
    /// changes it.
    pub(crate) fn assume_wake(&self, wake: Option<Timestamp>) {
        self.lock().wake = wake;
    }

    /// Lets whoever waits for a promise of this worker look again.
    pub(crate) fn promise_completed(&self) {
        self.completions.notify_waiters();
    }

    /// Returns when a promise was completed since this was called.
    pub(crate) fn completion(&self) -> Notified<'_> {
        self.completions.notified()
    }

    /// Lets a guest that waits learn that somebody asks for the end of its invocation.
    pub(crate) fn cancel_requested(&self) {
        self.cancellations.notify_waiters();
    }

    /// Returns when somebody has asked for the end of the running invocation since this was called.
    pub(crate) fn cancellation(&self) -> Notified<'_> {
        self.cancellations.notified()
    }

    /// Says what the guest waits for, until what is returned is dropped.
    pub(crate) fn note_wait(&self, waits: WaitsFor) -> Noted<'_> {
        *self.lock_waits() = Some(Waits { since: clock::now(), waits_for: waits });
        Noted { recorder: self }
    }

    /// What the guest waits for right now, if it does.
    pub(crate) fn waits(&self) -> Option<Waits> {
        self.lock_waits().clone()
    }

    fn lock_waits(&self) -> MutexGuard<'_, Option<Waits>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the store would wake this worker if it were not in memory.
    pub(crate) fn wake(&self) -> Option<Timestamp> {
        self.lock().wake
    }

    /// Whether recorded entries lie ahead, which answer what is asked next.
    pub(crate) fn is_replaying(&self) -> bool {
        self.lock().journal.is_replaying()
    }

    /// Whether there are entries that were not handed to the store.
    pub(crate) fn has_tail(&self) -> bool {
        self.lock().journal.has_tail()
    }

    /// Whether a write failed, so that nothing more will be acknowledged.
    pub(crate) fn failure(&self) -> Option<StoreError> {
        match &*self.durable.borrow() {
            Durable::UpTo(_) => None,
            Durable::Failed(error) => Some(error.clone()),
        }
    }

    /// Returns when a write has failed.
    pub(crate) async fn failed(&self) -> StoreError {
        let mut durable = self.durable.subscribe();
        let failed = durable.wait_for(|durable| matches!(durable, Durable::Failed(_))).await;
        match failed.as_deref() {
            Ok(Durable::Failed(error)) => error.clone(),
            // The sender lives as long as `self`, so it can't be closed here.
            Ok(Durable::UpTo(_)) | Err(_) => StoreError::Closed,
        }
    }

    /// How far the log is on disk.
    pub(crate) fn durable(&self) -> Index {
        match &*self.durable.borrow() {
            Durable::UpTo(index) => *index,
            Durable::Failed(_) => Index(0),
        }
    }

    /// Runs `act` on the journal with the time of now. Never held across an await.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut Journal, Timestamp) -> R) -> R {
        let now = clock::now();
        act(&mut self.lock().journal, now)
    }

    /// Keeps entries in memory until they are [released](Self::release): they are to become durable
    /// all at once, or to be dropped with this recorder. Nothing may leave the worker meanwhile.
    pub(crate) fn hold(&self) {
        self.held.store(true, Ordering::Relaxed);
    }

    /// What was held back goes the usual way again.
    pub(crate) fn release(&self) {
        self.held.store(false, Ordering::Relaxed);
    }

    /// Whether entries are held back.
    pub(crate) fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed)
    }

    /// Hands the buffered tail to the store, and does not wait.
    pub(crate) fn flush(&self) {
        let inner = self.lock();
        if inner.journal.has_tail() && !self.is_held() {
            self.submit(inner, Batch::default(), None);
        }
    }

    /// [`Recorder::flush`] in a moment: mostly the next gate comes first, and this shares its sync.
    pub(crate) fn flush_soon(&self) {
        self.soon.notify_one();
    }

    /// Does what [`Recorder::flush_soon`] asks for.
    pub(crate) async fn flush_in_time(&self) -> Infallible {
        loop {
            self.soon.notified().await;
            clock::pause(SOON).await;
            self.flush();
        }
    }

    /// [`Recorder::flush_with`] for a caller with nothing to do before the batch is durable: where storing it is as
    /// quick as waking somebody to do so, it is stored on this thread, and `done` called, before this returns.
    pub(crate) fn commit_with(&self, changes: Vec<Change>, done: Flushed) {
        self.enqueue(self.lock(), Batch { changes, ..Batch::default() }, Some(done));
        self.store.drive();
    }

    /// Hands over the buffered tail together with record changes as one atomic batch; `done` hears of its end.
    ///
    /// Batches of one worker become durable in the order of these calls.
    pub(crate) fn flush_with(&self, changes: Vec<Change>, done: Flushed) {
        self.submit(self.lock(), Batch { changes, ..Batch::default() }, Some(done));
    }

    /// [`Recorder::flush_with`] for something that other workers of the store are to hear of: they hear at once where
    /// its place in the order suffices, and otherwise when it is durable. Outsiders hear when it is durable.
    pub(crate) fn flush_telling(&self, changes: Vec<Change>, within: Flushed, outside: Flushed) {
        let inner = self.lock();
        let batch = Batch { changes, ..Batch::default() };
        if self.order_suffices(&inner) {
            self.submit(inner, batch, Some(outside));
            within(Ok(()));
        } else {
            let both = move |stored: Result<(), StoreError>| {
                within(stored.clone());
                outside(stored);
            };
            self.submit(inner, batch, Some(Box::new(both)));
        }
    }

    /// Lets `act` record something, and hands it over with everything before it and with what is in `batch` already, as
    /// one atomic batch; `done` hears of its end. To be [driven](Self::drive).
    pub(crate) fn record_with<R>(
        &self,
        act: impl FnOnce(&mut Journal, Timestamp) -> R,
        batch: Batch,
        done: Flushed,
    ) -> R {
        let now = clock::now();
        let mut inner = self.lock();
        let recorded = act(&mut inner.journal, now);
        self.enqueue(inner, batch, Some(done));
        recorded
    }

    /// Sees to it that what was recorded by [`Recorder::record_with`] is stored: on this thread if `awaited` and that
    /// is quick.
    pub(crate) fn drive(&self, awaited: bool) {
        if awaited { self.store.drive() } else { self.store.wake() }
    }

    /// The output gate: returns once everything recorded so far is durable.
    pub(crate) async fn gate(&self) -> Result<(), Interruption> {
        if self.is_held() {
            return Ok(());
        }
        let last = {
            let inner = self.lock();
            let last = inner.journal.last_index();
            if inner.journal.has_tail() {
                self.enqueue(inner, Batch::default(), None);
                self.store.drive();
            }
            last
        };
        self.wait_durable(last).await
    }

    /// The gate for what stays within this store: once it is passed, whatever another worker of the store records
    /// becomes durable only if everything recorded here so far does.
    ///
    /// Where the store keeps the order of all that it is handed, nothing has to be waited for.
    pub(crate) async fn gate_within(&self) -> Result<(), Interruption> {
        if self.hand_over_in_order() { Ok(()) } else { self.gate().await }
    }

    /// Hands the buffered tail over if the order in which that happens is all that another worker of the store needs;
    /// otherwise does nothing, and says so.
    fn hand_over_in_order(&self) -> bool {
        let inner = self.lock();
        let suffices = self.order_suffices(&inner);
        if suffices && inner.journal.has_tail() {
            self.submit(inner, Batch::default(), None);
        }
        suffices
    }

    fn order_suffices(&self, inner: &Inner) -> bool {
        self.store.is_sequential() && !self.is_held() && inner.is_certain(&self.durable.borrow())
    }

    /// Returns once entry `index` is durable.
    pub(crate) async fn wait_durable(&self, index: Index) -> Result<(), Interruption> {
        let mut durable = self.durable.subscribe();
        let seen = durable
            .wait_for(|durable| match durable {
                Durable::UpTo(up_to) => *up_to >= index,
                Durable::Failed(_) => true,
            })
            .await;
        match seen.as_deref() {
            Ok(Durable::Failed(error)) => Err(error.clone().into()),
            // The sender lives as long as `self`, so it can't be closed here.
            Ok(Durable::UpTo(_)) | Err(_) => Ok(()),
        }
    }

    /// Returns once everything that was handed to the store is stored or refused; then no word of it comes any more.
    pub(crate) async fn settled(&self) {
        let (told, hearing) = oneshot::channel();
        // Batches are answered in their order.
        self.store.enqueue(Batch::default(), Box::new(move |result| drop(told.send(result))));
        self.store.wake();
        // However it ended, and also if the store is gone.
        let _ = hearing.await;
    }

    /// Returns once everything that is durable is also on `count` replicas, or on all there are.
    pub(crate) async fn wait_replicas(&self, count: u32) -> Result<(), Interruption> {
        Ok(self.store.wait_replicas(count).await?)
    }

    fn submit(&self, inner: MutexGuard<'_, Inner>, batch: Batch, done: Option<Flushed>) {
        self.enqueue(inner, batch, done);
        self.store.wake();
    }

    /// Queues the tail and `batch`; the store has to be told to go on.
    fn enqueue(&self, mut inner: MutexGuard<'_, Inner>, mut batch: Batch, done: Option<Flushed>) {
        let mut last = None;
        if let Some(tail) = inner.journal.take_tail() {
            last = Some(tail.last);
            let (first, last) = (tail.first.get(), tail.last.get());
            add(&self.counters.appended_entries, last - first + 1);
            if tail.first == Index::FIRST {
                // From its first moment on the worker can be listed.
                batch.changes.push(records::put_status(&self.key, inner.journal.status()));
            }
            batch.appends.push(Append::new(self.key.clone(), first, last, tail.bytes));
        }
        if !batch.expectations.is_empty()
            && let Some(last) = last
        {
            inner.doubtful = last;
        }
        add(&self.counters.commits, 1);
        self.move_wake(&mut inner, &mut batch.changes);
        let durable = Arc::clone(&self.durable);
        // The lock is held until the batch is in the store's queue: that keeps the batches of a worker in order.
        self.store.enqueue(
            batch,
            Box::new(move |result| {
                durable.send_if_modified(|durable| advance(durable, last, &result));
                if let Some(done) = done {
                    done(result);
                }
            }),
        );
        drop(inner);
    }

    /// Keeps the wake record in step with the entries of the same batch.
    fn move_wake(&self, inner: &mut Inner, changes: &mut Vec<Change>) {
        let wake = records::wake_time(inner.journal.status());
        if wake == inner.wake {
            return;
        }
        changes.extend(inner.wake.map(|before| records::delete_wake(&self.key, before)));
        changes.extend(wake.map(|due| records::put_wake(&self.key, due)));
        inner.wake = wake;
    }

    /// A poisoned lock means that a host function panicked half-way; the worker is dropped and recovers from the log,
    /// so the journal in memory matters no more than that it can still be asked.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first failure stays: what follows a batch that was refused is refused for that reason.
fn advance(durable: &mut Durable, last: Option<Index>, result: &Result<(), StoreError>) -> bool {
    match (result, last) {
        (Err(_), _) if matches!(durable, Durable::Failed(_)) => return false,
        (Err(error), _) => *durable = Durable::Failed(error.clone()),
        (Ok(()), Some(last)) if !matches!(durable, Durable::Failed(_)) => {
            *durable = Durable::UpTo(last);
        }
        (Ok(()), _) => return false,
    }
    true
}
