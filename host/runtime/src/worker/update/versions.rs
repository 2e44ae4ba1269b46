//! Which versions of its component a worker's callers may mean.

use std::sync::{Arc, PoisonError, RwLock};

use crate::component::ComponentVersion;
use crate::error::WorkerError;
use crate::shared::Shared;
use crate::worker::{WorkerId, unloaded};

/// The version that a worker runs, and those that it is to go over to.
#[derive(Clone)]
pub struct Versions {
    /// What runs now.
    pub current: Arc<ComponentVersion>,
    /// What was asked for and is not done yet, in the order in which it will be.
    pub coming: Vec<Arc<ComponentVersion>>,
}

impl Versions {
    /// A worker that no update waits for.
    pub(crate) fn only(current: Arc<ComponentVersion>) -> Self {
        Self { current, coming: Vec::new() }
    }
}

/// The versions of a worker in memory, as its task tells them to those who call it.
#[derive(Default)]
pub(crate) struct VersionsCell(RwLock<Option<Versions>>);

impl VersionsCell {
    /// What the task said last; `None` until it knows.
    pub(crate) fn get(&self) -> Option<Versions> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// To be said whenever it changes.
    pub(crate) fn set(&self, versions: Versions) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(versions);
    }
}

impl Shared {
    /// The component versions that a call to this worker may mean: the one that runs, and those
    /// that are to come.
    ///
    /// # Errors
    /// When the component is not found, or the version that runs is not usable.
    pub(crate) async fn versions_for(&self, worker: &WorkerId) -> Result<Versions, WorkerError> {
        let handle = self.registry.get(worker);
        if let Some(versions) = handle.and_then(|handle| handle.versions.get()) {
            return Ok(versions);
        }
        let Some(status) = unloaded::status(self, worker).await? else {
            return Ok(Versions::only(self.catalog.newest_by_id(worker.component)?));
        };
        let component = worker.component.to_string();
        let current = self.catalog.version(&component, status.component_version).await?;
        let mut versions = Versions::only(current);
        for update in &status.updates.pending {
            // One that cannot be had will fail its update.
            let coming = self.catalog.version(&component, update.version).await;
            versions.coming.extend(coming);
        }
        Ok(versions)
    }
}
