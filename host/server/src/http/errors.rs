//! The runtime's errors as problems: one place decides codes and statuses.

use everlog_runtime::{ComponentError, InvokeError, WorkerError};
use everlog_store::StoreError;

use super::problem::{Code, Problem};

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Corrupt { .. } | StoreError::LostTail { .. } => Code::OplogDamaged,
            StoreError::Limit { .. } => Code::BodyTooLarge,
            // Nothing was stored, and the worker does it again.
            StoreError::Conflict { .. } | StoreError::Unexpected { .. } => Code::WorkerContended,
            StoreError::Moved { .. } | StoreError::Fenced { .. } | StoreError::Rewound { .. } => {
                Code::WorkerElsewhere
            }
            StoreError::InvalidBatch { .. } => Code::InternalError,
            _ => Code::StorageUnavailable,
        };
        Self::new(code, sentence(&error))
    }
}

impl From<ComponentError> for Problem {
    fn from(error: ComponentError) -> Self {
        let code = match error {
            ComponentError::Storage(error) => return error.into(),
            ComponentError::NotFound { .. } | ComponentError::VersionNotFound { .. } => {
                Code::ComponentNotFound
            }
            ComponentError::InvalidName { .. } => Code::InvalidRequest,
            ComponentError::NotAComponent { .. }
            | ComponentError::CoreModule
            | ComponentError::TooLarge { .. }
            | ComponentError::UnsatisfiedImport { .. } => Code::InvalidComponent,
            ComponentError::InvalidSetting { .. } => Code::InvalidRequest,
            ComponentError::Unusable { .. } => Code::ComponentUnusable,
            ComponentError::DeployedElsewhere { .. } => Code::Unavailable,
            ComponentError::HasWorkers { .. } => Code::ComponentHasWorkers,
            _ => Code::InternalError,
        };
        Self::new(code, sentence(&error))
    }
}

impl From<WorkerError> for Problem {
    fn from(error: WorkerError) -> Self {
        let code = match error {
            WorkerError::Storage(error) => return error.into(),
            WorkerError::Component(error) => return error.into(),
            WorkerError::NotFound { .. } => Code::WorkerNotFound,
            WorkerError::Exists { .. } | WorkerError::NameTaken { .. } => Code::WorkerExists,
            WorkerError::PromiseNotFound { .. } => Code::PromiseNotFound,
            WorkerError::PromiseTooLarge { .. } | WorkerError::CopyTooLarge { .. } => {
                Code::BodyTooLarge
            }
            WorkerError::InvalidImport { .. } => Code::InvalidOplog,
            WorkerError::ComponentDiffers { .. } => Code::ComponentDiffers,
            WorkerError::StateRefused { .. } => Code::InvalidRequest,
            WorkerError::StateStands { .. } => Code::StateStands,
            WorkerError::NoSuchPast { .. } => Code::NotInHistory,
            WorkerError::InvalidName { .. } => Code::InvalidRequest,
            WorkerError::CorruptLog { .. } => Code::OplogDamaged,
            WorkerError::Busy { .. } | WorkerError::TooManyUpdates { .. } => Code::TooManyRequests,
            WorkerError::Ephemeral { .. } => Code::InvalidRequest,
            WorkerError::Exited { .. } => Code::WorkerExited,
            WorkerError::NoRoom { .. } => Code::Unavailable,
            WorkerError::Elsewhere { .. } => Code::WorkerElsewhere,
            WorkerError::Contended { .. } => Code::WorkerContended,
            WorkerError::ShuttingDown | WorkerError::Peer { .. } => Code::Unavailable,
            _ => Code::InternalError,
        };
        Self::new(code, sentence(&error))
    }
}

impl From<InvokeError> for Problem {
    fn from(error: InvokeError) -> Self {
        let code = match &error {
            InvokeError::Worker(error) => return error.clone().into(),
            InvokeError::Failed { message, index } => {
                return Self::new(Code::InvocationFailed, message).oplog_index(index.get());
            }
            InvokeError::ReadFailed { .. } => Code::InvocationFailed,
            InvokeError::ComponentBusy { .. } => Code::TooManyRequests,
            InvokeError::Interrupted { .. } => Code::WorkerInterrupted,
            InvokeError::Deleted { .. } => Code::WorkerDeleted,
            InvokeError::Reverted { .. } => Code::InvocationReverted,
            InvokeError::Exited { .. } => Code::WorkerExited,
            InvokeError::PreviousFailed { .. } => Code::PreviousInvocationFailed,
            InvokeError::Stalled { .. } => Code::WorkerStalled,
            InvokeError::KeyReused { .. } => Code::IdempotencyKeyReused,
            InvokeError::InvalidKey { .. } => Code::InvalidRequest,
            InvokeError::QueueFull { .. } => Code::TooManyRequests,
            InvokeError::NotFound { .. } => Code::InvocationNotFound,
            InvokeError::Cancelled { .. } => Code::InvocationCancelled,
            InvokeError::Killed { .. } => Code::InvocationKilled,
            InvokeError::NotCancellable { .. } => Code::InvocationNotCancellable,
            InvokeError::InvalidArguments { .. } => Code::InvalidArguments,
            InvokeError::NoFunction { .. } => Code::FunctionNotFound,
            InvokeError::ShuttingDown => Code::Unavailable,
            _ => Code::InternalError,
        };
        Self::new(code, sentence(&error))
    }
}

/// The message of an error and of what caused it.
pub(crate) fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
