//! `everlog serve`.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::sync::Arc;

use anyhow::Context;
use everlog_runtime::state_store::StateStoreConfig;
use everlog_runtime::{Runtime, SpanSink};
use everlog_store::copy::refuse_unfinished;
use everlog_store::{EmbeddedOptions, EmbeddedStore, RedisOptions, RedisStore, Store};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cluster::advertised;
use crate::config::{ConfigFlags, Settings, StoreKind, load};
use crate::dapr::components;
use crate::http::{App, Listener, Server};
use crate::telemetry::{SpanCounts, Traces, collector, start_logging};

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// If the configuration is refused, the port or the data directory is taken, or the store is
/// damaged.
pub(super) fn serve(flags: &ConfigFlags) -> anyhow::Result<()> {
    let effective = load(flags)?;
    effective.check()?;
    let mut settings = effective.settings;
    settings.runtime.state_stores = load_state_stores(&settings)?;
    start_logging(&settings.log, settings.log_format)?;
    raise_open_files_limit();
    // A thread may be the one that syncs the disk; on a machine with one core the others need
    // another.
    let threads = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    runtime.block_on(serve_until_stopped(&settings))?;
    // What is left are waits that nobody waits for: everything acknowledged is durable.
    runtime.shutdown_background();
    Ok(())
}

fn load_state_stores(settings: &Settings) -> anyhow::Result<Vec<StateStoreConfig>> {
    let secrets = |variable: &str| std::env::var(variable).ok();
    let directory = settings.resources_path.as_deref();
    components::load(directory, &settings.app_id, &secrets)
        .context("cannot set up the state stores")
}

/// As many open files as the system lets a process have: each connection is one, and each table of
/// the store. The usual 1,024 are a limit for programs that can handle no more, which we can.
fn raise_open_files_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, limit = ?limit.current, "the limit of open files stays as it is");
    }
}

async fn serve_until_stopped(settings: &Settings) -> anyhow::Result<()> {
    // Before anybody can know of the server: a signal that nobody listens for ends it at once.
    let stop = StopSignal::listen()?;
    // The port first, since a taken one is found without touching the state. Whoever connects
    // waits.
    let listener = Listener::bind(settings).await?;
    let store = open_store(settings, Some(listener.address())).await?;
    let counts = Arc::new(SpanCounts::default());
    let (traces, sending) = match collector(settings) {
        Some(endpoint) => {
            let (traces, sending) =
                Traces::start(&endpoint, &settings.app_id, Arc::clone(&counts))?;
            (Some(traces as Arc<dyn SpanSink>), Some(sending))
        }
        None => (None, None),
    };
    let workers = Runtime::open(settings.runtime_config(), store, traces).await?;
    let stopping = CancellationToken::new();
    let app = Arc::new(App::new(Arc::clone(&workers), settings, counts, stopping.clone()));
    let server = Server::new(listener, settings, Arc::clone(&app));
    tracing::info!(address = %server.address(), data_dir = %settings.data_dir.display(), "serving");
    let serving = tokio::spawn(server.run(stopping.clone()));
    join(&workers, &app);
    tokio::select! {
        () = stop.received() => {}
        () = declared_dead(&workers) => return begin_anew(),
    }
    tracing::info!("stopping: running invocations go on after the next start");
    stopping.cancel();
    let stopped = async {
        workers.shutdown().await;
        serving.await
    };
    match tokio::time::timeout(settings.shutdown_limit, stopped).await {
        Ok(joined) => joined.context("the server failed while it was stopping")?,
        Err(_) => tracing::warn!("some requests were cut off: `shutdown-limit` is over"),
    }
    if let Some(sending) = sending {
        sending.end().await;
    }
    tracing::info!("stopped");
    Ok(())
}

/// Takes this server's share of the workers, where the store is shared.
fn join(workers: &Arc<Runtime>, app: &App) {
    if let Some(cluster) = &app.cluster {
        workers.join(Arc::new(cluster.wire.clone()));
    }
}

/// Resolves when this process may write nothing more, but another one may.
async fn declared_dead(workers: &Runtime) {
    match workers.membership() {
        Some(membership) => membership.lost().await,
        None => std::future::pending().await,
    }
}

/// Replaces this process by a new one with the same arguments: nothing of what it believed is true any more, and
/// whoever waits for an answer has to ask again.
///
/// # Errors
/// If that is not possible.
fn begin_anew() -> anyhow::Result<()> {
    tracing::warn!("this session is over; beginning anew");
    let program = std::env::current_exe().context("cannot find this program")?;
    let error = std::process::Command::new(program).args(std::env::args_os().skip(1)).exec();
    Err(error).context("cannot begin anew; start the server again")
}

/// Opens the store that the settings name. One that can be shared is shared, if it is said where this server `listens`.
///
/// # Errors
/// If it is in use, damaged, cannot be created, or cannot be reached, or is only half a copy.
pub(super) async fn open_store(
    settings: &Settings,
    listens: Option<SocketAddr>,
) -> anyhow::Result<Arc<dyn Store>> {
    let store = open_engine(settings, listens).await?;
    let name = match &settings.store {
        StoreKind::Embedded => format!("the data directory {}", settings.data_dir.display()),
        StoreKind::Redis { .. } => format!("Redis under `{}`", settings.store_prefix),
    };
    refuse_unfinished(&*store, &name).await?;
    Ok(store)
}

/// As [`open_store`], whatever state the store is in.
pub(super) async fn open_engine(
    settings: &Settings,
    listens: Option<SocketAddr>,
) -> anyhow::Result<Arc<dyn Store>> {
    match &settings.store {
        StoreKind::Embedded if settings.min_replicas > 0 => anyhow::bail!(
            "`min-replicas` is {}, but embedded state has no replicas; set `store` to a Redis \
             server",
            settings.min_replicas
        ),
        StoreKind::Embedded => {
            let mut options = EmbeddedOptions::new(&settings.data_dir);
            options.accept_loss = settings.accept_loss;
            let store = EmbeddedStore::open(&options).with_context(|| {
                format!("cannot open the data directory {}", settings.data_dir.display())
            })?;
            Ok(Arc::new(store))
        }
        StoreKind::Redis { url } => {
            let mut options = RedisOptions::new(url, &settings.data_dir);
            options.prefix.clone_from(&settings.store_prefix);
            options.min_replicas = settings.min_replicas;
            options.lease = settings.node_lease;
            options.address_of_node = listens
                .map(|listens| advertised(settings.advertise.as_deref(), listens, url))
                .transpose()?;
            let store = RedisStore::open(&options).await.context("cannot open the store")?;
            Ok(Arc::new(store))
        }
    }
}

/// SIGTERM and SIGINT, from the moment on that somebody listens for them.
pub(super) struct StopSignal {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignal {
    /// # Errors
    /// If the system does not let us listen for signals.
    pub(super) fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?,
        })
    }

    /// Waits for one of them.
    pub(super) async fn received(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
