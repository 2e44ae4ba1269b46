//! What all workers of a runtime share.

use std::sync::Arc;

use everlog_oplog::{Payload, Timestamp};
use everlog_store::cluster::Shard;
use everlog_store::{Digest, Store, StoreError};
use wasmtime::Engine;

use crate::blobstore::Containers;
use crate::calls::{AbsentCallers, CallsUnderWay};
use crate::cluster::Membership;
use crate::component::{Catalog, Limits};
use crate::config::RuntimeConfig;
use crate::error::WorkerError;
use crate::files::FilesRoot;
use crate::keyvalue::KeyValues;
use crate::network::HttpClient;
use crate::schedules::Schedules;
use crate::spans::SpanSink;
use crate::state_store::StateStores;
use crate::statistics::Counters;
use crate::wasi::HostMemory;
use crate::worker::{Readers, Registry, Timers, WorkerId};

/// Arguments and results above this size, in bytes, go to a blob beside the log. Part of the log's format: replay
/// compares results as they are recorded, so it never changes.
pub(crate) const MAX_INLINE_BYTES: usize = 256 << 10;

/// What completes a promise goes to a blob above this size, in bytes. Part of the log's format too.
const MAX_KEPT_INLINE_BYTES: usize = 4 << 10;

/// The runtime as its workers see it.
pub(crate) struct Shared {
    pub(crate) config: RuntimeConfig,
    /// When this process began with its work.
    pub(crate) started: Timestamp,
    pub(crate) engine: Engine,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) catalog: Catalog,
    pub(crate) registry: Registry,
    pub(crate) timers: Timers,
    /// Workers that wait outside of memory for the answers of others.
    pub(crate) absent_callers: AbsentCallers,
    /// Which calls of workers are on their way.
    pub(crate) calls_under_way: CallsUnderWay,
    /// How many callers of each component are served at once.
    pub(crate) limits: Limits,
    /// Who wants to know what workers did.
    pub(crate) spans: Option<Arc<dyn SpanSink>>,
    /// The instances of functions that read beside their workers.
    pub(crate) readers: Readers,
    pub(crate) counters: Arc<Counters>,
    /// The nodes that share the store, if it is shared.
    pub(crate) membership: Option<Membership>,
    /// Where the directories of all workers are.
    pub(crate) files: Arc<FilesRoot>,
    /// The linear memory of all loaded workers.
    pub(crate) host_memory: Arc<HostMemory>,
    /// What sends the requests of all workers.
    pub(crate) http_client: Arc<HttpClient>,
    /// The buckets of all workers.
    pub(crate) key_values: Arc<KeyValues>,
    /// The containers of all workers.
    pub(crate) containers: Arc<Containers>,
    /// Calls at times that are told in advance.
    pub(crate) schedules: Schedules,
    /// The state stores, which are buckets too.
    pub(crate) state_stores: StateStores,
}

impl Shared {
    /// Whether a worker's place in memory, if it has one, is here.
    pub(crate) fn serves(&self, worker: &WorkerId) -> bool {
        let Some(membership) = &self.membership else { return true };
        worker.key().is_ok_and(|key| membership.serves(Shard::of(&key)))
    }

    /// What to say when a worker's task ended without an answer.
    pub(crate) fn unanswered(&self, worker: &WorkerId) -> WorkerError {
        if self.serves(worker) {
            return WorkerError::ShuttingDown;
        }
        WorkerError::Elsewhere { worker: worker.to_string() }
    }

    /// Bytes as an entry holds them: large ones become a blob, durable before the entry is.
    pub(crate) async fn payload(&self, bytes: Vec<u8>) -> Result<Payload, StoreError> {
        self.payload_within(bytes, MAX_INLINE_BYTES).await
    }

    /// As [`Shared::payload`], of bytes that also stand in the status of the worker for as long as it lives.
    pub(crate) async fn kept_payload(&self, bytes: Vec<u8>) -> Result<Payload, StoreError> {
        self.payload_within(bytes, MAX_KEPT_INLINE_BYTES).await
    }

    async fn payload_within(&self, bytes: Vec<u8>, most: usize) -> Result<Payload, StoreError> {
        if bytes.len() <= most {
            return Ok(Payload::Inline(bytes));
        }
        let size = bytes.len() as u64;
        let digest = self.store.put_blob(bytes).await?;
        Ok(Payload::Blob { digest: *digest.as_bytes(), size })
    }

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
