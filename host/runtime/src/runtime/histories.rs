//! Promises, and the past of workers: taken back, or taken over by another.

use std::sync::Arc;

use everlog_oplog::{CopyError, Heir, Index, WorkerId as LoggedId, copy_log};
use tokio::sync::oneshot;

use super::Runtime;
use crate::clock;
use crate::cluster::Request;
use crate::error::WorkerError;
use crate::shared::Shared;
use crate::worker::{Message, NewState, PromiseState, RevertTo, WorkerId, read_log};

impl Runtime {
    /// Completes a promise; returns whether this is the first completion, once that is durable.
    ///
    /// # Errors
    /// Not found, or more than a promise may hold.
    pub async fn complete_promise(
        &self,
        worker: &WorkerId,
        promise: Index,
        data: Vec<u8>,
    ) -> Result<bool, WorkerError> {
        self.shared.complete_promise(worker, promise, data, None).await
    }

    /// How a promise stands.
    ///
    /// # Errors
    /// Not found.
    pub async fn promise(
        &self,
        worker: &WorkerId,
        promise: Index,
    ) -> Result<PromiseState, WorkerError> {
        self.shared.promise(worker, promise).await
    }

    /// Takes a worker back; returns the entry that says so, once it is durable.
    ///
    /// # Errors
    /// Not found, or nothing to go back to; nothing has changed then.
    pub async fn revert(&self, worker: &WorkerId, to: RevertTo) -> Result<Index, WorkerError> {
        self.shared.ask(worker, |reply| Message::Revert { to, reply }).await
    }

    /// Makes `heir` a worker with the history of `worker` up to `at`, or up to now; returns the last entry that was
    /// copied.
    ///
    /// # Errors
    /// Not found, a name that is taken, or an entry that is not part of the history; nothing has changed then.
    pub async fn fork(
        &self,
        worker: &WorkerId,
        heir: &WorkerId,
        at: Option<Index>,
    ) -> Result<Index, WorkerError> {
        self.settle(worker).await?;
        let here = self.shared.fork_here(worker, heir, at).await;
        let Err(WorkerError::Elsewhere { .. }) = here else { return here };
        let request = Request::Fork { source: worker.into(), heir: heir.into(), at };
        self.shared.ask_owner(heir, &request).await.map(|(_, last)| last)
    }

    /// Returns when all that the worker has recorded so far is in the store.
    pub(super) async fn settle(&self, worker: &WorkerId) -> Result<(), WorkerError> {
        let (reply, settled) = oneshot::channel();
        if self.shared.registry.send_if_loaded(worker, Message::Settle { reply })
            && let Ok(settled) = settled.await
        {
            settled?;
        }
        Ok(())
    }
}

impl Shared {
    /// Makes `heir`, a worker of this node, from what the store has of `worker`.
    pub(crate) async fn fork_here(
        self: &Arc<Self>,
        worker: &WorkerId,
        heir: &WorkerId,
        at: Option<Index>,
    ) -> Result<Index, WorkerError> {
        let key = worker.key()?;
        let (log, _) = read_log(self, &key).await?;
        if log.is_empty() {
            return Err(WorkerError::NotFound { worker: worker.to_string() });
        }
        let logged = LoggedId { component: heir.component.into(), name: heir.name.clone() };
        let heir_key = heir.key()?;
        let copy = Heir { identity: heir_key.as_bytes(), worker: logged };
        let copied = copy_log(key.as_bytes(), &log, at, &copy, clock::now());
        let copied = copied.map_err(|error| refused(worker, error))?;
        let component = heir.component.to_string();
        self.catalog.version(&component, copied.status.component_version).await?;
        let copied_up_to = copied.status.origins.last().map_or(copied.last, |origin| origin.at);
        let (reply, adopted) = oneshot::channel();
        let (log, state) = (Box::new(copied), NewState::Of(worker.clone()));
        self.deliver(heir, Message::Adopt { log, state, reply }).await?;
        adopted.await.unwrap_or_else(|_| Err(self.unanswered(heir)))?;
        Ok(copied_up_to)
    }
}

fn refused(worker: &WorkerId, error: CopyError) -> WorkerError {
    let worker = worker.to_string();
    match error {
        CopyError::Log(error) => WorkerError::CorruptLog { worker, detail: error.to_string() },
        refused => WorkerError::NoSuchPast { worker, detail: refused.to_string() },
    }
}
