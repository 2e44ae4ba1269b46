//! The runtime's face: what the server and the command line ask for.

mod activity;
mod components;
mod histories;
mod invocations;
mod state;
mod transfers;
mod updates;
mod workers;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use everlog_oplog::Timestamp;
use everlog_store::{Health, Replication, Store};
use tokio::task::JoinHandle;
use wasmtime::component::Linker;

pub use activity::{Activity, EndedInvocation, EndedPage};
pub use invocations::MAX_KEY_BYTES;
pub(crate) use invocations::prepare;
pub use state::{StateEntry, StatePage};
pub use transfers::{Export, Import};
pub use updates::CheckedWorker;

use crate::blobstore::Containers;
use crate::calls::{AbsentCallers, CallsUnderWay};
use crate::clock;
use crate::cluster::{self, Membership, Peers, run_balance};
use crate::component::{Catalog, Limits, engine};
use crate::config::RuntimeConfig;
use crate::drill::Drilled;
use crate::error::{ComponentError, RuntimeError, WorkerError};
use crate::files::FilesRoot;
use crate::keyvalue::{Bucket, KeyPrefixes, KeyValues, Locks};
use crate::network::HttpClient;
use crate::schedules::{Schedules, run_schedules};
use crate::shared::Shared;
use crate::spans::SpanSink;
use crate::state_store::{StateStores, run_sweeper};
use crate::statistics::{Counters, Statistics};
use crate::wasi::{self, HostMemory};
use crate::worker::{Readers, Registry, Timers, run_timers};

/// How often idle workers are looked for, as a share of the time after which they leave.
const SWEEPS_PER_IDLE: u32 = 4;
const SHORTEST_SWEEP: Duration = Duration::from_millis(100);
/// How often ended values are looked for in the cache.
/// How often components that other nodes have changed are looked for, should one not have told.
const COMPONENTS_REFRESH: Duration = Duration::from_secs(5);
const CACHE_SWEEP: Duration = Duration::from_secs(60);

/// Executes workers durably. One per process and store.
pub struct Runtime {
    pub(crate) shared: Arc<Shared>,
    background: Mutex<Vec<JoinHandle<()>>>,
}

impl Runtime {
    /// Opens what `store` holds, and brings back what was running; tells `spans` of what workers do.
    ///
    /// # Errors
    /// When the engine can't be made or the store can't be read.
    pub async fn open(
        config: RuntimeConfig,
        store: Arc<dyn Store>,
        spans: Option<Arc<dyn SpanSink>>,
    ) -> Result<Arc<Self>, RuntimeError> {
        let store = match config.drill {
            Some(drill) => Arc::new(Drilled::new(store, drill)) as Arc<dyn Store>,
            None => store,
        };
        let engine = engine(&config).map_err(RuntimeError::Engine)?;
        let mut linker = Linker::new(&engine);
        wasi::add_to_linker(&mut linker).map_err(RuntimeError::Engine)?;
        let files = FilesRoot::open(&config.data_dir.join("files"))
            .map_err(|error| RuntimeError::Files { path: config.data_dir.join("files"), error })?;
        let http_client = HttpClient::new(&config.network).map_err(RuntimeError::Network)?;
        let catalog = Catalog::open(
            engine.clone(),
            linker,
            Arc::clone(&store),
            &config.data_dir.join("code"),
            config.max_component_bytes,
        )
        .await?;
        let locks = Arc::new(Locks::new());
        let prefixes = KeyPrefixes::of(&config.state_stores);
        let state_stores = StateStores::new(&config.state_stores, &store, &locks);
        let key_values = KeyValues::new(Arc::clone(&store), Arc::clone(&locks), prefixes);
        let containers = Containers::new(Arc::clone(&store), locks);
        let membership = store.cluster().map(Membership::new);
        let shared = Arc::new(Shared {
            started: clock::now(),
            membership,
            engine,
            store,
            catalog,
            registry: Registry::default(),
            timers: Timers::default(),
            absent_callers: AbsentCallers::default(),
            calls_under_way: CallsUnderWay::default(),
            readers: Readers::default(),
            limits: Limits::default(),
            spans,
            counters: Arc::new(Counters::default()),
            files: Arc::new(files),
            host_memory: Arc::new(HostMemory::new(config.host_memory_bytes)),
            http_client: Arc::new(http_client),
            key_values: Arc::new(key_values),
            containers: Arc::new(containers),
            schedules: Schedules::default(),
            state_stores,
            config,
        });
        let background = vec![
            tokio::spawn(run_timers(Arc::clone(&shared))),
            tokio::spawn(sweep(Arc::clone(&shared))),
            tokio::spawn(sweep_cache(Arc::clone(&shared))),
            tokio::spawn(run_sweeper(Arc::clone(&shared))),
            tokio::spawn(run_schedules(Arc::clone(&shared))),
            tokio::spawn(refresh_components(Arc::clone(&shared))),
        ];
        Ok(Arc::new(Self { shared, background: Mutex::new(background) }))
    }

