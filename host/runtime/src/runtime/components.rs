//! What is deployed.

use std::sync::Arc;

use everlog_store::{KeyRange, Order};
use uuid::Uuid;

use super::Runtime;
use crate::component::{ComponentSettings, ComponentVersion, Deployed};
use crate::error::{ComponentError, WorkerError};
use crate::spaces;
use crate::worker::WorkerId;

impl Runtime {
    /// Creates version 0 of a component, or its next version; the bytes of the newest version, with the same settings,
    /// change nothing.
    ///
    /// # Errors
    /// [`ComponentError`] says what is wrong with the name or the bytes; nothing has changed then.
    pub async fn deploy(
        &self,
        name: &str,
        wasm: Vec<u8>,
        settings: &ComponentSettings,
    ) -> Result<Deployed, ComponentError> {
        let deployed = self.shared.catalog.deploy(name, wasm, settings).await?;
        if deployed.created {
            self.shared.announce_component(name).await;
        }
        Ok(deployed)
    }

    /// The newest version of a component, by name or UUID.
    ///
    /// # Errors
    /// Not found, or not usable.
    pub fn component(&self, name_or_id: &str) -> Result<Arc<ComponentVersion>, ComponentError> {
        self.shared.catalog.newest(name_or_id)
    }

    /// A particular version of a component.
    ///
    /// # Errors
    /// Not found, or not usable.
    pub async fn component_version(
        &self,
        name_or_id: &str,
        version: u64,
    ) -> Result<Arc<ComponentVersion>, ComponentError> {
        self.shared.catalog.version(name_or_id, version).await
    }

    /// The newest version of each component, by name. Damaged ones are left out.
    #[must_use]
    pub fn components(&self) -> Vec<Arc<ComponentVersion>> {
        self.shared.catalog.all()
    }

    /// The bytes that were uploaded.
    ///
    /// # Errors
    /// When they are damaged.
    pub async fn component_wasm(
        &self,
        version: &ComponentVersion,
    ) -> Result<Vec<u8>, ComponentError> {
        self.shared.catalog.wasm(version).await
    }

    /// Forgets a component; with `force` its workers are deleted first.
    ///
    /// # Errors
    /// [`ComponentError::HasWorkers`] without `force`.
    pub async fn delete_component(
        &self,
        name_or_id: &str,
        force: bool,
    ) -> Result<(), ComponentError> {
        let (name, id) = self.shared.catalog.identify(name_or_id)?;
        loop {
            let Some(worker) = self.first_worker(id).await? else { break };
            if !force {
                return Err(ComponentError::HasWorkers { name, example: worker.name });
            }
            match self.delete_worker(&worker).await {
                Ok(()) | Err(WorkerError::NotFound { .. }) => {}
                Err(WorkerError::Component(error)) => return Err(error),
                Err(error) => {
                    return Err(ComponentError::Unusable { name, detail: error.to_string() });
                }
            }
        }
        self.shared.catalog.delete(&name).await?;
        self.shared.announce_component(&name).await;
        Ok(())
    }

    async fn first_worker(&self, component: Uuid) -> Result<Option<WorkerId>, ComponentError> {
        let range = KeyRange::prefix(component.as_bytes());
        let first = self.shared.store.scan(spaces::WORKERS, range, Order::Forward, 1).await?;
        Ok(first.first().and_then(|(key, _)| WorkerId::from_key(key)))
    }
}
