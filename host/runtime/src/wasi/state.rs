//! What a worker's store holds: the state behind every host function.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bincode::{Decode, Encode};
use everlog_oplog::Timestamp;
use uuid::Uuid;
use wasmtime::component::{HasData, Resource, ResourceTable, ResourceTableError};
use wasmtime_wasi::filesystem::WasiFilesystemCtxView;
use wasmtime_wasi::sockets::{WasiSocketsCtx, WasiSocketsCtxView};

use super::console::PartialLines;
use super::http::Http;
use super::keyvalue::KeyCursors;
use super::limiter::{HostMemory, MemoryLimiter};
use super::registry::{Recipe, ResourceRegistry};
use super::shared::SharedCount;
use crate::blobstore::Containers;
use crate::calls::CallsInFlight;
use crate::durable::{Cancellation, Recorder};
use crate::error::WorkerError;
use crate::everlog_api::OpenAction;
use crate::files::{FileClock, FilesRoot, Quota, WorkerFiles};
use crate::keyvalue::{KeyValues, Unstored};
use crate::network::{HttpClient, Policy};
use crate::shared::Shared;
use crate::spans::Tracing;
use crate::worker::WorkerId;

/// Host resources that one worker may hold at a time; one more traps.
const MAX_RESOURCES: usize = 100_000;

/// What a worker is told about itself, and the bounds it lives in. The same in every life of the worker, but for the
/// component's version and the limits.
pub(crate) struct WorkerEnvironment {
    /// Which worker.
    pub(crate) worker: WorkerId,
    /// The name of its component.
    pub(crate) component_name: String,
    /// The version of the component that runs.
    pub(crate) component_version: u64,
    /// Command line arguments, exactly as given.
    pub(crate) args: Vec<String>,
    /// The worker's own environment variables, in the order given.
    pub(crate) env: Vec<(String, String)>,
    /// When entry 1 was made: the origin of the monotonic clock.
    pub(crate) created_at: Timestamp,
    /// A sleep longer than this leaves memory.
    pub(crate) suspend_after: Duration,
    /// Linear memory of the worker, in bytes; `memory.grow` beyond it returns -1.
    pub(crate) memory_bytes: u64,
    /// What the worker's directory may hold, in bytes.
    pub(crate) files_bytes: u64,
    /// Where the directories of all workers are.
    pub(crate) files: Arc<FilesRoot>,
    /// The linear memory of all workers.
    pub(crate) host_memory: Arc<HostMemory>,
    /// What it may reach on the network.
    pub(crate) network: Policy,
    /// The runtime, and through it the other workers.
    pub(crate) shared: Weak<Shared>,
    /// What sends the requests of all workers.
    pub(crate) http_client: Arc<HttpClient>,
    /// Whether the component imports `everlog:api/cancellation`, so that it can be told where WASI can't.
    pub(crate) asks_for_cancels: bool,
    /// The buckets of all workers.
    pub(crate) key_values: Arc<KeyValues>,
    /// The containers of all workers.
    pub(crate) containers: Arc<Containers>,
}

impl WorkerEnvironment {
    /// The namespace of the worker's idempotency keys: its own for life.
    pub(crate) fn namespace(&self) -> Uuid {
        self.worker.namespace()
    }
}

/// The `T` of a worker's `Store<T>`.
pub(crate) struct WorkerState {
    /// Live host resources. Only [`WorkerState::push`] and its like add and remove, so that the registry agrees.
    pub(crate) table: ResourceTable,
    /// The journal and the way to the store.
    pub(crate) recorder: Arc<Recorder>,
    /// What replay rebuilds and snapshots save.
    pub(crate) guest: GuestState,
    /// What the worker is told about itself.
    pub(crate) environment: WorkerEnvironment,
    /// The worker's own directory.
    pub(crate) files: WorkerFiles,
    /// Linear memory and tables; for `Store::limiter_async`.
    pub(crate) limiter: MemoryLimiter,
    /// wasmtime-wasi's settings for sockets, once they are needed.
    sockets: Option<WasiSocketsCtx>,
    /// The action that is under way.
    pub(crate) action: Option<OpenAction>,
    /// Requests of the worker, and what wasmtime-wasi-http keeps for it.
    pub(crate) http: Http,
    /// Its part in traces.
    pub(crate) tracing: Tracing,
    /// Calls of other workers that are on their way.
    pub(crate) calls_in_flight: CallsInFlight,
    /// Its own state, as far as that is not stored yet.
    pub(crate) unstored: Unstored,
}

