//! Which workers are in memory, and the way to each of them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use everlog_oplog::Index;
use tokio::sync::{Notify, mpsc, watch};

use super::message::{Departing, Message};
use super::update::VersionsCell;
use super::{WorkerId, task};
use crate::durable::Durable;
use crate::shared::Shared;
use crate::statistics::add;
use crate::{Timestamp, clock};

/// When there is no room, this share of the loaded workers leaves at once, so that looking for them is rare.
const EVICTED_SHARE: usize = 10;

/// The way to a worker in memory.
pub(crate) struct Handle {
    mailbox: mpsc::Sender<Message>,
    /// How far its log is on disk; followers wait for it to move.
    pub(crate) durable: Arc<watch::Sender<Durable>>,
    /// The component versions that it runs and is to run, once they are known.
    pub(crate) versions: VersionsCell,
    /// Whether an invocation is executing, or callers wait.
    pub(crate) busy: AtomicBool,
    /// The guest has asked for an update of its own worker, which the task has not looked at.
    pub(crate) updates_itself: AtomicBool,
    last_used: AtomicU64,
    /// Closed when the task has ended and left the registry.
    ended: watch::Sender<bool>,
}

impl Handle {
    /// Marks the worker as used just now.
    pub(crate) fn touch(&self, now: Timestamp) {
        self.last_used.store(now.0, Ordering::Relaxed);
    }
}

/// Why a message did not reach a worker.
pub(crate) enum SendError {
    /// Too many messages wait.
    Full,
    /// The server stops.
    Closing,
    /// It is on another node.
    Elsewhere,
}

/// All workers in memory.
#[derive(Default)]
pub(crate) struct Registry {
    loaded: Mutex<HashMap<WorkerId, Arc<Handle>>>,
    closing: AtomicBool,
    /// Notified when a worker comes into memory, for those that follow its log.
    pub(crate) arrivals: Notify,
    /// Notified when a worker has left memory.
    departures: Notify,
    /// Notified when a worker that waits for another should give its instance back.
    wanted: Notify,
}

impl Registry {
    /// The worker, if it is in memory.
    pub(crate) fn get(&self, worker: &WorkerId) -> Option<Arc<Handle>> {
        self.lock().get(worker).cloned()
    }

    /// Hands a message to a worker, bringing it into memory first where it is not.
    ///
    /// # Errors
    /// A full mailbox, a server that stops, or a worker of another node.
    pub(crate) async fn send(
        &self,
        shared: &Arc<Shared>,
        worker: &WorkerId,
        mut message: Message,
    ) -> Result<(), SendError> {
        loop {
            let handle = self.get_or_spawn(shared, worker)?;
            message = match handle.mailbox.try_send(message) {
                Ok(()) => return Ok(()),
                Err(mpsc::error::TrySendError::Full(_)) => return Err(SendError::Full),
                Err(mpsc::error::TrySendError::Closed(message)) => message,
            };
            // It is just leaving memory: what comes next is a new task, which may only begin when the old one has
            // written its last entry.
            let mut ended = handle.ended.subscribe();
            let _ = ended.wait_for(|ended| *ended).await;
        }
    }

    /// Hands a message to a worker only if it is in memory; says whether it was.
    pub(crate) fn send_if_loaded(&self, worker: &WorkerId, message: Message) -> bool {
        self.get(worker).is_some_and(|handle| handle.mailbox.try_send(message).is_ok())
    }

    /// Takes an ended task out, and lets those that wait for it go on.
    pub(crate) fn remove(&self, worker: &WorkerId, handle: &Arc<Handle>) {
        let mut loaded = self.lock();
        if loaded.get(worker).is_some_and(|current| Arc::ptr_eq(current, handle)) {
            loaded.remove(worker);
        }
        drop(loaded);
        handle.ended.send_replace(true);
        self.departures.notify_waiters();
    }

