//! One thread that commits for everybody: it takes the batches that wait, stores them as one group
//! with one sync, and then answers them in order. While it syncs the next group gathers.
//!
//! What a group is made of is the [`Sink`]'s business, so this file is all there is about order,
//! back-pressure and poison.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};

use super::panics::panic_text;
use crate::store::{Done, Health};
use crate::{Batch, StoreError};

/// How much may wait, in bytes of payload; above it [`Committer::submit`] waits for room.
const MAX_QUEUED_BYTES: usize = 64 * 1024 * 1024;

/// A group takes no further batch when it has this many bytes of payload, so that nobody waits long
/// for somebody else's data.
const MAX_GROUP_BYTES: usize = 4 * 1024 * 1024;

/// Stores groups of batches.
pub(super) trait Sink: Send + 'static {
    /// Takes `batch` into the current group, or not.
    fn accept(&mut self, batch: Batch) -> Acceptance;

    /// Makes the current group durable and begins the next. Called for empty groups too.
    ///
    /// # Errors
    /// What failed, in words. Whatever it is, the state of the disk is unknown after it.
    fn commit(&mut self) -> Result<(), String>;
}

/// What became of a batch.
pub(super) enum Acceptance {
    /// It is part of the group.
    Accepted,
    /// It will never be stored.
    Refused(StoreError),
    /// It must not be in one group with a batch before it.
    NextGroup(Batch),
}

/// Hands batches to the committing thread; ends it when dropped, after what was submitted.
pub(super) struct Committer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    /// There is something to commit, or the end has come.
    work: Condvar,
    /// There is room again, or the store was poisoned.
    room: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    bytes: usize,
    closed: bool,
    poison: Option<String>,
    committing_thread: Option<ThreadId>,
    /// How many threads wait in `room`.
    held_back: usize,
}

struct Job {
    batch: Batch,
    bytes: usize,
    done: Done,
}

impl Committer {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the operating system has no thread to give.
    pub(super) fn start(sink: impl Sink) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            work: Condvar::new(),
            room: Condvar::new(),
        });
        let thread = thread::Builder::new().name("store-committer".into()).spawn({
            let shared = Arc::clone(&shared);
            move || run(&shared, sink)
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Queues `batch`; `done` runs on the committing thread, or at once if the store is poisoned.
    pub(super) fn submit(&self, batch: Batch, done: Done) {
        let bytes = batch.size();
        let mut queue = self.shared.lock();
        // A single batch above the limit is let in when nothing else waits; and `done` callbacks
        // that submit must never wait for the thread they run on.
        while !queue.jobs.is_empty()
            && queue.bytes + bytes > MAX_QUEUED_BYTES
            && queue.poison.is_none()
            && queue.committing_thread != Some(thread::current().id())
        {
            queue.held_back += 1;
            queue = self.shared.room.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.held_back -= 1;
        }
        if let Some(reason) = queue.poison.clone() {
            drop(queue);
            return done(Err(StoreError::Poisoned { reason }));
        }
        queue.bytes += bytes;
        queue.jobs.push_back(Job { batch, bytes, done });
        drop(queue);
        self.shared.work.notify_one();
    }

    pub(super) fn health(&self) -> Health {
        match &self.shared.lock().poison {
            None => Health::Ok,
            Some(reason) => Health::Poisoned { reason: reason.clone() },
        }
    }

    /// Fails if the store is poisoned.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match &self.shared.lock().poison {
            None => Ok(()),
            Some(reason) => Err(StoreError::Poisoned { reason: reason.clone() }),
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_one();
        // A `done` callback may hold the last handle of the store; a thread cannot join itself.
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // It has caught its panics and told everybody; there is nothing left to report.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing between lock and unlock can leave the queue half changed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for batches and takes all of them; `None` when the store was closed and all is done.
    fn take_all(&self) -> Option<VecDeque<Job>> {
        let mut queue = self.lock();
        while queue.jobs.is_empty() && !queue.closed {
            queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.bytes = 0;
        self.room.notify_all();
        Some(std::mem::take(&mut queue.jobs)).filter(|jobs| !jobs.is_empty())
    }

    /// Lets nothing in any more and returns what had not been taken.
    fn poison(&self, reason: &str) -> VecDeque<Job> {
        let mut queue = self.lock();
        queue.poison = Some(reason.to_owned());
        queue.bytes = 0;
        self.room.notify_all();
        std::mem::take(&mut queue.jobs)
    }
}

/// Batches on their way: taken from the queue, and answered but for their callbacks.
#[derive(Default)]
struct Progress {
    taken: VecDeque<Job>,
    group: VecDeque<(Done, Result<(), StoreError>)>,
}

fn run(shared: &Shared, mut sink: impl Sink) {
    shared.lock().committing_thread = Some(thread::current().id());
    let mut progress = Progress::default();
    while let Some(jobs) = shared.take_all() {
        progress.taken = jobs;
        // Unwind safety: after a panic the sink is not used again, and `progress` only to say no.
        let outcome = catch_unwind(AssertUnwindSafe(|| commit_taken(&mut sink, &mut progress)));
        let reason = match outcome {
            Ok(Ok(())) => continue,
            Ok(Err(reason)) => reason,
            Err(panic) => format!("the committing thread panicked: {}", panic_text(&*panic)),
        };
        return refuse_all(shared, progress, &reason);
    }
}

/// Commits what was taken, as one group or, where the sink or the size asks for it, as several.
fn commit_taken(sink: &mut impl Sink, progress: &mut Progress) -> Result<(), String> {
    while !progress.taken.is_empty() {
        fill_group(sink, progress);
        sink.commit()?;
        while let Some((done, outcome)) = progress.group.pop_front() {
            done(outcome);
        }
    }
    Ok(())
}

fn fill_group(sink: &mut impl Sink, progress: &mut Progress) {
    let mut group_bytes = 0;
    while let Some(Job { batch, bytes, done }) = progress.taken.pop_front() {
        let outcome = match sink.accept(batch) {
            Acceptance::Accepted => Ok(()),
            Acceptance::Refused(error) => Err(error),
            Acceptance::NextGroup(batch) => {
                return progress.taken.push_front(Job { batch, bytes, done });
            }
        };
        progress.group.push_back((done, outcome));
        group_bytes += bytes;
        if group_bytes >= MAX_GROUP_BYTES {
            return;
        }
    }
}

/// The end of a store that failed: everything that waits is told so, and from now on the queue
/// tells it to everybody who comes.
fn refuse_all(shared: &Shared, progress: Progress, reason: &str) {
    tracing::error!(reason, "the store is poisoned: nothing is acknowledged until it is reopened");
    let waiting = shared.poison(reason);
    let group = progress.group.into_iter().map(|(done, outcome)| (done, outcome.err()));
    let queued = progress.taken.into_iter().chain(waiting).map(|job| (job.done, None));
    for (done, refusal) in group.chain(queued) {
        let error = refusal.unwrap_or(StoreError::Poisoned { reason: reason.to_owned() });
        // One callback that panics must not keep the others waiting.
        let _ = catch_unwind(AssertUnwindSafe(|| done(Err(error))));
    }
}

#[cfg(test)]
mod tests;
