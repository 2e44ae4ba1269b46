//! The runtime's face: what the server and the command line ask for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use everlog_oplog::{Entry, Index, Payload, Timestamp, fingerprint};
use everlog_store::{Health, KeyRange, Order, Store};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;
use wasmtime::component::Linker;

use crate::component::{Catalog, ComponentVersion, Deployed, engine};
use crate::config::RuntimeConfig;
use crate::error::{ComponentError, InvokeError, RuntimeError, WorkerError};
use crate::files::FilesRoot;
use crate::follower::Follower;
use crate::shared::Shared;
use crate::statistics::{Counters, Statistics};
use crate::value::encode_values;
use crate::wasi::HostMemory;
use crate::worker::{
    Call, Control, Invocation, InvocationResult, InvocationStatus, Message, Registry, SendError,
    Timers, WorkerId, WorkerMetadata, WorkerSettings, run_timers, unloaded,
};
use crate::{clock, entropy, spaces, wasi};

/// The longest idempotency key, in bytes.
pub const MAX_KEY_BYTES: usize = 256;

/// How often idle workers are looked for, as a share of the time after which they leave.
const SWEEPS_PER_IDLE: u32 = 4;
const SHORTEST_SWEEP: Duration = Duration::from_millis(100);

/// Executes workers durably. One per process and store.
pub struct Runtime {
    shared: Arc<Shared>,
    background: Mutex<Vec<JoinHandle<()>>>,
}

type Answer<T, E> = oneshot::Sender<Result<T, E>>;

impl Runtime {
    /// Opens what `store` holds, and brings back what was running.
    ///
    /// # Errors
    /// When the engine can't be made or the store can't be read.
    pub async fn open(
        config: RuntimeConfig,
        store: Arc<dyn Store>,
    ) -> Result<Arc<Self>, RuntimeError> {
        let engine = engine(&config).map_err(RuntimeError::Engine)?;
        let mut linker = Linker::new(&engine);
        wasi::add_to_linker(&mut linker).map_err(RuntimeError::Engine)?;
        let files = FilesRoot::open(&config.data_dir.join("files"))
            .map_err(|error| RuntimeError::Files { path: config.data_dir.join("files"), error })?;
        let catalog = Catalog::open(
            engine.clone(),
            linker,
            Arc::clone(&store),
            &config.data_dir.join("code"),
            config.max_component_bytes,
        )
        .await?;
        let shared = Arc::new(Shared {
            engine,
            store,
            catalog,
            registry: Registry::default(),
            timers: Timers::default(),
            counters: Arc::new(Counters::default()),
            files: Arc::new(files),
            host_memory: Arc::new(HostMemory::new(config.host_memory_bytes)),
            config,
        });
        let background = vec![
            tokio::spawn(run_timers(Arc::clone(&shared))),
            tokio::spawn(sweep(Arc::clone(&shared))),
        ];
        Ok(Arc::new(Self { shared, background: Mutex::new(background) }))
    }

    /// Stops running invocations at their next host call, writes what they left, and takes no more calls.
    pub async fn shutdown(&self) {
        let background =
            std::mem::take(&mut *self.background.lock().unwrap_or_else(PoisonError::into_inner));
        background.iter().for_each(JoinHandle::abort);
        self.shared.registry.close().await;
    }

