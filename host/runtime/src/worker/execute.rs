//! Running the guest while the mailbox stays open: an invocation from its first host call to its end.

use std::sync::Arc;

use everlog_oplog::{Divergence, FailureKind, Index, Timestamp};
use everlog_store::StoreError;
use tokio::sync::mpsc;
use wasmtime::{Trap, WasmBacktrace};

use super::front::{Front, Taken};
use super::guest::{Guest, Prepared, Returned};
use super::message::{Control, Message, Reply};
use crate::clock;
use crate::durable::{Interruption, Recorder};
use crate::error::WorkerError;
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
    /// It ended its own life.
    Exited { code: u32 },
    /// It went back to an earlier entry.
    Jumped,
    /// The store takes nothing any more.
    StoreFailed(StoreError),
    /// Somebody stopped it.
    Stopped(Stop),
}

/// What stopped a running guest from outside.
pub(crate) enum Stop {
    /// An operator's wish, and where to report.
    Control(Control, Reply<Result<(), WorkerError>>),
    /// An operator takes back everything behind this entry, which is part of the history.
    Revert { to: Index, reply: Reply<Result<Index, WorkerError>> },
    /// The server stops.
    Shutdown,
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
    let interval = front.shared.config.commit_interval;
    let mut call = std::pin::pin!(guest.call(target, prepared));
    let mut commit = std::pin::pin!(clock::pause(interval));
    loop {
        // The guest first: most calls end at the first poll, and then nothing else is even set up.
        tokio::select! {
            biased;
            result = &mut call => return match result {
                Ok(returned) => End::Returned(returned),
                Err(error) => explain(error),
            },
            message = mailbox.recv() => match message {
                Some(message) => {
                    match front.take_in(recorder, message).await {
                        // It goes on already.
                        Taken::Stop(Stop::Control(Control::Resume, reply)) => {
                            let _ = reply.send(Ok(()));
                        }
                        Taken::Stop(stop) => return End::Stopped(stop),
                        Taken::Done | Taken::Evict => {}
                    }
                }
                None => return End::Stopped(Stop::Shutdown),
            },
            () = &mut commit => {
                recorder.flush();
                commit.set(clock::pause(interval));
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

/// The entry that a stopped execution had reached, for reports.
pub(crate) fn reached(recorder: &Recorder) -> Index {
    recorder.with(|journal, _| journal.last_index())
}
