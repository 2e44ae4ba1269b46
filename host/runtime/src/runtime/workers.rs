//! Workers as operators see them.

use std::ops::Bound;
use std::sync::Arc;

use everlog_oplog::{Entry, Index, Payload, Status};
use everlog_store::{KeyRange, Order};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::Runtime;
use crate::error::WorkerError;
use crate::follower::Follower;
use crate::spaces;
use crate::worker::{Control, Message, WorkerId, WorkerMetadata, WorkerSettings, unloaded};

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
        self.ask(worker, |reply| Message::Create { settings, reply }).await
    }

    /// A worker's metadata.
    ///
    /// # Errors
    /// Not found, or a damaged log.
    pub async fn worker(&self, worker: &WorkerId) -> Result<WorkerMetadata, WorkerError> {
        if let Some(metadata) = self.loaded_metadata(worker).await {
            return metadata;
        }
        let status = unloaded::status(&self.shared, worker).await?;
        described(worker, status)
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
        let mut range = match component {
            Some(component) => KeyRange::prefix(component.as_bytes()),
            None => KeyRange::all(),
        };
        if let Some(after) = after {
            range.start = Bound::Excluded(after.key()?.as_bytes().to_vec());
        }
        loop {
            let store = &self.shared.store;
            let page = store.scan(spaces::WORKERS, range.clone(), Order::Forward, limit).await?;
            let Some((last, _)) = page.last() else { return Ok(Vec::new()) };
            range.start = Bound::Excluded(last.clone());
            let workers = self.metadata_of(page.iter().map(|(key, _)| key.as_slice())).await?;
            if !workers.is_empty() {
                return Ok(workers);
            }
        }
    }

    /// The metadata of the workers with these keys. One damaged worker must not hide the others.
    async fn metadata_of(
        &self,
        keys: impl Iterator<Item = &[u8]>,
    ) -> Result<Vec<WorkerMetadata>, WorkerError> {
        let mut workers = Vec::new();
        for worker in keys.filter_map(WorkerId::from_key) {
            match self.worker(&worker).await {
                Ok(metadata) => workers.push(metadata),
                Err(WorkerError::NotFound { .. }) => {}
                Err(error @ WorkerError::CorruptLog { .. }) => {
                    tracing::error!(%error, "a worker is left out of the list");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(workers)
    }

    /// Removes a worker and all that it owned; its callers are told.
    ///
    /// # Errors
    /// Not found.
    pub async fn delete_worker(&self, worker: &WorkerId) -> Result<(), WorkerError> {
        self.control(worker, Control::Delete).await
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
        self.ask(worker, |reply| Message::Control { control, reply }).await
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

    async fn loaded_metadata(
        &self,
        worker: &WorkerId,
    ) -> Option<Result<WorkerMetadata, WorkerError>> {
        let (reply, answer) = oneshot::channel();
        let loaded = self.shared.registry.send_if_loaded(worker, Message::Inspect { reply });
        if loaded { answer.await.ok() } else { None }
    }
}

fn described(worker: &WorkerId, status: Option<Status>) -> Result<WorkerMetadata, WorkerError> {
    let status = status.ok_or_else(|| WorkerError::NotFound { worker: worker.to_string() })?;
    Ok(WorkerMetadata { worker: worker.clone(), status, queued: Vec::new() })
}