    /// Counters and gauges as they are now.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let memory_bytes = self.shared.host_memory.used();
        Statistics { memory_bytes, ..self.shared.counters.snapshot() }
    }

    /// Whether the store takes writes.
    #[must_use]
    pub fn store_health(&self) -> Health {
        self.shared.store.health()
    }

    /// Creates version 0 of a component, or its next version; the bytes of the newest version change nothing.
    ///
    /// # Errors
    /// [`ComponentError`] says what is wrong with the name or the bytes; nothing has changed then.
    pub async fn deploy(&self, name: &str, wasm: Vec<u8>) -> Result<Deployed, ComponentError> {
        self.shared.catalog.deploy(name, wasm).await
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
        self.shared.catalog.delete(&name).await
    }

    async fn first_worker(&self, component: Uuid) -> Result<Option<WorkerId>, ComponentError> {
        let range = KeyRange::prefix(component.as_bytes());
        let first = self.shared.store.scan(spaces::WORKERS, range, Order::Forward, 1).await?;
        Ok(first.first().and_then(|(key, _)| WorkerId::from_key(key)))
    }

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

    /// Up to `limit` workers, of one component or all, in the order of component UUID and name, behind `after`.
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
            range.start = std::ops::Bound::Excluded(after.key()?.as_bytes().to_vec());
        }
        let page = self.shared.store.scan(spaces::WORKERS, range, Order::Forward, limit).await?;
        let mut workers = Vec::with_capacity(page.len());
        for (key, _) in page {
            let Some(worker) = WorkerId::from_key(&key) else { continue };
            match self.worker(&worker).await {
                Ok(metadata) => workers.push(metadata),
                Err(WorkerError::NotFound { .. }) => {}
                // One damaged worker must not hide the others.
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

    /// The component version that a call to this worker meets.
    ///
    /// # Errors
    /// When the component is not found or not usable.
    pub async fn version_for(
        &self,
        worker: &WorkerId,
    ) -> Result<Arc<ComponentVersion>, WorkerError> {
        if let Some(handle) = self.shared.registry.get(worker)
            && let Some(version) = handle.version.get()
        {
            return Ok(Arc::clone(version));
        }
        match unloaded::status(&self.shared, worker).await? {
            Some(status) => {
                let component = worker.component.to_string();
                Ok(self.shared.catalog.version(&component, status.component_version).await?)
            }
            None => Ok(self.shared.catalog.newest_by_id(worker.component)?),
        }
    }

    /// Invokes a function, creating the worker on first use; returns when the outcome is durable.
    ///
    /// # Errors
    /// Every way in which an invocation ends without a result.
    pub async fn invoke(
        &self,
        worker: &WorkerId,
        invocation: Invocation,
    ) -> Result<InvocationResult, InvokeError> {
        let call = self.call(worker, invocation).await?;
        self.ask(worker, |reply| Message::Invoke { call, ephemeral: false, settings: None, reply })
            .await
    }

    /// Queues an invocation durably, to be run not before `due`; returns when that is durable.
    ///
    /// # Errors
    /// Every reason not to take it.
    pub async fn accept(
        &self,
        worker: &WorkerId,
        invocation: Invocation,
        due: Option<Timestamp>,
    ) -> Result<(), InvokeError> {
        let call = self.call(worker, invocation).await?;
        self.ask(worker, |reply| Message::Accept { call, due, reply }).await
    }

    /// Invokes a function on a fresh worker that is gone afterwards.
    ///
    /// # Errors
    /// As [`Runtime::invoke`].
    pub async fn invoke_ephemeral(
        &self,
        component: &ComponentVersion,
        invocation: Invocation,
        mut settings: WorkerSettings,
    ) -> Result<InvocationResult, InvokeError> {
        let worker = WorkerId::new(component.id, entropy::uuid().to_string())?;
        settings.version.get_or_insert(component.version);
        let call = Box::new(prepare(component, invocation)?);
        let settings = Some(settings);
        self.ask(&worker, |reply| Message::Invoke { call, ephemeral: true, settings, reply }).await
    }

    /// How far an invocation is; waits up to `wait` for its end.
    ///
    /// # Errors
    /// When nobody used the key, or the worker can't be had.
    pub async fn invocation(
        &self,
        worker: &WorkerId,
        key: &str,
        wait: Duration,
    ) -> Result<InvocationStatus, InvokeError> {
        let (join, joined) = oneshot::channel();
        let join = (!wait.is_zero()).then_some(join);
        let key = key.to_owned();
        let status: InvocationStatus =
            self.ask(worker, |reply| Message::Query { key, join, reply }).await?;
        let waits = matches!(
            status,
            InvocationStatus::Pending
                | InvocationStatus::Running
                | InvocationStatus::Scheduled { .. }
        );
        if !waits || wait.is_zero() {
            return Ok(status);
        }
        tokio::select! {
            outcome = joined => Ok(match outcome {
                Ok(Ok(result)) => InvocationStatus::Completed(result),
                Ok(Err(InvokeError::Cancelled { .. })) => InvocationStatus::Cancelled,
                Ok(Err(error @ (InvokeError::Failed { .. } | InvokeError::Exited { .. }))) => {
                    InvocationStatus::Failed(error)
                }
                Ok(Err(InvokeError::Interrupted { .. })) | Err(_) => status,
                Ok(Err(error)) => return Err(error),
            }),
            () = clock::pause(wait) => Ok(status),
        }
    }

    /// Withdraws an accepted invocation that has not started.
    ///
    /// # Errors
    /// [`InvokeError::NotCancellable`] once it has.
    pub async fn cancel(&self, worker: &WorkerId, key: &str) -> Result<(), InvokeError> {
        let key = key.to_owned();
        self.ask(worker, |reply| Message::Cancel { key, reply }).await
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

    async fn call(
        &self,
        worker: &WorkerId,
        invocation: Invocation,
    ) -> Result<Box<Call>, InvokeError> {
        let version = self.version_for(worker).await?;
        Ok(Box::new(prepare(&version, invocation)?))
    }

    /// Sends a message and waits for its answer.
    async fn ask<T, E: From<WorkerError>>(
        &self,
        worker: &WorkerId,
        message: impl FnOnce(Answer<T, E>) -> Message,
    ) -> Result<T, E>
    where
        SendError: IntoError<E>,
    {
        let (reply, answer) = oneshot::channel();
        let sent = self.shared.registry.send(&self.shared, worker, message(reply)).await;
        sent.map_err(|error| error.into_error(worker, self.shared.config.max_queue))?;
        // No answer: the task was stopped in between.
        answer.await.unwrap_or_else(|_| Err(WorkerError::ShuttingDown.into()))
    }
}

/// How a message that was not taken is told to the caller.
trait IntoError<E> {
    fn into_error(self, worker: &WorkerId, limit: usize) -> E;
}

impl IntoError<WorkerError> for SendError {
    fn into_error(self, worker: &WorkerId, limit: usize) -> WorkerError {
        match self {
            Self::Full => WorkerError::Busy { worker: worker.to_string(), limit },
            Self::Closing => WorkerError::ShuttingDown,
        }
    }
}

impl IntoError<InvokeError> for SendError {
    fn into_error(self, worker: &WorkerId, limit: usize) -> InvokeError {
        match self {
            Self::Full => InvokeError::QueueFull { worker: worker.to_string(), limit },
            Self::Closing => InvokeError::ShuttingDown,
        }
    }
}

fn prepare(version: &ComponentVersion, invocation: Invocation) -> Result<Call, InvokeError> {
    let Invocation { key, target, args, trace } = invocation;
    if let Some(key) = &key {
        let allowed = 1..=MAX_KEY_BYTES;
        if !allowed.contains(&key.len()) || key.chars().any(char::is_control) {
            return Err(InvokeError::InvalidKey { limit: MAX_KEY_BYTES });
        }
    }
    let keyed = key.is_some();
    let key = key.unwrap_or_else(|| entropy::uuid().to_string());
    let function = version.exports().name_of(&target).into_owned();
    let request = encode_values(&args)
        .map_err(|error| InvokeError::InvalidArguments { detail: error.to_string() })?;
    let fingerprint = fingerprint(&function, &request);
    Ok(Call { key, keyed, function, target, args, request, fingerprint, trace })
}

fn described(
    worker: &WorkerId,
    status: Option<everlog_oplog::Status>,
) -> Result<WorkerMetadata, WorkerError> {
    let status = status.ok_or_else(|| WorkerError::NotFound { worker: worker.to_string() })?;
    Ok(WorkerMetadata { worker: worker.clone(), status, queued: Vec::new() })
}

/// Has idle workers leave memory.
async fn sweep(shared: Arc<Shared>) {
    let idle_after = shared.config.idle_after;
    loop {
        clock::pause((idle_after / SWEEPS_PER_IDLE).max(SHORTEST_SWEEP)).await;
        let idle_nanos = u64::try_from(idle_after.as_nanos()).unwrap_or(u64::MAX);
        shared.registry.evict_unused(Timestamp(clock::now().0.saturating_sub(idle_nanos)));
    }
}
