//! Whoever commits does it for everybody: it takes the batches that wait, stores them as one group
//! with one sync, and then answers them in order. While it syncs the next group gathers.
//!
//! As a rule that is one thread. But where a sync takes no longer than it takes to wake that thread
//! and to be woken by it, and nobody else is about, the caller of [`Committer::drive`] commits
//! itself.
//!
//! What a group is made of is the [`Sink`]'s business, so this file is all there is about order,
//! back-pressure and poison.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use super::panics::panic_text;
use crate::store::{Done, Health};
use crate::{Batch, StoreError};

/// How much may wait, in bytes of payload; above it [`Committer::submit`] waits for room.
const MAX_QUEUED_BYTES: usize = 64 * 1024 * 1024;

/// A group takes no further batch when it has this many bytes of payload, so that nobody waits long
/// for somebody else's data.
const MAX_GROUP_BYTES: usize = 4 * 1024 * 1024;

/// A caller commits itself while commits take less than this, as a moving average. Waking a thread
/// and being woken again costs 50 to 150 µs, and the caller is a thread that others wait for too.
const DRIVEN_COMMIT: Duration = Duration::from_micros(400);

/// Stores groups of batches.
pub(super) trait Sink: Send + 'static {
    /// Takes `batch` into the current group, or not.
    fn accept(&mut self, batch: Batch) -> Acceptance;

    /// Makes the current group durable and begins the next. Called for empty groups too.
    ///
    /// # Errors
    /// What failed, in words. Whatever it is, the state of the disk is unknown after it.
    fn commit(&mut self) -> Result<(), String>;

    /// Whether [`Sink::commit`] would first wait for something other than the disk.
    fn is_congested(&self) -> bool;
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

/// Takes batches; ends the committing thread when dropped, after what was submitted.
pub(super) struct Committer<S: Sink> {
    shared: Arc<Shared<S>>,
    thread: Option<JoinHandle<()>>,
}

/// Two locks; who takes both takes `sink` first.
struct Shared<S> {
    /// Held while a group is committed and answered, so that answers come in order.
    sink: Mutex<S>,
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
    pace: Pace,
}

/// What recent commits were like; of none it is not known that they are quick.
#[derive(Default)]
struct Pace {
    commit: Option<Duration>,
    /// How many batches were taken together last.
    taken: usize,
}

struct Job {
    batch: Batch,
    bytes: usize,
    done: Done,
}

