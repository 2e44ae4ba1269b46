//! One thread that commits for everybody: it sends the batches that wait as one pipeline, and the
//! next ones while the first are on their way. Redis executes them in order and syncs once for all
//! that it found in one round of its loop.
//!
//! Batches are numbered, and the script executes them in the order of their numbers only. So after
//! any trouble everything that has no answer is simply sent again, on a new connection: what was
//! executed is answered from what the script noted about it, the rest is executed now.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use futures::channel::mpsc;
use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{FuturesOrdered, StreamExt as _};
use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Notify;

use super::acknowledger::Pending;
use super::encode::encode;
use super::link::{Link, Trouble, Waits, ask, load, trouble};
use super::reply::{Reply, parse};
use super::session::{Session, last_number};
use super::state::{Side, State};
use crate::store::Done;
use crate::{Batch, StoreError};

/// How much may wait for an answer, in bytes of payload; above it [`Queue::submit`] waits for room.
const MAX_QUEUED_BYTES: usize = 128 * 1024 * 1024;

/// A pipeline takes no further batch when it has this many bytes of payload.
const MAX_GROUP_BYTES: usize = 4 * 1024 * 1024;

/// Most batches in one pipeline.
const MAX_GROUP_BATCHES: usize = 256;

/// Most pipelines on their way. With [`MAX_GROUP_BATCHES`] it bounds how many refusals the script
/// must remember (`REMEMBERED` in commit.lua).
const MAX_GROUPS: usize = 4;

/// How long giving back the lease may take.
const CLOSING_LIMIT: Duration = Duration::from_secs(1);

/// Where batches wait.
#[derive(Default)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    /// There is something to commit, or the end has come.
    work: Notify,
    /// There is room again, or the store was poisoned.
    room: Condvar,
}

#[derive(Default)]
struct Inner {
    jobs: VecDeque<Job>,
    /// Of what has no answer yet, sent or not.
    bytes: usize,
    /// Nobody will take what comes now.
    ended: Option<StoreError>,
    closing: bool,
    committing_thread: Option<ThreadId>,
}

struct Job {
    batch: Batch,
    bytes: usize,
    done: Done,
}

impl Queue {
    /// Queues `batch`; `done` runs on the committing thread, or at once if nothing is taken.
    pub(super) fn submit(&self, batch: Batch, done: Done) {
        if let Err(error) = batch.validate() {
            return self.refuse_in_order(batch, done, error);
        }
        self.push(batch, done);
    }

    /// Whoever waits for the answers of one thread's batches gets them in their order, so a batch
    /// that is refused here goes the same way as the others, as one that does nothing.
    fn refuse_in_order(&self, batch: Batch, done: Done, error: StoreError) {
        drop(batch);
        self.push(Batch::default(), Box::new(move |outcome| done(outcome.and(Err(error)))));
    }

    fn push(&self, batch: Batch, done: Done) {
        let bytes = batch.size();
        let mut inner = self.lock();
        if !self.has_room(&inner, bytes) {
            drop(inner);
            inner = self.wait_for_room(bytes);
        }
        if let Some(error) = inner.ended.clone() {
            drop(inner);
            return done(Err(error));
        }
        inner.bytes += bytes;
        inner.jobs.push_back(Job { batch, bytes, done });
        drop(inner);
        self.work.notify_one();
    }

    /// A single batch above the limit is let in when nothing else waits; and `done` callbacks that
    /// submit must never wait for the thread they run on.
    fn has_room(&self, inner: &Inner, bytes: usize) -> bool {
        inner.bytes == 0
            || inner.bytes + bytes <= MAX_QUEUED_BYTES
            || inner.ended.is_some()
            || inner.committing_thread == Some(thread::current().id())
    }