    /// This node among those that share the store; `None` where it has the store for itself.
    #[must_use]
    pub fn membership(&self) -> Option<&Membership> {
        self.shared.membership.as_ref()
    }

    /// Takes this node's share of the workers, on a store that is shared. Before that it has none.
    pub fn join(&self, peers: Arc<dyn Peers>) {
        let Some(membership) = &self.shared.membership else { return };
        membership.introduce(peers);
        let balancing = tokio::spawn(run_balance(Arc::clone(&self.shared)));
        self.background.lock().unwrap_or_else(PoisonError::into_inner).push(balancing);
    }

    /// Does what another node asks.
    ///
    /// # Errors
    /// [`WorkerError::Peer`] if it cannot be understood.
    pub async fn answer_peer(&self, request: &[u8]) -> Result<Vec<u8>, WorkerError> {
        cluster::answer(&self.shared, request).await
    }

    /// Learns of components that other nodes have deployed, or removed, under this name.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn refresh_component(&self, name: &str) -> Result<(), ComponentError> {
        self.shared.catalog.refresh(name).await
    }

    /// Stops running invocations at their next host call, writes what they left, and takes no more calls. Other nodes
    /// get the workers, if there are any.
    pub async fn shutdown(&self) {
        let background =
            std::mem::take(&mut *self.background.lock().unwrap_or_else(PoisonError::into_inner));
        background.iter().for_each(JoinHandle::abort);
        if let Some(membership) = &self.shared.membership {
            cluster::leave(&self.shared, membership).await;
        }
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

    /// Whether the store takes writes, and who has copies of what it holds.
    #[must_use]
    pub fn store_state(&self) -> (Health, Replication) {
        (self.shared.store.health(), self.shared.store.replication())
    }

    /// The state stores, by name.
    #[must_use]
    pub fn state_stores(&self) -> &StateStores {
        &self.shared.state_stores
    }

    /// What an operator may want to know of the store, as names and values.
    #[must_use]
    pub fn store_facts(&self) -> Vec<(&'static str, String)> {
        self.shared.store.facts()
    }
}

/// Looks for what other nodes have deployed and could not tell.
async fn refresh_components(shared: Arc<Shared>) {
    if shared.membership.is_none() {
        return;
    }
    loop {
        clock::pause(COMPONENTS_REFRESH).await;
        if let Err(error) = shared.catalog.refresh_all().await {
            tracing::warn!(%error, "components of other nodes can't be read; trying again");
        }
    }
}

/// Removes cached values whose time has ended, now and then.
async fn sweep_cache(shared: Arc<Shared>) {
    loop {
        match shared.key_values.remove_ended(&Bucket::cache()).await {
            Ok(0) => {}
            Ok(removed) => tracing::debug!(removed, "cached values have ended"),
            Err(error) => tracing::warn!(%error, "cached values that have ended stay for now"),
        }
        clock::pause(CACHE_SWEEP).await;
    }
}

/// Has idle workers leave memory.
async fn sweep(shared: Arc<Shared>) {
    let idle_after = shared.config.idle_after;
    loop {
        clock::pause((idle_after / SWEEPS_PER_IDLE).max(SHORTEST_SWEEP)).await;
        let idle_nanos = u64::try_from(idle_after.as_nanos()).unwrap_or(u64::MAX);
        let since = Timestamp(clock::now().0.saturating_sub(idle_nanos));
        shared.registry.evict_unused(since);
        shared.readers.evict_unused(since);
    }
}
