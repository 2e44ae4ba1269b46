//! What callers can be told: every way in which a request ends without its result.

use everlog_oplog::Index;
use everlog_store::{StoreError, WorkerKey};

pub use crate::component::ComponentError;
use crate::worker::WorkerId;

/// Why something can't be done with a worker.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The worker does not exist.
    #[error("there is no worker {worker}")]
    NotFound {
        /// The worker.
        worker: String,
    },
    /// The worker exists with other settings.
    #[error("worker {worker} exists with other {what}; delete it first or leave the settings out")]
    Exists {
        /// The worker.
        worker: String,
        /// What differs: args, env or version.
        what: &'static str,
    },
    /// There is a worker of that name.
    #[error("there is a worker {worker} already; choose another name, or delete it first")]
    NameTaken {
        /// The worker.
        worker: String,
    },
    /// The promise does not exist (any more).
    #[error("worker {worker} has no promise {promise}: it was never made, or is deleted")]
    PromiseNotFound {
        /// The worker.
        worker: String,
        /// The entry that would have made it.
        promise: u64,
    },
    /// Only the worker that made a promise may do that.
    #[error("promise {promise} belongs to worker {worker}, and only that worker may delete it")]
    PromiseOfAnother {
        /// The worker that made it.
        worker: String,
        /// The entry that made it.
        promise: u64,
    },
    /// The worker has made too many promises and deleted none.
    #[error(
        "worker {worker} has {limit} promises, the most there may be; delete those that are done"
    )]
    TooManyPromises {
        /// The worker.
        worker: String,
        /// How many there may be.
        limit: usize,
    },
    /// More than a promise may hold.
    #[error("a promise is completed with at most {limit} bytes, these are {size}")]
    PromiseTooLarge {
        /// Bytes of the payload.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The worker can't go back there.
    #[error("worker {worker} can't be taken back or forked there: {detail}; nothing has changed")]
    NoSuchPast {
        /// The worker.
        worker: String,
        /// Why not.
        detail: String,
    },
    /// The oplog is too long to be copied in one piece.
    #[error(
        "the oplog of worker {worker} needs {size} bytes as a copy; at most {limit} are allowed"
    )]
    CopyTooLarge {
        /// The worker.
        worker: String,
        /// Bytes of the copy with its records.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// What should be imported is no log that can be.
    #[error("worker {worker} can't be imported: {detail}; nothing has changed")]
    InvalidImport {
        /// The worker.
        worker: String,
        /// What is wrong, and where.
        detail: String,
    },
    /// The component is not what the imported worker ran.
    #[error("worker {worker} can't be imported: {detail}; nothing has changed")]
    ComponentDiffers {
        /// The worker.
        worker: String,
        /// Which version is missing or differs.
        detail: String,
    },
    /// The name breaks the rules.
    #[error("{name:?} is no worker name: 1 to 512 bytes of UTF-8 without control characters")]
    InvalidName {
        /// The name.
        name: String,
    },
    /// The worker's component can't be used.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// The worker's oplog is damaged.
    #[error(
        "the oplog of worker {worker} is damaged: {detail}. The other workers go on; restore this one from a backup or delete it"
    )]
    CorruptLog {
        /// The worker.
        worker: String,
        /// Which entry, what was expected, what was found.
        detail: String,
    },
    /// The store failed.
    #[error(transparent)]
    Storage(StoreError),
    /// The worker lives for one call.
    #[error("worker {worker} lives for one call and can't be updated")]
    Ephemeral {
        /// The worker.
        worker: String,
    },
    /// The guest ended its life.
    #[error("worker {worker} exited with code {code} and can't be updated")]
    Exited {
        /// The worker.
        worker: String,
        /// The exit code.
        code: u32,
    },
    /// Too many updates wait for the worker.
    #[error("{limit} updates wait for worker {worker} already; try again later")]
    TooManyUpdates {
        /// The worker.
        worker: String,
        /// How many may wait.
        limit: usize,
    },
    /// The host has no memory for another instance of the worker.
    #[error("the host has no room to replay worker {worker} now; try again later")]
    NoRoom {
        /// The worker.
        worker: String,
    },
    /// Too many requests wait for the worker.
    #[error("{limit} requests wait for worker {worker} already; try again later")]
    Busy {
        /// The worker.
        worker: String,
        /// How many may wait.
        limit: usize,
    },
    /// The worker is on another node, or on its way there.
    #[error("worker {worker} is on another node now, or on its way there; try again in a moment")]
    Elsewhere {
        /// The worker.
        worker: String,
    },
    /// A worker of another node changed shared data at the same time.
    #[error(
        "worker {worker} and one of another node changed the same shared data at the same time; this one does it \
         again: send the request again"
    )]
    Contended {
        /// The worker.
        worker: String,
    },
    /// Another node could not do what it was asked.
    #[error("another node was asked and refused: {detail}")]
    Peer {
        /// What it said.
        detail: String,
    },
    /// The server is stopping.
    #[error("the server is stopping; try again in a moment")]
    ShuttingDown,
    /// What can't be a key or a value of state.
    #[error("the state of worker {worker} can't be that: {detail}")]
    StateRefused {
        /// The worker.
        worker: String,
        /// Which limit is broken.
        detail: String,
    },
    /// What is under a key is not what should be.
    #[error(
        "under key {key:?} of the state of worker {worker} is {}, which is not what the request wants there; nothing \
         has changed",
        version.map_or("nothing".to_owned(), |version| format!("version {version}"))
    )]
    StateStands {
        /// The worker.
        worker: String,
        /// The key.
        key: String,
        /// The version of what is there.
        version: Option<u64>,
    },
}

