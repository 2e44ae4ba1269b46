//! Asking a worker something and waiting for the answer.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::WorkerId;
use super::message::{Message, Reply};
use super::registry::SendError;
use crate::error::{InvokeError, WorkerError};
use crate::shared::Shared;

impl Shared {
    /// Sends a message and waits for its answer.
    pub(crate) async fn ask<T, E: From<WorkerError>>(
        self: &Arc<Self>,
        worker: &WorkerId,
        message: impl FnOnce(Reply<Result<T, E>>) -> Message,
    ) -> Result<T, E>
    where
        SendError: IntoError<E>,
    {
        let (reply, answer) = oneshot::channel();
        let sent = self.registry.send(self, worker, message(reply)).await;
        sent.map_err(|error| error.into_error(worker, self.config.max_queue))?;
        // No answer: the task was stopped in between.
        answer.await.unwrap_or_else(|_| Err(self.unanswered(worker).into()))
    }
}

/// How a message that was not taken is told to the caller.
pub(crate) trait IntoError<E> {
    fn into_error(self, worker: &WorkerId, limit: usize) -> E;
}

impl IntoError<WorkerError> for SendError {
    fn into_error(self, worker: &WorkerId, limit: usize) -> WorkerError {
        match self {
            Self::Elsewhere => WorkerError::Elsewhere { worker: worker.to_string() },
            Self::Full => WorkerError::Busy { worker: worker.to_string(), limit },
            Self::Closing => WorkerError::ShuttingDown,
        }
    }
}

impl IntoError<InvokeError> for SendError {
    fn into_error(self, worker: &WorkerId, limit: usize) -> InvokeError {
        match self {
            Self::Elsewhere => WorkerError::Elsewhere { worker: worker.to_string() }.into(),
            Self::Full => InvokeError::QueueFull { worker: worker.to_string(), limit },
            Self::Closing => InvokeError::ShuttingDown,
        }
    }
}