    /// Redis may be away for long, so the runtime is told that this thread waits, where that is
    /// possible: its other tasks go on elsewhere.
    fn wait_for_room(&self, bytes: usize) -> MutexGuard<'_, Inner> {
        let wait = || {
            let mut inner = self.lock();
            while !self.has_room(&inner, bytes) {
                inner = self.room.wait(inner).unwrap_or_else(PoisonError::into_inner);
            }
            inner
        };
        let runtime = Handle::try_current().map(|handle| handle.runtime_flavor());
        if runtime.is_ok_and(|flavor| flavor == RuntimeFlavor::MultiThread) {
            tokio::task::block_in_place(wait)
        } else {
            wait()
        }
    }

    /// Lets the thread end after what was submitted.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.work.notify_one();
    }

    /// Takes what waits.
    fn take(&self) -> VecDeque<Job> {
        std::mem::take(&mut self.lock().jobs)
    }

    /// Makes room for what was answered.
    fn answered(&self, bytes: usize) {
        self.lock().bytes -= bytes;
        self.room.notify_all();
    }

    /// Takes nothing any more, and answers what waits.
    fn end(&self, error: &StoreError) {
        let mut inner = self.lock();
        inner.ended = Some(error.clone());
        let jobs = std::mem::take(&mut inner.jobs);
        drop(inner);
        self.room.notify_all();
        jobs.into_iter().for_each(|job| (job.done)(Err(error.clone())));
    }

    pub(super) fn is_on_committing_thread(&self) -> bool {
        self.lock().committing_thread == Some(thread::current().id())
    }

    pub(super) fn is_closing(&self) -> bool {
        self.lock().closing
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing between lock and unlock can leave the queue half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Replies = Result<Vec<Value>, RedisError>;

/// Why a connection is given up.
enum Halt {
    /// Another one may do.
    Passing(String),
    /// Nothing will be acknowledged any more.
    Final(StoreError),
}

/// The committing thread's own.
pub(super) struct Committer {
    queue: Arc<Queue>,
    state: Arc<State>,
    link: Link,
    session: Session,
    /// Without an answer, in order; the first `sent` of them are on their way.
    waiting: VecDeque<Job>,
    sent: usize,
    /// The number of the last batch that was answered.
    answered: u64,
    /// The same for others, raised before the answer is given.
    answered_shared: Arc<AtomicU64>,
    /// Where answers go that wait for replicas.
    held_back: Option<mpsc::UnboundedSender<Pending>>,
    waits: Waits,
    is_troubled: bool,
}

/// A connection with what is on its way on it.
struct Line {
    connection: MultiplexedConnection,
    script: String,
    groups: FuturesOrdered<BoxFuture<'static, Replies>>,
}

impl Committer {
    pub(super) fn new(
        (queue, state): (Arc<Queue>, Arc<State>),
        (link, session): (Link, Session),
        answered_shared: Arc<AtomicU64>,
        held_back: Option<mpsc::UnboundedSender<Pending>>,
    ) -> Self {
        queue.lock().committing_thread = Some(thread::current().id());
        Self {
            queue,
            state,
            link,
            session,
            waiting: VecDeque::new(),
            sent: 0,
            answered: 0,
            answered_shared,
            held_back,
            waits: Waits::default(),
            is_troubled: false,
        }
    }

    /// Commits until the store is closed or poisoned.
    pub(super) async fn run(mut self) {
        loop {
            let halt = match self.connect().await {
                Ok(mut line) => {
                    if self.waiting.is_empty() {
                        self.note(None);
                    }
                    match self.commit_on(&mut line).await {
                        Ok(()) => return self.close(line).await,
                        Err(halt) => halt,
                    }
                }
                Err(halt) => halt,
            };
            // Nobody knows what became of these: they are sent again, and the script knows.
            self.sent = 0;
            match halt {
                Halt::Final(error) => return self.state.poison(error),
                Halt::Passing(_) if self.queue.is_closing() && self.waits.are_long() => return,
                Halt::Passing(reason) => {
                    self.note(Some(reason));
                    self.waits.wait().await;
                }
            }
        }
    }

    /// A connection to a server that has all that was answered.
    async fn connect(&self) -> Result<Line, Halt> {
        let mut connection = self.link.connect().await?;
        let script = load(&mut connection, include_str!("commit.lua")).await?;
        let last = last_number(&mut connection, &self.session).await?;
        match last {
            Some(last) if last >= self.answered => {}
            Some(last) => return Err(Halt::Final(self.lost(last))),
            None => return Err(Halt::Final(self.gone(&mut connection).await?)),
        }
        Ok(Line { connection, script, groups: FuturesOrdered::new() })
    }

    /// Sends and settles on one connection until it fails; `Ok` once the store is closed and all
    /// is done.
    async fn commit_on(&mut self, line: &mut Line) -> Result<(), Halt> {
        loop {
            self.waiting.append(&mut self.queue.take());
            while line.groups.len() < MAX_GROUPS && self.sent < self.waiting.len() {
                self.send(line);
            }
            if self.waiting.is_empty() && self.queue.is_closing() {
                return Ok(());
            }
            tokio::select! {
                biased;
                Some(replies) = line.groups.next() => self.settle(replies, line).await?,
                () = self.queue.work.notified(), if line.groups.len() < MAX_GROUPS => {}
            }
        }
    }

    /// Sends the next group.
    fn send(&mut self, line: &mut Line) {
        let session = self.session.number.to_string();
        let (mut pipeline, mut bytes, mut batches) = (redis::pipe(), 0, 0);
        for job in self.waiting.iter().skip(self.sent) {
            let is_full = batches == MAX_GROUP_BATCHES || bytes + job.bytes > MAX_GROUP_BYTES;
            if is_full && batches > 0 {
                break;
            }
            self.sent += 1;
            pipeline
                .cmd("EVALSHA")
                .arg(&line.script)
                .arg(0)
                .arg(&self.session.prefix)
                .arg(&session)
                .arg(self.answered + self.sent as u64)
                .arg(encode(&job.batch));
            bytes += job.bytes;
            batches += 1;
        }
        let mut connection = line.connection.clone();
        let sending = async move { connection.send_packed_commands(&pipeline, 0, batches).await };
        line.groups.push_back(sending.boxed());
    }

    /// Answers the first batches that wait.
    async fn settle(&mut self, replies: Replies, line: &mut Line) -> Result<(), Halt> {
        let replies = replies.map_err(|error| trouble(&error))?;
        for reply in replies {
            let Some(job) = self.waiting.front() else {
                return Err(Halt::Passing("Redis answers more than was asked".to_owned()));
            };
            let outcome = match parse(reply, &job.batch) {
                Reply::Stored => Ok(()),
                Reply::Refused(error) => Err(error),
                Reply::Gap { last } if last < self.answered => {
                    return Err(Halt::Final(self.lost(last)));
                }
                Reply::Gap { .. } => {
                    return Err(Halt::Passing("batches before this one are missing".to_owned()));
                }
                Reply::Lost => return Err(Halt::Final(self.gone(&mut line.connection).await?)),
                Reply::Fenced { holder } => {
                    return Err(Halt::Final(self.session.fenced(&self.link, &holder)));
                }
                Reply::Trouble(Trouble::Passing(reason)) => return Err(Halt::Passing(reason)),
                Reply::Trouble(Trouble::Lasting(reason)) => {
                    return Err(Halt::Final(StoreError::Poisoned { reason }));
                }
            };
            self.answer(outcome);
        }
        Ok(())
    }

    /// Answers the first batch that waits.
    fn answer(&mut self, outcome: Result<(), StoreError>) {
        if let Some(job) = self.waiting.pop_front() {
            self.sent = self.sent.saturating_sub(1);
            self.answered += 1;
            self.waits.reset();
            self.note(None);
            self.answered_shared.store(self.answered, Ordering::SeqCst);
            match &self.held_back {
                None => {
                    self.state.tell_up_to(self.answered);
                    (job.done)(outcome);
                }
                Some(held_back) => {
                    let state = Arc::clone(&self.state);
                    let pending = Pending::new(job.done, outcome, self.answered, state);
                    // If it is not taken, it is dropped there, which answers as well.
                    drop(held_back.unbounded_send(pending));
                }
            }
            self.queue.answered(job.bytes);
        }
    }

    /// Notes that something does not work now, or that it works again.
    fn note(&mut self, trouble: Option<String>) {
        if trouble.is_some() || self.is_troubled {
            self.is_troubled = trouble.is_some();
            self.state.note(Side::Commits, trouble);
        }
    }

    /// Why the session is not there: another node buried it, or the data is not what it was.
    async fn gone(&self, connection: &mut MultiplexedConnection) -> Result<StoreError, Trouble> {
        match ask(connection, &self.session.question()).await? {
            Value::BulkString(holder) => {
                Ok(self.session.fenced(&self.link, &String::from_utf8_lossy(&holder)))
            }
            _ => Ok(self.lost(0)),
        }
    }

    /// What to say when the server forgot batches that it had acknowledged.
    fn lost(&self, last: u64) -> StoreError {
        self.session.behind(&self.link, last, self.answered, self.state.told())
    }

    async fn close(mut self, mut line: Line) {
        let closing = self.session.closing();
        // Whether it is given back or ends by itself is the same to everybody but in time.
        let _ = tokio::time::timeout(CLOSING_LIMIT, ask(&mut line.connection, &closing)).await;
        self.waiting.clear();
    }
}

/// To a server that was good before, whatever it says may pass.
impl From<Trouble> for Halt {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Passing(reason) | Trouble::Lasting(reason) => Self::Passing(reason),
        }
    }
}

/// Nobody is left without an answer, however the thread ends.
impl Drop for Committer {
    fn drop(&mut self) {
        let error = self.state.check().err().unwrap_or_else(|| {
            if self.queue.is_closing() {
                StoreError::Closed
            } else {
                StoreError::Poisoned { reason: "the committing thread panicked".to_owned() }
            }
        });
        if !matches!(error, StoreError::Closed) {
            self.state.poison(error.clone());
        }
        self.waiting.drain(..).for_each(|job| (job.done)(Err(error.clone())));
        self.queue.end(&error);
    }
}