impl From<StoreError> for WorkerError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Moved { worker, .. } => Self::Elsewhere { worker: shown(&worker) },
            error => Self::Storage(error),
        }
    }
}

/// A worker's key as people know it.
fn shown(key: &WorkerKey) -> String {
    WorkerId::from_key(key.as_bytes()).map_or_else(|| key.to_string(), |id| id.to_string())
}

/// Why an invocation has no result.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvokeError {
    /// The worker can't be had.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The worker was interrupted before it had finished.
    #[error(
        "worker {worker} is interrupted; the same key sent again, a new call or resume lets it go on"
    )]
    Interrupted {
        /// The worker.
        worker: String,
    },
    /// The worker was deleted before it had finished.
    #[error("worker {worker} was deleted")]
    Deleted {
        /// The worker.
        worker: String,
    },
    /// The invocation was taken back by an operator.
    #[error(
        "worker {worker} was reverted to before this invocation; the same key may be sent again"
    )]
    Reverted {
        /// The worker.
        worker: String,
    },
    /// The guest ended its life.
    #[error("worker {worker} exited with code {code} and takes no more calls")]
    Exited {
        /// The worker.
        worker: String,
        /// The exit code.
        code: u32,
    },
    /// An earlier invocation failed for good.
    #[error(
        "worker {worker} failed in an earlier invocation ({message}); resume, update or revert revives it"
    )]
    PreviousFailed {
        /// The worker.
        worker: String,
        /// How it failed.
        message: String,
    },
    /// This invocation failed for good.
    #[error("{message}")]
    Failed {
        /// The guest's trap with its backtrace, or what else ended it.
        message: String,
        /// The entry that records the failure.
        index: Index,
    },
    /// Replay met a divergence.
    #[error("worker {worker} is stalled: {message}")]
    Stalled {
        /// The worker.
        worker: String,
        /// The divergence report.
        message: String,
    },
    /// Too many callers of the component wait.
    #[error(
        "{concurrent} callers of component {component} are served and {waiting} more wait, the most \
         there may be; try again later"
    )]
    ComponentBusy {
        /// The component.
        component: String,
        /// How many may be served at once.
        concurrent: u32,
        /// How many may wait.
        waiting: u32,
    },
    /// A read-only function failed, beside a worker that has nothing to do with it.
    #[error("{function} failed as a reader: {message}")]
    ReadFailed {
        /// The function.
        function: String,
        /// The guest's trap, or what it must not do.
        message: String,
    },
    /// The key was used for another call.
    #[error(
        "idempotency key {key:?} was used on this worker with another function or other arguments"
    )]
    KeyReused {
        /// The key.
        key: String,
    },
    /// The key breaks the rules.
    #[error("an idempotency key has 1 to {limit} bytes without control characters")]
    InvalidKey {
        /// The longest, in bytes.
        limit: usize,
    },
    /// Too many calls wait for the worker.
    #[error("{limit} calls wait for worker {worker} already; try again later")]
    QueueFull {
        /// The worker.
        worker: String,
        /// How many may wait.
        limit: usize,
    },
    /// No invocation has this key.
    #[error("worker {worker} has no invocation {key:?}")]
    NotFound {
        /// The worker.
        worker: String,
        /// The key.
        key: String,
    },
    /// The invocation was cancelled, and nothing of it has happened to the worker.
    #[error("invocation {key:?} was cancelled")]
    Cancelled {
        /// The key.
        key: String,
    },
    /// The invocation was killed, and what it did to the worker is taken back.
    #[error(
        "invocation {key:?} was killed; what it did to the worker is taken back, what was seen outside is not"
    )]
    Killed {
        /// The key.
        key: String,
    },
    /// The invocation has started or ended.
    #[error("invocation {key:?} has {state} and can't be cancelled any more")]
    NotCancellable {
        /// The key.
        key: String,
        /// started, completed, …
        state: &'static str,
    },
    /// The component, as far as the worker has come with it, has no such function.
    #[error("{detail}")]
    NoFunction {
        /// What was asked for, and what is called nearly so.
        detail: String,
    },
    /// The arguments do not fit the function.
    #[error("{detail}")]
    InvalidArguments {
        /// Which argument and why.
        detail: String,
    },
    /// The server is stopping.
    #[error("the server is stopping; try again in a moment")]
    ShuttingDown,
}

impl From<StoreError> for InvokeError {
    fn from(error: StoreError) -> Self {
        Self::Worker(error.into())
    }
}

impl From<ComponentError> for InvokeError {
    fn from(error: ComponentError) -> Self {
        Self::Worker(error.into())
    }
}

/// Why the runtime can't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// The WebAssembly engine can't be made.
    #[error(
        "the WebAssembly engine can't be set up: {0:#}; a lower limit of loaded workers needs less address space"
    )]
    Engine(wasmtime::Error),
    /// The directory of the workers' files can't be made.
    #[error("the workers' files can't be kept in {path}: {error}", path = path.display())]
    Files {
        /// The directory.
        path: std::path::PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// The network can't be used.
    #[error("the HTTP client can't be set up: {0}")]
    Network(std::io::Error),
    /// What is deployed can't be read.
    #[error(transparent)]
    Components(#[from] ComponentError),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StoreError),
}
