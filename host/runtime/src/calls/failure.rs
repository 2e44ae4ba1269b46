//! Why a call has no result.

use bincode::{Decode, Encode};

use crate::error::{ComponentError, InvokeError, WorkerError};

/// What a caller is told, as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub(crate) enum CallFailure {
    /// There is no such component, worker or function.
    #[error("{0}")]
    NotFound(String),
    /// The call and what is deployed do not fit.
    #[error("{0}")]
    Mismatch(String),
    /// It must not be made.
    #[error("{0}")]
    Denied(String),
    /// The worker that was called failed, or can't go on.
    #[error("{0}")]
    Failed(String),
    /// The call was taken back before its end.
    #[error("{0}")]
    Cancelled(String),
}

/// What a caller is told that is itself to come to an end. The call may go on.
pub(super) fn caller_cancelled() -> CallFailure {
    CallFailure::Cancelled("the caller's invocation is cancelled; the call may go on".to_owned())
}

/// Why a call has no outcome yet. Nobody is told; it is made again.
#[derive(Debug)]
pub(crate) enum Obstacle {
    /// The worker is on another node, or on its way there.
    Elsewhere,
    /// The worker is interrupted in the middle of the call.
    Interrupted,
    /// Something that passes.
    Passing(#[expect(dead_code, reason = "for the log of the server")] InvokeError),
}

/// Tells what a caller must know from what passes by itself.
pub(super) fn sorted(error: InvokeError) -> Result<CallFailure, Obstacle> {
    let told = error.to_string();
    match error {
        InvokeError::Worker(error) => sorted_worker(error, told),
        InvokeError::Interrupted { .. } => Err(Obstacle::Interrupted),
        InvokeError::QueueFull { .. }
        | InvokeError::ComponentBusy { .. }
        | InvokeError::ShuttingDown => Err(Obstacle::Passing(error)),
        InvokeError::NoFunction { .. } | InvokeError::NotFound { .. } => {
            Ok(CallFailure::NotFound(told))
        }
        InvokeError::InvalidArguments { .. } | InvokeError::InvalidKey { .. } => {
            Ok(CallFailure::Mismatch(told))
        }
        InvokeError::Cancelled { .. } => Ok(CallFailure::Cancelled(told)),
        InvokeError::Deleted { .. }
        | InvokeError::Reverted { .. }
        | InvokeError::Exited { .. }
        | InvokeError::PreviousFailed { .. }
        | InvokeError::Failed { .. }
        | InvokeError::ReadFailed { .. }
        | InvokeError::Killed { .. }
        | InvokeError::Stalled { .. }
        | InvokeError::KeyReused { .. }
        | InvokeError::NotCancellable { .. } => Ok(CallFailure::Failed(told)),
    }
}

fn sorted_worker(error: WorkerError, told: String) -> Result<CallFailure, Obstacle> {
    match error {
        WorkerError::Elsewhere { .. } => Err(Obstacle::Elsewhere),
        WorkerError::Contended { .. }
        | WorkerError::ShuttingDown
        | WorkerError::Busy { .. }
        | WorkerError::NoRoom { .. }
        | WorkerError::Peer { .. }
        | WorkerError::Storage(_)
        | WorkerError::Component(ComponentError::Storage(_)) => {
            Err(Obstacle::Passing(error.into()))
        }
        WorkerError::NotFound { .. }
        | WorkerError::Component(
            ComponentError::NotFound { .. } | ComponentError::VersionNotFound { .. },
        ) => Ok(CallFailure::NotFound(told)),
        WorkerError::InvalidName { .. } => Ok(CallFailure::Mismatch(told)),
        _ => Ok(CallFailure::Failed(told)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_told_nobody() {
        let worker = || "shop/mary".to_owned();
        let full = InvokeError::QueueFull { worker: worker(), limit: 1 };
        assert!(matches!(sorted(full), Err(Obstacle::Passing(_))));
        let elsewhere = WorkerError::Elsewhere { worker: worker() };
        assert!(matches!(sorted(elsewhere.into()), Err(Obstacle::Elsewhere)));
        let interrupted = InvokeError::Interrupted { worker: worker() };
        assert!(matches!(sorted(interrupted), Err(Obstacle::Interrupted)));
    }

    #[test]
    fn what_stays_is_told() {
        let missing = ComponentError::NotFound { name: "shop".to_owned() };
        assert!(matches!(sorted(missing.into()), Ok(CallFailure::NotFound(_))));
        let trap =
            InvokeError::Failed { message: "a trap".to_owned(), index: everlog_oplog::Index(3) };
        assert_eq!(sorted(trap).ok(), Some(CallFailure::Failed("a trap".to_owned())));
    }
}
