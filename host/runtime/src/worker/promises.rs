//! Promises: a worker makes them, anybody completes them, wherever the worker is.

use std::sync::Arc;

use everlog_oplog::{Caller, Index, Payload, PromiseError, Status, WorkerState as Life};
use tokio::sync::oneshot;

use super::front::Front;
use super::message::{Message, PromiseCompletion, PromiseState, Reply};
use super::{SendError, WorkerId, unloaded};
use crate::cluster::Request;
use crate::durable::Recorder;
use crate::error::WorkerError;
use crate::follower::Follower;
use crate::shared::Shared;

/// The most that a promise is completed with, in bytes.
pub const MAX_PROMISE_BYTES: usize = 4 << 20;

impl Front {
    pub(super) async fn complete_promise(
        &mut self,
        recorder: &Arc<Recorder>,
        completion: PromiseCompletion,
    ) {
        let PromiseCompletion { promise, data, completer, reply } = completion;
        let completed = match self.promise_state(recorder, promise) {
            // Nobody needs a blob of what will not be kept.
            Ok(_) => match self.shared.kept_payload(data).await {
                Ok(data) => self.record_completion(recorder, promise, data, completer),
                Err(error) => Err(error.into()),
            },
            Err(error) => Err(error),
        };
        let completed = match completed {
            Ok(completed) => completed,
            Err(error) => return drop(reply.send(Err(error))),
        };
        recorder.promise_completed();
        // Also who comes too late is told so only when what came before is durable.
        recorder.flush_with(
            Vec::new(),
            Box::new(move |stored| {
                drop(reply.send(stored.map(|()| completed).map_err(WorkerError::from)));
            }),
        );
    }

    fn record_completion(
        &self,
        recorder: &Recorder,
        promise: Index,
        data: Payload,
        completer: Option<Caller>,
    ) -> Result<bool, WorkerError> {
        let completed = recorder.with(|journal, now| {
            let completed = match completer {
                Some(completer) => journal.promise_completed_by(promise, data, completer, now)?,
                None => journal.promise_completed(promise, data, now)?,
            };
            if completed && journal.status().state == Life::Interrupted {
                journal.resume(now);
            }
            Ok(completed)
        });
        completed.map_err(|_: PromiseError| not_found(&self.label, promise))
    }

    pub(super) fn inspect_promise(
        &self,
        recorder: &Recorder,
        promise: Index,
        reply: Reply<Result<PromiseState, WorkerError>>,
    ) {
        match self.promise_state(recorder, promise) {
            Ok(state @ PromiseState::Completed(_)) => recorder.flush_with(
                Vec::new(),
                Box::new(move |stored| {
                    drop(reply.send(stored.map(|()| state).map_err(WorkerError::from)));
                }),
            ),
            told => drop(reply.send(told)),
        }
    }

    fn promise_state(
        &self,
        recorder: &Recorder,
        promise: Index,
    ) -> Result<PromiseState, WorkerError> {
        recorder.with(|journal, _| state_in(journal.status(), &self.label, promise))
    }
}

impl Shared {
    /// Completes a promise, wherever the worker that made it is; `false` if it is complete already.
    pub(crate) async fn complete_promise(
        self: &Arc<Self>,
        worker: &WorkerId,
        promise: Index,
        data: Vec<u8>,
        completer: Option<Caller>,
    ) -> Result<bool, WorkerError> {
        check_size(&data)?;
        let here =
            self.complete_promise_here(worker, promise, data.clone(), completer.clone()).await;
        let Err(WorkerError::Elsewhere { .. }) = here else { return here };
        let request = Request::CompletePromise { worker: worker.into(), promise, data, completer };
        self.ask_owner(worker, &request).await.map(|(first, _)| first)
    }

    /// Completes a promise of a worker of this node.
    pub(crate) async fn complete_promise_here(
        self: &Arc<Self>,
        worker: &WorkerId,
        promise: Index,
        data: Vec<u8>,
        completer: Option<Caller>,
    ) -> Result<bool, WorkerError> {
        check_size(&data)?;
        let (reply, answer) = oneshot::channel();
        let completion = PromiseCompletion { promise, data, completer, reply };
        self.deliver(worker, Message::CompletePromise(completion)).await?;
        answer.await.unwrap_or_else(|_| Err(self.unanswered(worker)))
    }

    /// How a promise stands, without bringing its worker into memory.
    pub(crate) async fn promise(
        &self,
        worker: &WorkerId,
        promise: Index,
    ) -> Result<PromiseState, WorkerError> {
        let (reply, answer) = oneshot::channel();
        let message = Message::InspectPromise { promise, reply };
        if self.registry.send_if_loaded(worker, message)
            && let Ok(state) = answer.await
        {
            return state;
        }
        let label = worker.to_string();
        match unloaded::status(self, worker).await? {
            Some(status) => state_in(&status, &label, promise),
            None => Err(WorkerError::NotFound { worker: label }),
        }
    }

    /// What a promise is completed with; waits for that, without bringing its worker into memory.
    pub(crate) async fn completed_promise(
        self: &Arc<Self>,
        worker: &WorkerId,
        promise: Index,
    ) -> Result<Payload, WorkerError> {
        let mut follower = Follower::new(Arc::clone(self), worker.clone());
        loop {
            if let PromiseState::Completed(data) = self.promise(worker, promise).await? {
                return Ok(data);
            }
            if !follower.changed().await {
                return Err(WorkerError::NotFound { worker: worker.to_string() });
            }
        }
    }

    /// Hands a message to a worker, bringing it into memory.
    pub(crate) async fn deliver(
        self: &Arc<Self>,
        worker: &WorkerId,
        message: Message,
    ) -> Result<(), WorkerError> {
        match self.registry.send(self, worker, message).await {
            Ok(()) => Ok(()),
            Err(SendError::Closing) => Err(WorkerError::ShuttingDown),
            Err(SendError::Elsewhere) => Err(WorkerError::Elsewhere { worker: worker.to_string() }),
            Err(SendError::Full) => {
                let limit = self.config.max_queue;
                Err(WorkerError::Busy { worker: worker.to_string(), limit })
            }
        }
    }
}

/// Refuses what is more than a promise may hold.
pub(crate) fn check_size(data: &[u8]) -> Result<(), WorkerError> {
    let (size, limit) = (data.len(), MAX_PROMISE_BYTES);
    if size <= limit { Ok(()) } else { Err(WorkerError::PromiseTooLarge { size, limit }) }
}

fn state_in(status: &Status, label: &str, promise: Index) -> Result<PromiseState, WorkerError> {
    let known = status.promises.get(&promise).ok_or_else(|| not_found(label, promise))?;
    Ok(match &known.completed {
        Some((_, data)) => PromiseState::Completed(data.clone()),
        None => PromiseState::Pending,
    })
}

/// There is no such promise.
pub(crate) fn not_found(label: &str, promise: Index) -> WorkerError {
    WorkerError::PromiseNotFound { worker: label.to_owned(), promise: promise.get() }
}
