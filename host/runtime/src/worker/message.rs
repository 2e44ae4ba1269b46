//! What can be asked of a worker's task.

use std::sync::Arc;

use bincode::{Decode, Encode};
use everlog_oplog::{Caller, CopiedLog, Index, Payload, Timestamp, TraceContext};
use everlog_store::Change;
use tokio::sync::oneshot;
use wasmtime::component::Type;

use super::metadata::WorkerMetadata;
use super::update::UpdateRequest;
use crate::component::ComponentVersion;
use crate::error::{InvokeError, WorkerError};
use crate::exports::Target;
use crate::value::Value;
use crate::worker::WorkerId;

/// A call of an exported function.
pub struct Invocation {
    /// The caller's idempotency key; the runtime draws one where there is none.
    pub key: Option<String>,
    /// The component version that `target` and `args` are of.
    pub version: Arc<ComponentVersion>,
    /// The function, found by [`Exports::resolve`](crate::exports::Exports::resolve).
    pub target: Target,
    /// Its arguments, decoded by the function's types.
    pub args: Vec<Value>,
    /// The caller's span.
    pub trace: Option<TraceContext>,
}

/// What the state of a worker is that begins with the log of another.
pub(crate) enum NewState {
    /// What the other has now.
    Of(WorkerId),
    /// These changes.
    Given(Vec<Change>),
}

/// How an invocation ended well.
#[derive(Clone, Debug)]
pub struct InvocationResult {
    /// The idempotency key, the caller's or the drawn one.
    pub key: String,
    /// The entry that records it.
    pub index: Index,
    /// What the function returned; `None` where its type has no result.
    pub value: Option<Value>,
    /// The type of `value`.
    pub ty: Option<Type>,
    /// Whether somebody asked for the end of the invocation before it returned.
    pub cancelled: bool,
}

/// How far an invocation is.
#[derive(Clone, Debug)]
pub enum InvocationStatus {
    /// Waits for its turn.
    Pending,
    /// Runs now, or waits to be retried, resumed or woken.
    Running {
        /// Whether somebody has asked for its end.
        cancelled: bool,
    },
    /// Waits for its time.
    Scheduled {
        /// Not before then.
        due: Timestamp,
    },
    /// Has its result.
    Completed(InvocationResult),
    /// Has failed for good.
    Failed(InvokeError),
    /// Was cancelled, and nothing of it has happened to the worker.
    Cancelled,
}

/// Settings that a worker is created with and keeps for life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerSettings {
    /// What `wasi:cli/environment.get-arguments` answers.
    pub args: Vec<String>,
    /// Environment variables; the worker's identity is added to them.
    pub env: Vec<(String, String)>,
    /// The component version; `None`: the newest.
    pub version: Option<u64>,
}

pub(crate) type Outcome = Result<InvocationResult, InvokeError>;
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// Somebody who waits for the outcome of an invocation.
pub(crate) struct Waiter {
    reply: Reply<Outcome>,
    /// It is a worker of the same store.
    pub(crate) is_within: bool,
}

impl Waiter {
    /// Who asks for the outcome of `call`.
    pub(crate) fn of(call: &Call, reply: Reply<Outcome>) -> Self {
        Self { reply, is_within: call.by_worker }
    }

    /// Who has to hear what is durable only.
    pub(crate) fn outside(reply: Reply<Outcome>) -> Self {
        Self { reply, is_within: false }
    }

    /// One who has gone away wants no answer.
    pub(crate) fn tell(self, outcome: Outcome) {
        let _ = self.reply.send(outcome);
    }
}

/// An invocation on its way to a worker.
pub(crate) struct Call {
    pub(crate) key: String,
    /// Whether the key is the caller's: only then can it have been used before.
    pub(crate) keyed: bool,
    /// The target's canonical name, as it stands in the log.
    pub(crate) function: String,
    /// The component version that `target` and `args` are of.
    pub(crate) version: u64,
    pub(crate) target: Target,
    pub(crate) args: Vec<Value>,
    /// `args` as the log keeps them.
    pub(crate) request: Vec<u8>,
    pub(crate) fingerprint: u64,
    pub(crate) trace: Option<TraceContext>,
    /// The function was declared as read-only, so it need not wait for its turn.
    pub(crate) reads: bool,
    /// Another worker calls, and has recorded that, or a schedule, which records it afterwards: where the store keeps the order of what both of them hand over, it
    /// can be told what is not durable yet.
    pub(crate) by_worker: bool,
}

