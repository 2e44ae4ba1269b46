//! Updates, and checks of what they would meet.

use std::ops::Bound;

use everlog_oplog::{UpdateMode, WorkerState as Life};
use everlog_store::{KeyRange, Order};

use super::Runtime;
use crate::error::WorkerError;
use crate::spaces;
use crate::worker::update::check;
use crate::worker::{Fit, WorkerId, unloaded};

/// Workers that are looked up at once.
const PAGE: usize = 1_000;

/// What a check found of one worker.
#[derive(Debug)]
pub struct CheckedWorker {
    /// The worker.
    pub worker: WorkerId,
    /// Whether the version fits it, or why that could not be found out.
    pub fit: Result<Fit, WorkerError>,
}

impl Runtime {
    /// Has a worker go over to another version of its component; returns when the request is
    /// durable. What comes of it is told by [`everlog_oplog::Status::updates`].
    ///
    /// # Errors
    /// No such worker or version, or a worker that cannot be updated; nothing has changed then.
    pub async fn update(
        &self,
        worker: &WorkerId,
        version: u64,
        mode: UpdateMode,
    ) -> Result<(), WorkerError> {
        self.shared.update(worker, version, mode, None).await
    }

    /// Replays every live worker of a component on one of its versions, beside the workers, which
    /// hear nothing of it.
    ///
    /// # Errors
    /// No such component or version, or a store that can't be read.
    pub async fn check_update(
        &self,
        name_or_id: &str,
        version: u64,
    ) -> Result<Vec<CheckedWorker>, WorkerError> {
        let version = self.shared.catalog.version(name_or_id, version).await?;
        let mut range = KeyRange::prefix(version.id.as_bytes());
        let mut checked = Vec::new();
        loop {
            let store = &self.shared.store;
            let page = store.scan(spaces::WORKERS, range.clone(), Order::Forward, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(checked) };
            range.start = Bound::Excluded(last.clone());
            for worker in page.iter().filter_map(|(key, _)| WorkerId::from_key(key)) {
                let fit = match self.is_live(&worker).await {
                    Ok(false) => continue,
                    Ok(true) => check(&self.shared, &worker, version.clone()).await,
                    Err(error) => Err(error),
                };
                // None: it was deleted since.
                if let Some(fit) = fit.transpose() {
                    checked.push(CheckedWorker { worker, fit });
                }
            }
        }
    }

    /// Whether an update would make a difference to the worker.
    async fn is_live(&self, worker: &WorkerId) -> Result<bool, WorkerError> {
        let status = unloaded::status(&self.shared, worker).await?;
        Ok(status.is_some_and(|status| status.state != Life::Exited && !status.create.ephemeral))
    }
}
