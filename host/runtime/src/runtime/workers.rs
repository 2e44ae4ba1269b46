//! Workers as operators see them.

use std::sync::Arc;

use everlog_oplog::{Entry, Index, Payload};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::Runtime;
use crate::cluster::Request;
use crate::error::WorkerError;
use crate::follower::Follower;
use crate::shared::Shared;
use crate::worker::{
    Control, Listing, Message, Precision, WorkerId, WorkerMetadata, WorkerSettings, described,
    unloaded,
};

impl Runtime {
    /// Creates a worker; `false` if it exists with these settings.
    ///
    /// # Errors
    /// [`WorkerError::Exists`] if it exists with others.
    pub async fn create_worker(
        &self,
        worker: &WorkerId,
        settings: WorkerSettings,
    ) -> Result<bool, WorkerError> {
        self.shared.ask(worker, |reply| Message::Create { settings, reply }).await
    }

    /// A worker's metadata.
    ///
    /// # Errors
    /// Not found, or a damaged log.
    pub async fn worker(&self, worker: &WorkerId) -> Result<WorkerMetadata, WorkerError> {
        self.shared.metadata(worker).await
    }

    /// A worker's metadata as folded from the whole oplog, whatever memory and caches say.
    ///
    /// # Errors
    /// Not found, or a damaged log.
    pub async fn rebuild_status(&self, worker: &WorkerId) -> Result<WorkerMetadata, WorkerError> {
        let status = unloaded::fold(&self.shared, worker).await?;
        described(worker, status)
    }

    /// Up to `limit` workers, of one component or all, in the order of component UUID and name, behind `after`;
    /// none only where the list ends. Damaged workers are left out.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn workers(
        &self,
        component: Option<Uuid>,
        after: Option<WorkerId>,
        limit: usize,
    ) -> Result<Vec<WorkerMetadata>, WorkerError> {
        let listing = Listing { component, after, limit, precision: Precision::Exact };
        self.shared.list(listing).await
    }

    /// Removes a worker and all that it owned; its callers are told.
    ///
    /// # Errors
    /// Not found.
    pub async fn delete_worker(&self, worker: &WorkerId) -> Result<(), WorkerError> {
        let here = self.shared.delete_here(worker).await;
        let Err(WorkerError::Elsewhere { .. }) = here else { return here };
        let request = Request::Delete { worker: worker.into() };
        self.shared.ask_owner(worker, &request).await.map(drop)
    }

    /// Stops a worker at its next host call, and keeps it stopped.
    ///
    /// # Errors
    /// Not found.
    pub async fn interrupt(&self, worker: &WorkerId) -> Result<(), WorkerError> {
        self.control(worker, Control::Interrupt).await
    }

    /// Lets an interrupted, failed or stalled worker go on.
    ///
    /// # Errors
    /// Not found.
    pub async fn resume(&self, worker: &WorkerId) -> Result<(), WorkerError> {
        self.control(worker, Control::Resume).await
    }

    /// Drops a worker's instance and recovers it at once, as after a crash.
    ///
    /// # Errors
    /// Not found.
    pub async fn crash(&self, worker: &WorkerId) -> Result<(), WorkerError> {
        self.control(worker, Control::Crash).await
    }

    async fn control(&self, worker: &WorkerId, control: Control) -> Result<(), WorkerError> {
        self.shared.ask(worker, |reply| Message::Control { control, reply }).await
    }

    /// Up to `limit` durable entries from `from` on.
    ///
    /// # Errors
    /// Not found, or a damaged log.
    pub async fn read_oplog(
        &self,
        worker: &WorkerId,
        from: Index,
        limit: usize,
    ) -> Result<Vec<(Index, Entry)>, WorkerError> {
        self.last_index(worker).await?;
        unloaded::entries(&self.shared, worker, from, limit).await
    }

    /// The last durable entry.
    ///
    /// # Errors
    /// Not found.
    pub async fn last_index(&self, worker: &WorkerId) -> Result<Index, WorkerError> {
        let last = self.shared.store.last_index(&worker.key()?).await?;
        last.map(Index).ok_or_else(|| WorkerError::NotFound { worker: worker.to_string() })
    }

    /// The bytes of a payload, inline or blob.
    ///
    /// # Errors
    /// When the blob is damaged.
    pub async fn payload(&self, payload: &Payload) -> Result<Vec<u8>, WorkerError> {
        Ok(self.shared.resolve(payload).await?)
    }

    /// Waits for a worker's log to grow.
    #[must_use]
    pub fn follow(&self, worker: &WorkerId) -> Follower {
        Follower::new(Arc::clone(&self.shared), worker.clone())
    }
}

impl Shared {
    /// Removes a worker of this node.
    pub(crate) async fn delete_here(
        self: &Arc<Self>,
        worker: &WorkerId,
    ) -> Result<(), WorkerError> {
        let (reply, answer) = oneshot::channel();
        self.deliver(worker, Message::Control { control: Control::Delete, reply }).await?;
        answer.await.unwrap_or_else(|_| Err(self.unanswered(worker)))
    }
}