/// All per-worker host state that replay rebuilds, in one serialisable place, so that a snapshot can hold it.
///
/// Streams in the resource table share cells of it: a clone would share them too, so there is none.
#[derive(Debug, Default, Encode, Decode)]
pub(crate) struct GuestState {
    /// Live host resources, and how each is made again.
    pub(crate) resources: ResourceRegistry,
    /// The last reading of the monotonic clock, in nanoseconds since the worker was created.
    pub(crate) monotonic_last: u64,
    /// What was printed and not yet ended by a newline.
    pub(crate) partial_lines: PartialLines,
    /// What the worker's directory holds, in bytes.
    pub(crate) files_bytes: SharedCount,
    /// The worker's log says already why the network was refused.
    pub(crate) network_refused: bool,
    /// What the values hold that the guest has open, in bytes.
    pub(crate) open_bytes: SharedCount,
    /// How many bodies of values there were.
    pub(crate) bodies_made: u64,
    /// Where listings of keys go on.
    pub(crate) key_cursors: KeyCursors,
    /// Whether the guest was told that its invocation is to come to an end.
    pub(crate) told_of_cancel: SharedCount,
    /// How often it was told so in its life.
    pub(crate) cancels_told: SharedCount,
}

/// Gives the generated host traits their view: the worker's state itself.
pub(crate) struct HasWorker;

impl HasData for HasWorker {
    type Data<'a> = &'a mut WorkerState;
}

impl WorkerState {
    /// The state of a worker that is about to be instantiated, whether to start its life or to replay it.
    pub(crate) fn new(environment: WorkerEnvironment, recorder: Arc<Recorder>) -> Self {
        let guest = GuestState::default();
        let journal = Arc::clone(&recorder);
        let files = WorkerFiles::new(
            Arc::clone(&environment.files),
            environment.worker.clone(),
            Quota::new(environment.files_bytes, guest.files_bytes.clone()),
            FileClock::new(move || journal.with(|journal, _| journal.replay_time())),
        );
        let limiter =
            MemoryLimiter::new(environment.memory_bytes, Arc::clone(&environment.host_memory));
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        let http = Http::new(Arc::clone(&environment.http_client));
        let calls_in_flight = CallsInFlight::default();
        let sink = environment.shared.upgrade().and_then(|shared| shared.spans.clone());
        let (component, worker) = (&environment.component_name, &environment.worker);
        let tracing = Tracing::new(sink, environment.namespace(), component, worker);
        Self {
            table,
            recorder,
            guest,
            environment,
            files,
            limiter,
            sockets: None,
            action: None,
            http,
            calls_in_flight,
            unstored: Unstored::default(),
            tracing,
        }
    }

    /// What the worker learns of the wish that its invocation come to an end.
    pub(crate) fn cancellation(&self) -> Cancellation {
        let GuestState { told_of_cancel, cancels_told, .. } = &self.guest;
        Cancellation::new(Arc::clone(&self.recorder), told_of_cancel.clone(), cancels_told.clone())
    }

    /// The runtime, as long as it is there.
    ///
    /// # Errors
    /// The server stops.
    pub(crate) fn shared(&self) -> Result<Arc<Shared>, WorkerError> {
        self.environment.shared.upgrade().ok_or(WorkerError::ShuttingDown)
    }

    /// wasmtime-wasi's own file calls, which keep a guest inside its directory.
    pub(super) fn file_calls(&mut self) -> WasiFilesystemCtxView<'_> {
        WasiFilesystemCtxView { ctx: &mut self.files.context, table: &mut self.table }
    }

    /// wasmtime-wasi's own socket calls.
    pub(super) fn socket_calls(&mut self) -> WasiSocketsCtxView<'_> {
        let network = self.environment.network;
        let ctx = self.sockets.get_or_insert_with(|| network.sockets_context());
        WasiSocketsCtxView { ctx, table: &mut self.table }
    }

    /// Adds a resource and its recipe.
    ///
    /// # Errors
    /// When the worker holds too many.
    pub(crate) fn push<T: Send + 'static>(
        &mut self,
        resource: T,
        recipe: Recipe,
    ) -> Result<Resource<T>, ResourceTableError> {
        let resource = self.table.push(resource)?;
        self.adopt(&resource, recipe);
        Ok(resource)
    }

    /// Notes the recipe of a resource that wasmtime-wasi has added to the table.
    pub(crate) fn adopt<T>(&mut self, resource: &Resource<T>, recipe: Recipe) {
        self.guest.resources.insert(resource.rep(), recipe);
    }

    /// Notes that wasmtime-wasi is removing resource `number` from the table.
    pub(crate) fn forget(&mut self, number: u32) -> Option<Recipe> {
        self.guest.resources.remove(number)
    }

    /// Removes a resource.
    ///
    /// # Errors
    /// When it is not there, of another type, or others depend on it.
    pub(crate) fn delete<T: 'static>(
        &mut self,
        resource: Resource<T>,
    ) -> Result<T, ResourceTableError> {
        let number = resource.rep();
        let value = self.table.delete(resource)?;
        self.forget(number);
        Ok(value)
    }

    /// Whether registry and table agree.
    #[cfg(test)]
    pub(crate) fn resources_agree(&mut self) -> bool {
        self.table.iter_mut().count() == self.guest.resources.len()
    }
}

/// A second handle to what `resource` names, for a host function that needs it twice.
pub(crate) fn again<T: 'static>(resource: &Resource<T>) -> Resource<T> {
    Resource::new_borrow(resource.rep())
}
