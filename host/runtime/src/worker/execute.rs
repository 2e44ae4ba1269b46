//! Running the guest while the mailbox stays open: an invocation from its first host call to its end.

use std::sync::Arc;
use std::time::Duration;

use everlog_oplog::{Divergence, FailureKind, Index, Timestamp};
use everlog_store::StoreError;
use tokio::sync::mpsc;
use wasmtime::{Trap, WasmBacktrace};

use super::front::{Front, Taken};
use super::guest::{Guest, Prepared, Returned};
use super::message::{Control, Departing, Ended, Message, Reply};
use super::update::{Patience, is_safe_to_cut_off};
use crate::clock;
use crate::durable::{Interruption, Recorder};
use crate::error::{InvokeError, WorkerError};
use crate::exports::Target;

/// Why the guest stopped running.
pub(crate) enum End {
    /// It returned.
    Returned(Returned),
    /// It trapped, or the host could not go on.
    Failed { kind: FailureKind, message: String },
    /// Replay met something else than what was recorded.
    Diverged(Box<Divergence>),
    /// It waits for long.
    Suspended { until: Option<Timestamp> },
    /// It is to come to an end, and waits for what can't tell it so.
    Cancelled,
    /// It ended its own life.
    Exited { code: u32 },
    /// It went back to an earlier entry.
    Jumped,
    /// The store takes nothing any more.
    StoreFailed(StoreError),
    /// A version that is tried has met the whole history, and is not to go on.
    Halted,
    /// Somebody stopped it.
    Stopped(Stop),
}

/// How long a worker may keep another node waiting for a write that must not be repeated.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(20);

/// What stopped a running guest from outside.
pub(crate) enum Stop {
    /// An operator's wish, and where to report.
    Control(Control, Reply<Result<(), WorkerError>>),
    /// An operator takes back everything behind this entry, which is part of the history.
    Revert { to: Index, reply: Reply<Result<Index, WorkerError>> },
    /// The running invocation is not to go on.
    Kill { reply: Reply<Result<Ended, InvokeError>> },
    /// An update that does not wait for the end of the invocation.
    Update,
    /// It has to leave memory.
    Depart(Departing),
}

/// Runs `target` until it ends or is stopped, taking in messages meanwhile and committing the tail now and then.
pub(crate) async fn run(
    guest: &mut Guest,
    recorder: &Arc<Recorder>,
    front: &mut Front,
    mailbox: &mut mpsc::Receiver<Message>,
    target: &Target,
    prepared: Prepared,
) -> End {
    let watch = Watch { recorder, front, mailbox };
    match watch.attend(guest.call(target, prepared)).await {
        Attended::Done(Ok(returned)) => End::Returned(returned),
        Attended::Done(Err(error)) => explain(error),
        Attended::Ended(end) => end,
    }
}

/// What goes on beside a guest that runs.
pub(crate) struct Watch<'a> {
    pub(crate) recorder: &'a Arc<Recorder>,
    pub(crate) front: &'a mut Front,
    pub(crate) mailbox: &'a mut mpsc::Receiver<Message>,
}

/// How a watch ended.
pub(crate) enum Attended<T> {
    /// The guest came to an end of its own.
    Done(wasmtime::Result<T>),
    /// It was stopped.
    Ended(End),
}

impl Watch<'_> {
    /// Lets the guest run, takes in messages meanwhile, and commits the tail now and then.
    pub(crate) async fn attend<T>(
        self,
        running: impl Future<Output = wasmtime::Result<T>>,
    ) -> Attended<T> {
        let Self { recorder, front, mailbox } = self;
        let interval = front.shared.config.commit_interval;
        let mut running = std::pin::pin!(running);
        let mut flushing = std::pin::pin!(recorder.flush_in_time());
        let mut commit = std::pin::pin!(clock::pause(interval));
        let mut patience = Patience::default();
        loop {
            // The guest first: most calls end at the first poll, and then nothing else is even set up.
            tokio::select! {
                biased;
                result = &mut running => return Attended::Done(result),
                never = &mut flushing => match never {},
                message = mailbox.recv() => {
                    let Some(message) = message else {
                        return Attended::Ended(End::Stopped(Stop::Depart(Departing::ServerStops)));
                    };
                    match front.take_in(recorder, message).await {
                        // It goes on already.
                        Taken::Stop(Stop::Control(Control::Resume, reply)) => {
                            let _ = reply.send(Ok(()));
                        }
                        Taken::Stop(Stop::Depart(Departing::HandedOver)) => {
                            let most = u64::try_from(HAND_OVER_LIMIT.as_nanos()).unwrap_or(u64::MAX);
                            front.hand_over_by.get_or_insert(clock::now().after(most));
                        }
                        Taken::Stop(stop) => return Attended::Ended(End::Stopped(stop)),
                        Taken::Done | Taken::Evict => {}
                    }
                }
                () = &mut commit => {
                    recorder.flush();
                    front.release_readers(recorder);
                    if let Some(end) = front.look_after_trial(recorder, &mut patience) {
                        return Attended::Ended(end);
                    }
                    commit.set(clock::pause(interval));
                }
            }
            // The other node could not tell whether such a write has happened, and would have to fail the worker.
            if front.hand_over_by.is_some_and(|by| {
                clock::now() >= by
                    || recorder.with(|journal, _| is_safe_to_cut_off(journal.status()))
            }) {
                return Attended::Ended(End::Stopped(Stop::Depart(Departing::HandedOver)));
            }
            if front.update_is_due(recorder) {
                return Attended::Ended(End::Stopped(Stop::Update));
            }
        }
    }
}

/// Tells a trap of the guest from what the host functions raised.
pub(crate) fn explain(error: wasmtime::Error) -> End {
    match error.downcast::<Interruption>() {
        Ok(interruption) => interrupted(interruption),
        Err(error) => trapped(&error),
    }
}

fn interrupted(interruption: Interruption) -> End {
    match interruption {
        Interruption::Diverged(divergence) => End::Diverged(divergence),
        Interruption::Suspend { until } => End::Suspended { until },
        Interruption::Cancelled => End::Cancelled,
        Interruption::Exit { code } => End::Exited { code },
        Interruption::Jump { .. } => End::Jumped,
        Interruption::Storage(error) => End::StoreFailed(error),
        other @ Interruption::HostMemory { .. } => {
            End::Failed { kind: FailureKind::HostMemory, message: other.to_string() }
        }
        other => End::Failed { kind: FailureKind::HostError, message: other.to_string() },
    }
}

fn trapped(error: &wasmtime::Error) -> End {
    let kind = match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => FailureKind::StackOverflow,
        Some(_) => FailureKind::Trap,
        None => FailureKind::HostError,
    };
    let cause = error.root_cause();
    let message = match error.downcast_ref::<WasmBacktrace>() {
        Some(backtrace) => format!("{cause}\n{backtrace}"),
        None => format!("{error:#}"),
    };
    End::Failed { kind, message }
}
