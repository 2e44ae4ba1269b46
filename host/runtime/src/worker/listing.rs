//! Workers as others see them, one by one or in the order of their keys, wherever they are.

use std::ops::Bound;

use everlog_oplog::Status;
use everlog_store::{KeyRange, Order};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::message::Message;
use super::{WorkerId, WorkerMetadata, unloaded};
use crate::error::WorkerError;
use crate::shared::Shared;
use crate::{records, spaces};

/// How exactly workers are described that are not in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precision {
    /// As their oplog says.
    Exact,
    /// As when they left memory, which a crash may have been too quick for.
    Cached,
}

/// Which workers are listed.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    /// Those of this component, or all.
    pub(crate) component: Option<Uuid>,
    /// Those behind this one.
    pub(crate) after: Option<WorkerId>,
    pub(crate) limit: usize,
    pub(crate) precision: Precision,
}

impl Shared {
    /// A worker's metadata.
    pub(crate) async fn metadata(&self, worker: &WorkerId) -> Result<WorkerMetadata, WorkerError> {
        if let Some(metadata) = self.loaded_metadata(worker).await {
            return metadata;
        }
        described(worker, unloaded::status(self, worker).await?)
    }

    /// Workers in the order of component UUID and name; none only where the list ends. Damaged ones are left out.
    pub(crate) async fn list(&self, listing: Listing) -> Result<Vec<WorkerMetadata>, WorkerError> {
        let Listing { component, after, limit, precision } = listing;
        let mut range = match component {
            Some(component) => KeyRange::prefix(component.as_bytes()),
            None => KeyRange::all(),
        };
        if let Some(after) = after {
            range.start = Bound::Excluded(after.key()?.as_bytes().to_vec());
        }
        loop {
            let page =
                self.store.scan(spaces::WORKERS, range.clone(), Order::Forward, limit).await?;
            let Some((last, _)) = page.last() else { return Ok(Vec::new()) };
            range.start = Bound::Excluded(last.clone());
            let mut workers = Vec::with_capacity(page.len());
            for (key, cached) in page {
                let Some(worker) = WorkerId::from_key(&key) else { continue };
                match self.listed(&worker, &cached, precision).await {
                    Ok(metadata) => workers.push(metadata),
                    Err(WorkerError::NotFound { .. }) => {}
                    // One damaged worker must not hide the others.
                    Err(error @ WorkerError::CorruptLog { .. }) => {
                        tracing::error!(%error, "a worker is left out of the list");
                    }
                    Err(error) => return Err(error),
                }
            }
            if !workers.is_empty() {
                return Ok(workers);
            }
        }
    }

    async fn listed(
        &self,
        worker: &WorkerId,
        cached: &[u8],
        precision: Precision,
    ) -> Result<WorkerMetadata, WorkerError> {
        let cached = match precision {
            Precision::Exact => None,
            Precision::Cached if self.registry.get(worker).is_some() => None,
            Precision::Cached => records::decode_status(cached),
        };
        match cached {
            Some(status) => described(worker, Some(status)),
            None => self.metadata(worker).await,
        }
    }

    async fn loaded_metadata(
        &self,
        worker: &WorkerId,
    ) -> Option<Result<WorkerMetadata, WorkerError>> {
        let (reply, answer) = oneshot::channel();
        let loaded = self.registry.send_if_loaded(worker, Message::Inspect { reply });
        if loaded { answer.await.ok() } else { None }
    }
}

/// The metadata that a status is, if there is one.
pub(crate) fn described(
    worker: &WorkerId,
    status: Option<Status>,
) -> Result<WorkerMetadata, WorkerError> {
    let status = status.ok_or_else(|| WorkerError::NotFound { worker: worker.to_string() })?;
    Ok(WorkerMetadata { worker: worker.clone(), status, queued: Vec::new(), waits: None })
}