    /// Asks idle workers to leave that were not used since `before`.
    pub(crate) fn evict_unused(&self, before: Timestamp) {
        for handle in self.lock().values() {
            let idle = !handle.busy.load(Ordering::Relaxed);
            if idle && handle.last_used.load(Ordering::Relaxed) < before.0 {
                let _ = handle.mailbox.try_send(Message::Evict);
            }
        }
    }

    /// Waits for a moment in which some worker leaves, after asking the least recently used idle ones to.
    pub(crate) async fn make_room(&self) {
        let departure = self.departures.notified();
        evict_oldest(&self.lock());
        self.wanted.notify_one();
        tokio::select! {
            () = departure => {}
            () = clock::pause(std::time::Duration::from_millis(50)) => {}
        }
    }

    /// Returns when a worker that waits for another should give its instance back, so that the other may run. Each is
    /// told of one that is wanted.
    pub(crate) async fn room_is_wanted(&self) {
        self.wanted.notified().await;
    }

    /// Stops all workers, and waits until each has written its last entry.
    pub(crate) async fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.part_with(|_| true, Departing::ServerStops).await;
    }

    /// Stops the workers that another node is to take over, which must not be served any more; returns when each has
    /// written its last entry.
    pub(crate) async fn hand_over(&self, is_given: impl Fn(&WorkerId) -> bool) {
        self.part_with(is_given, Departing::HandedOver).await;
    }

    async fn part_with(&self, leaves: impl Fn(&WorkerId) -> bool, why: Departing) {
        let handles: Vec<_> = {
            let loaded = self.lock();
            let leaving = loaded.iter().filter(|(worker, _)| leaves(worker));
            leaving.map(|(_, handle)| Arc::clone(handle)).collect()
        };
        for handle in &handles {
            // A full mailbox is read soon; a closed one belongs to a task that leaves anyway.
            let _ = handle.mailbox.send(Message::Depart(why)).await;
        }
        for handle in &handles {
            let mut ended = handle.ended.subscribe();
            let _ = ended.wait_for(|ended| *ended).await;
        }
    }

    fn get_or_spawn(
        &self,
        shared: &Arc<Shared>,
        worker: &WorkerId,
    ) -> Result<Arc<Handle>, SendError> {
        let mut loaded = self.lock();
        if let Some(handle) = loaded.get(worker) {
            return Ok(Arc::clone(handle));
        }
        if self.closing.load(Ordering::SeqCst) {
            return Err(SendError::Closing);
        }
        // Under the lock, so that whoever stops serving a shard sees every worker that was let in before.
        if !shared.serves(worker) {
            return Err(SendError::Elsewhere);
        }
        if loaded.len() >= shared.config.max_loaded_workers {
            evict_oldest(&loaded);
        }
        let (mailbox, messages) = mpsc::channel(shared.config.max_queue.max(1));
        let handle = Arc::new(Handle {
            mailbox,
            durable: Arc::new(watch::Sender::new(Durable::UpTo(Index(0)))),
            versions: VersionsCell::default(),
            busy: AtomicBool::new(true),
            updates_itself: AtomicBool::new(false),
            last_used: AtomicU64::new(clock::now().0),
            ended: watch::Sender::new(false),
        });
        loaded.insert(worker.clone(), Arc::clone(&handle));
        drop(loaded);
        add(&shared.counters.loaded_workers, 1);
        tokio::spawn(task::run(Arc::clone(shared), worker.clone(), Arc::clone(&handle), messages));
        self.arrivals.notify_waiters();
        Ok(handle)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkerId, Arc<Handle>>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn evict_oldest(loaded: &HashMap<WorkerId, Arc<Handle>>) {
    let idle = loaded.values().filter(|handle| !handle.busy.load(Ordering::Relaxed));
    let mut idle: Vec<_> =
        idle.map(|handle| (handle.last_used.load(Ordering::Relaxed), handle)).collect();
    let share = (loaded.len() / EVICTED_SHARE).max(1).min(idle.len());
    if share == 0 {
        return;
    }
    idle.select_nth_unstable_by_key(share - 1, |(last_used, _)| *last_used);
    for (_, handle) in &idle[..share] {
        let _ = handle.mailbox.try_send(Message::Evict);
    }
}
