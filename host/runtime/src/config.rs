//! What an operator can set about execution; every limit has its home here.

use std::path::PathBuf;
use std::time::Duration;

use everlog_oplog::RetryPolicy;

use crate::drill::Drill;
use crate::network::{NetworkConfig, SocketAccess};
use crate::state_store::StateStoreConfig;

/// Settings of a [`Runtime`](crate::Runtime). `Default` is for a developer's machine.
#[derive(Clone, Debug)]
pub struct RuntimeConfig {
    /// Worker files and compiled code live below this directory.
    pub data_dir: PathBuf,
    /// Most workers in memory at once; beyond it the least recently used idle ones leave.
    pub max_loaded_workers: usize,
    /// An idle worker leaves memory after this time.
    pub idle_after: Duration,
    /// A worker that sleeps longer than this leaves memory and comes back by a timer.
    pub suspend_after: Duration,
    /// The buffered tail of a running invocation is committed this often.
    pub commit_interval: Duration,
    /// Linear memory of one worker, in bytes; `memory.grow` beyond it returns -1. At most 4 GiB.
    pub worker_memory_bytes: u64,
    /// Linear memory of all loaded workers together, in bytes; an execution that needs more is retried later.
    pub host_memory_bytes: u64,
    /// What one worker's own directory may hold, in bytes.
    pub worker_files_bytes: u64,
    /// The largest component, in bytes.
    pub max_component_bytes: usize,
    /// Calls that wait for one worker; one more is answered with "too many requests".
    pub max_queue: usize,
    /// What guests may do with sockets of their own.
    pub network_sockets: SocketAccess,
    /// Whom workers may reach, and how long that may take.
    pub network: NetworkConfig,
    /// The retry policy of workers that set none.
    pub retry: RetryPolicy,
    /// The state stores there are, each with another name.
    pub state_stores: Vec<StateStoreConfig>,
    /// What is to go wrong, for tests.
    pub drill: Option<Drill>,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./data"),
            max_loaded_workers: 2_000,
            idle_after: Duration::from_secs(60),
            suspend_after: Duration::from_secs(10),
            commit_interval: Duration::from_millis(100),
            worker_memory_bytes: 1 << 30,
            host_memory_bytes: 8 << 30,
            worker_files_bytes: 1 << 30,
            max_component_bytes: 256 << 20,
            max_queue: 1_024,
            network_sockets: SocketAccess::default(),
            network: NetworkConfig::default(),
            retry: RetryPolicy::default(),
            state_stores: vec![StateStoreConfig::default_store()],
            drill: None,
        }
    }
}
