//! What all workers of a runtime share.

use std::sync::Arc;

use everlog_oplog::Payload;
use everlog_store::{Digest, Store, StoreError};
use wasmtime::Engine;

use crate::component::Catalog;
use crate::config::RuntimeConfig;
use crate::files::FilesRoot;
use crate::statistics::Counters;
use crate::wasi::HostMemory;
use crate::worker::{Registry, Timers};

/// The runtime as its workers see it.
pub(crate) struct Shared {
    pub(crate) config: RuntimeConfig,
    pub(crate) engine: Engine,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) catalog: Catalog,
    pub(crate) registry: Registry,
    pub(crate) timers: Timers,
    pub(crate) counters: Arc<Counters>,
    /// Where the directories of all workers are.
    pub(crate) files: Arc<FilesRoot>,
    /// The linear memory of all loaded workers.
    pub(crate) host_memory: Arc<HostMemory>,
}

impl Shared {
    /// The bytes of a payload, wherever they are.
    pub(crate) async fn resolve(&self, payload: &Payload) -> Result<Vec<u8>, StoreError> {
        match payload {
            Payload::Inline(bytes) => Ok(bytes.clone()),
            Payload::Blob { digest, size } => {
                let digest = Digest::from_bytes(*digest);
                let blob = self.store.get_blob(&digest).await?;
                blob.ok_or_else(|| StoreError::Corrupt {
                    place: format!("blob {digest}"),
                    detail: format!("{size} bytes were expected, the blob is missing"),
                    advice: "Restore the data directory from a backup",
                })
            }
        }
    }
}
