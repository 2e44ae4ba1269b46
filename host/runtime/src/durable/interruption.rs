//! Why a guest's execution stopped other than by returning or by its own trap.

use everlog_oplog::{AtomicError, Divergence, Index, JumpError, Timestamp};
use everlog_store::StoreError;

use crate::error::WorkerError;

/// Raised by a host function through `wasmtime::Error`; the worker downcasts it and acts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Interruption {
    /// The replayed execution asked for something else than what was recorded.
    #[error(transparent)]
    Diverged(#[from] Box<Divergence>),
    /// The guest waits for so long that it may leave memory.
    #[error("suspended until {until:?}")]
    Suspend {
        /// When the wait ends; `None` when only an outside event ends it.
        until: Option<Timestamp>,
    },
    /// Somebody asks for the end of the invocation, and the guest waits for what can't tell it so.
    #[error("the invocation was cancelled while it waited")]
    Cancelled,
    /// The guest ended its own life with `wasi:cli/exit`.
    #[error("exited with code {code}")]
    Exit {
        /// The exit code, 0 to 255.
        code: u32,
    },
    /// `set-oplog-index` was written; the worker recovers at the target.
    #[error("jumped back to entry {to}")]
    Jump {
        /// The entry behind which the execution goes on.
        to: Index,
    },
    /// A jump that the log does not allow; the guest traps.
    #[error(transparent)]
    JumpRefused(JumpError),
    /// The end of an atomic region that the log does not allow; the guest traps.
    #[error(transparent)]
    AtomicRefused(AtomicError),
    /// Something that another worker, or a promise, does not allow; the guest traps.
    #[error(transparent)]
    Refused(WorkerError),
    /// What is recorded, and so can't be done inside of an action; the guest traps.
    #[error(
        "{function} was called inside of action {action:?}, of which only the outcome is recorded; it must be done \
         outside of it"
    )]
    InAction {
        /// The host function.
        function: &'static str,
        /// The name of the action.
        action: String,
    },
    /// An action that is not as an action has to be; the guest traps.
    #[error("{detail}")]
    ActionRefused {
        /// What is wrong with it.
        detail: String,
    },
    /// The host has no room for more linear memory; the execution is tried again later.
    #[error("the host's memory limit is reached: {wanted} bytes wanted, {available} available")]
    HostMemory {
        /// What the guest asked for, in bytes.
        wanted: u64,
        /// What the host still had, in bytes.
        available: u64,
    },
    /// The store does not take entries any more.
    #[error(transparent)]
    Storage(#[from] StoreError),
    /// A recorded outcome could not be read back as what the function returns.
    #[error(
        "the outcome recorded for {function} can't be read as its result type: {detail}; \
         the component or the server changed in between: deploy a fitting version, revert or fork"
    )]
    Unreadable {
        /// The host function.
        function: &'static str,
        /// What the decoder said.
        detail: String,
    },
    /// What a host function is to record has no encoding.
    #[error("what {function} is to record can't be encoded: {detail}")]
    Unwritable {
        /// The host function.
        function: &'static str,
        /// What the encoder said.
        detail: String,
    },
}

impl From<Divergence> for Interruption {
    fn from(divergence: Divergence) -> Self {
        Self::Diverged(Box::new(divergence))
    }
}

impl From<WorkerError> for Interruption {
    fn from(error: WorkerError) -> Self {
        match error {
            WorkerError::Storage(error) => Self::Storage(error),
            refused => Self::Refused(refused),
        }
    }
}

impl From<JumpError> for Interruption {
    fn from(error: JumpError) -> Self {
        match error {
            JumpError::Diverged(divergence) => divergence.into(),
            refused => Self::JumpRefused(refused),
        }
    }
}

impl From<AtomicError> for Interruption {
    fn from(error: AtomicError) -> Self {
        match error {
            AtomicError::Diverged(divergence) => divergence.into(),
            refused => Self::AtomicRefused(refused),
        }
    }
}
