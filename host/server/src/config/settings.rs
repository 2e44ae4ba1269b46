//! The settings of a server, typed.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use everlog_runtime::RuntimeConfig;
use everlog_store::DEFAULT_LEASE;

/// Everything an operator can set. What each one means is written in [`KEYS`](super::KEYS).
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) data_dir: PathBuf,
    pub(crate) accept_loss: bool,
    pub(crate) store: StoreKind,
    pub(crate) store_prefix: String,
    pub(crate) min_replicas: u32,
    pub(crate) advertise: Option<String>,
    pub(crate) node_lease: Duration,
    pub(crate) tokens: Vec<String>,
    pub(crate) allow_unauthenticated_remote: bool,
    pub(crate) production: bool,
    pub(crate) max_connections: usize,
    pub(crate) max_requests: usize,
    pub(crate) max_body_bytes: usize,
    pub(crate) shutdown_limit: Duration,
    pub(crate) app_id: String,
    /// Where component files are.
    pub(crate) resources_path: Option<PathBuf>,
    /// Where spans go.
    pub(crate) otlp_endpoint: Option<String>,
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
    /// What the runtime takes; its `data_dir` is filled from [`Settings::data_dir`].
    pub(crate) runtime: RuntimeConfig,
}

/// Which engine keeps the state.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum StoreKind {
    /// Files in the data directory.
    Embedded,
    /// A Redis server.
    Redis {
        /// Where it is; may hold a password.
        url: String,
    },
}

/// Without the URL, which may hold a password.
impl fmt::Debug for StoreKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Embedded => "Embedded",
            Self::Redis { .. } => "Redis",
        })
    }
}

/// How log lines of the server itself are written to stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7070)),
            data_dir: PathBuf::from("./data"),
            accept_loss: false,
            store: StoreKind::Embedded,
            store_prefix: "everlog:".to_owned(),
            min_replicas: 0,
            advertise: None,
            node_lease: DEFAULT_LEASE,
            tokens: Vec::new(),
            allow_unauthenticated_remote: false,
            production: false,
            max_connections: 10_000,
            max_requests: 10_000,
            max_body_bytes: 4 << 20,
            shutdown_limit: Duration::from_secs(9),
            app_id: "everlog".to_owned(),
            resources_path: None,
            otlp_endpoint: None,
            log: "info".to_owned(),
            log_format: LogFormat::Text,
            runtime: RuntimeConfig::default(),
        }
    }
}

impl Settings {
    /// The runtime's part, complete.
    pub(crate) fn runtime_config(&self) -> RuntimeConfig {
        RuntimeConfig { data_dir: self.data_dir.clone(), ..self.runtime.clone() }
    }
}