impl<S: Sink> Committer<S> {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the operating system has no thread to give.
    pub(super) fn start(sink: S) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            sink: Mutex::new(sink),
            queue: Mutex::default(),
            work: Condvar::new(),
            room: Condvar::new(),
        });
        let thread = thread::Builder::new().name("store-committer".into()).spawn({
            let shared = Arc::clone(&shared);
            move || run(&shared)
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Queues `batch`; `done` runs on the thread that commits it, or at once if the store is
    /// poisoned.
    pub(super) fn submit(&self, batch: Batch, done: Done) {
        self.enqueue(batch, done);
        self.wake();
    }

    /// Wakes the thread that commits.
    pub(super) fn wake(&self) {
        self.shared.work.notify_one();
    }

    /// [`Committer::submit`], but that somebody commits is left to a [`Committer::wake`] or
    /// [`Committer::drive`], which has to follow.
    pub(super) fn enqueue(&self, batch: Batch, done: Done) {
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
    }

    /// Sees that what is queued is committed: commits it here if that is quick and nobody else is
    /// about, and otherwise wakes the thread that commits.
    pub(super) fn drive(&self) {
        if let Some((sink, job)) = self.shared.take_single() {
            // After an error everything is refused already.
            let _ = self.shared.commit(sink, VecDeque::from([job]));
        } else {
            self.wake();
        }
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

impl<S: Sink> Drop for Committer<S> {
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

impl<S: Sink> Shared<S> {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing between lock and unlock can leave the queue half changed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for batches; `false` when the store was closed and all is done.
    fn wait_for_work(&self) -> bool {
        let mut queue = self.lock();
        while queue.jobs.is_empty() && !queue.closed {
            queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        !queue.jobs.is_empty()
    }

    /// Takes all batches, to be committed by this thread.
    fn take_all(&self) -> VecDeque<Job> {
        let mut queue = self.lock();
        queue.take(&self.room)
    }

    /// Takes a batch that is alone in the queue, with the right to commit it on this thread.
    fn take_single(&self) -> Option<(MutexGuard<'_, S>, Job)> {
        let sink = self.sink.try_lock().ok()?;
        let mut queue = self.lock();
        if queue.jobs.len() != 1 || !queue.pace.is_quick() || sink.is_congested() {
            return None;
        }
        let job = queue.take(&self.room).pop_front()?;
        drop(queue);
        Some((sink, job))
    }

    /// Commits and answers `jobs`; what fails poisons the store and is told to everybody.
    fn commit(&self, mut sink: MutexGuard<'_, S>, jobs: VecDeque<Job>) -> Result<(), ()> {
        let (taken, started) = (jobs.len(), now());
        let mut progress = Progress { taken: jobs, group: VecDeque::new() };
        // Unwind safety: after a panic the sink is not used again, and `progress` only to say no.
        let outcome = catch_unwind(AssertUnwindSafe(|| commit_taken(&mut *sink, &mut progress)));
        let reason = match outcome {
            Ok(Ok(())) => {
                self.lock().finish(taken, started.elapsed());
                return Ok(());
            }
            Ok(Err(reason)) => reason,
            Err(panic) => format!("the commit panicked: {}", panic_text(&*panic)),
        };
        tracing::error!(reason, "the store is poisoned: nothing is acknowledged until reopened");
        let waiting = self.lock().poison(&reason, &self.room);
        refuse_all(progress, waiting, &reason);
        Err(())
    }
}

impl Queue {
    /// Takes all batches for this thread, and makes room for others.
    fn take(&mut self, room: &Condvar) -> VecDeque<Job> {
        self.committing_thread = Some(thread::current().id());
        self.bytes = 0;
        room.notify_all();
        std::mem::take(&mut self.jobs)
    }

    /// A commit is over that took so many batches and so long.
    fn finish(&mut self, taken: usize, commit: Duration) {
        self.committing_thread = None;
        self.pace.taken = taken;
        // One that is slow now and then does not make a slow disk.
        let commit = commit.min(DRIVEN_COMMIT * 2);
        let average = self.pace.commit.map_or(commit, |average| (average * 7 + commit) / 8);
        self.pace.commit = Some(average);
    }

    /// Lets nothing in any more and returns what had not been taken.
    fn poison(&mut self, reason: &str, room: &Condvar) -> VecDeque<Job> {
        self.poison = Some(reason.to_owned());
        self.take(room)
    }
}

impl Pace {
    /// Whether the next commit will keep its thread for a short time only, and nobody else waiting.
    fn is_quick(&self) -> bool {
        self.taken <= 1 && self.commit.is_some_and(|commit| commit < DRIVEN_COMMIT)
    }
}

/// Batches on their way: taken from the queue, and answered but for their callbacks.
#[derive(Default)]
struct Progress {
    taken: VecDeque<Job>,
    group: VecDeque<(Done, Result<(), StoreError>)>,
}

fn run<S: Sink>(shared: &Shared<S>) {
    while shared.wait_for_work() {
        // Whoever holds it commits and answers; a panic in there has poisoned the store.
        let Ok(sink) = shared.sink.lock() else { return };
        let jobs = shared.take_all();
        // A caller may have been faster.
        if !jobs.is_empty() && shared.commit(sink, jobs).is_err() {
            return;
        }
    }
}

/// How long commits take decides who makes them, and nothing that is stored.
#[expect(clippy::disallowed_methods, reason = "measures the disk")]
fn now() -> Instant {
    Instant::now()
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

/// The end of a store that failed: everybody in `progress` and in `waiting` is told so.
fn refuse_all(progress: Progress, waiting: VecDeque<Job>, reason: &str) {
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