/// A message to a worker's task.
pub(crate) enum Message {
    /// Run now or when its turn comes, and answer with the durable outcome.
    Invoke {
        call: Box<Call>,
        ephemeral: bool,
        settings: Option<WorkerSettings>,
        reply: Reply<Outcome>,
    },
    /// Queue durably, to be run not before `due`, and answer when that is durable.
    Accept {
        call: Box<Call>,
        due: Option<Timestamp>,
        ephemeral: bool,
        settings: Option<WorkerSettings>,
        reply: Reply<Result<(), InvokeError>>,
    },
    /// Create with these settings; answers whether it is new.
    Create { settings: WorkerSettings, reply: Reply<Result<bool, WorkerError>> },
    /// How far is this invocation? With `join`, completed ones aside, the outcome is sent there when there is one.
    Query {
        key: String,
        join: Option<Reply<Outcome>>,
        reply: Reply<Result<InvocationStatus, InvokeError>>,
    },
    /// Withdraw an accepted invocation that has not started.
    Cancel { key: String, reply: Reply<Result<(), InvokeError>> },
    /// Take an invocation that waits for its turn out of the queue, for good; refused for any other.
    Withdraw { key: String, reply: Reply<Result<Ended, InvokeError>> },
    /// End an invocation, however far it is.
    End { key: String, how: Ending, reply: Reply<Result<Ended, InvokeError>> },
    /// Metadata.
    Inspect { reply: Reply<Result<WorkerMetadata, WorkerError>> },
    /// Change of life.
    Control { control: Control, reply: Reply<Result<(), WorkerError>> },
    /// Complete a promise of this worker; answers whether this is the first completion, once that is durable.
    CompletePromise(PromiseCompletion),
    /// How a promise of this worker stands; what is completed is durable.
    InspectPromise { promise: Index, reply: Reply<Result<PromiseState, WorkerError>> },
    /// Take back everything behind an entry; answers the entry that says so.
    Revert { to: RevertTo, reply: Reply<Result<Index, WorkerError>> },
    /// Write what is buffered; answers the last entry, once it is durable.
    Settle { reply: Reply<Result<Index, WorkerError>> },
    /// Begin with this log; refused where the worker exists.
    Adopt { log: Box<CopiedLog>, state: NewState, reply: Reply<Result<(), WorkerError>> },
    /// Go over to another version.
    Update { request: UpdateRequest, reply: Reply<Result<(), WorkerError>> },
    /// The wake record for this time is due; what there is to do stands in the log.
    Wake { due: Timestamp },
    /// What the worker called for before it left memory has been answered.
    Answered,
    /// The caller of a worker that lives for one call has what it wanted.
    LetGo,
    /// Leave memory if idle.
    Evict,
    /// Leave memory now, whatever runs.
    Depart(Departing),
}

/// Why a worker has to leave memory at once. It goes on where it is next loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Departing {
    /// The server stops.
    ServerStops,
    /// Another node takes it over.
    HandedOver,
}

impl Departing {
    /// What those are told who wait for `worker`.
    pub(crate) fn error(self, worker: &str) -> WorkerError {
        match self {
            Self::ServerStops => WorkerError::ShuttingDown,
            Self::HandedOver => WorkerError::Elsewhere { worker: worker.to_owned() },
        }
    }
}

/// The completion of a promise on its way to the worker that made it.
pub(crate) struct PromiseCompletion {
    pub(crate) promise: Index,
    pub(crate) data: Vec<u8>,
    /// The call, where a worker makes it.
    pub(crate) completer: Option<Caller>,
    pub(crate) reply: Reply<Result<bool, WorkerError>>,
}

/// How a promise stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PromiseState {
    /// Nobody has completed it.
    Pending,
    /// It was completed with this.
    Completed(Payload),
}

/// How far a worker is to be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevertTo {
    /// This entry is the last that stays.
    Index(Index),
    /// So many invocations go, the newest first; the one that is running counts.
    BeforeLast(u64),
}

/// How an invocation is ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Ending {
    /// One that waits is taken out of the queue. The one that runs is told, and can make good what it did.
    Cancel,
    /// Nothing of it runs any more, and what it did to the worker is taken back.
    Kill,
}

/// What came of ending an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Ended {
    /// It has ended.
    Now,
    /// It is told so by its next wait, and ends by itself.
    Asked,
}

/// What an operator can do to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// Stop and stay stopped.
    Interrupt,
    /// Go on.
    Resume,
    /// Drop the instance and recover at once.
    Crash,
    /// Remove the worker and all that it owns.
    Delete,
}

/// Shared outcomes go to every caller that sent the same key.
pub(crate) fn answer(callers: Vec<Waiter>, outcome: &Outcome) {
    callers.into_iter().for_each(|caller| caller.tell(outcome.clone()));
}

/// The name of a worker in messages, shared by the errors that quote it.
pub(crate) type Label = Arc<str>;
