//! Host functions called as a guest's bindings call them, in one life of a worker and in the next.
//!
//! A life ends by dropping the worker's state; the next begins with nothing but its log, as after a crash.

mod files;
mod golem;
mod http;
mod resources;
mod shared_data;
mod time;

use std::sync::{Arc, Weak};
use std::time::Duration;

use everlog_oplog::{Create, EntryKind, Index, Journal, RecordedBatch, Settings};
use everlog_store::{EmbeddedOptions, EmbeddedStore, LogRecord, Store, WorkerKey};
use tempfile::TempDir;
use tokio::sync::watch;
use uuid::Uuid;

use super::{HostMemory, WorkerEnvironment, WorkerState};
use crate::blobstore::Containers;
use crate::clock;
use crate::durable::{Durable, Recorder};
use crate::files::FilesRoot;
use crate::keyvalue::{KeyPrefixes, KeyValues, Locks};
use crate::network::{HttpClient, NetworkConfig, Policy, SocketAccess};
use crate::worker::WorkerId;

/// What one worker's directory may hold in these tests, in bytes.
const FILES_BYTES: u64 = 64 * 1024;

/// A worker's log and what is around it.
struct House {
    store: Arc<dyn Store>,
    files: Arc<FilesRoot>,
    sockets: SocketAccess,
    locks: Arc<Locks>,
    log: Vec<RecordedBatch>,
    // Last, so that it is removed when nobody writes to it any more.
    _directory: TempDir,
}

impl House {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = EmbeddedOptions::new(directory.path().join("store"));
        let store = Arc::new(EmbeddedStore::open(&options).unwrap());
        let files = Arc::new(FilesRoot::open(&directory.path().join("files")).unwrap());
        let (sockets, locks) = (SocketAccess::All, Arc::new(Locks::new()));
        Self { store, files, sockets, locks, log: Vec::new(), _directory: directory }
    }

    /// The worker's next life: its first, or a replay of its log.
    fn life(&self) -> WorkerState {
        let worker = WorkerId::new(Uuid::nil(), "mary").unwrap();
        let key = worker.key().unwrap();
        let now = clock::now();
        let journal = if self.log.is_empty() {
            let create = Create {
                worker: everlog_oplog::WorkerId {
                    component: worker.component.into(),
                    name: worker.name.clone(),
                },
                component_version: 3,
                args: vec!["first".to_owned()],
                env: vec![("GOLEM_WORKER_NAME".to_owned(), "forged".to_owned())],
                parent: None,
                ephemeral: false,
            };
            Journal::create(key.as_bytes(), create, Settings::default(), now)
        } else {
            let log = self.log.clone();
            Journal::recover(key.as_bytes(), log, Settings::default(), now).unwrap()
        };
        WorkerState::new(self.environment(worker, &journal), self.recorder(journal, key))
    }

    /// Ends a life. All it has recorded is durable.
    async fn end(&mut self, life: WorkerState) {
        assert!(life.recorder.with(|journal, _| !journal.is_replaying()), "all entries were met");
        life.recorder.gate().await.unwrap();
        let key = life.environment.worker.key().unwrap();
        let records = self.store.read_log(&key, 1, usize::MAX).await.unwrap();
        let batch =
            |record: LogRecord| RecordedBatch { first: Index(record.first), bytes: record.bytes };
        self.log = records.into_iter().map(batch).collect();
    }

    fn environment(&self, worker: WorkerId, journal: &Journal) -> WorkerEnvironment {
        let create = journal.status().create.clone();
        WorkerEnvironment {
            component_name: "house".to_owned(),
            worker,
            component_version: create.component_version,
            args: create.args,
            env: create.env,
            created_at: journal.status().created_at,
            suspend_after: Duration::from_secs(10),
            memory_bytes: 1 << 20,
            files_bytes: FILES_BYTES,
            files: Arc::clone(&self.files),
            host_memory: Arc::new(HostMemory::new(1 << 20)),
            network: Policy::new(self.sockets),
            shared: Weak::new(),
            http_client: Arc::new(HttpClient::new(&NetworkConfig::default()).unwrap()),
            key_values: Arc::new(KeyValues::new(
                Arc::clone(&self.store),
                Arc::clone(&self.locks),
                KeyPrefixes::default(),
            )),
            asks_for_cancels: false,
            containers: Arc::new(Containers::new(Arc::clone(&self.store), Arc::clone(&self.locks))),
        }
    }

    fn recorder(&self, journal: Journal, key: WorkerKey) -> Arc<Recorder> {
        let stored = if self.log.is_empty() { Index(0) } else { journal.last_index() };
        let durable = Arc::new(watch::channel(Durable::UpTo(stored)).0);
        Arc::new(Recorder::new(journal, Arc::clone(&self.store), key, durable, Arc::default()))
    }
}

/// The last entry that `worker` has recorded.
fn last_index(worker: &WorkerState) -> u64 {
    worker.recorder.with(|journal, _| journal.last_index().get())
}

/// The log lines of a finished life.
fn lines(house: &House) -> Vec<String> {
    let worker = WorkerId::new(Uuid::nil(), "mary").unwrap();
    let codec = everlog_oplog::Codec::new(worker.key().unwrap().as_bytes());
    let mut lines = Vec::new();
    for batch in &house.log {
        for frame in codec.decode(batch.first, &batch.bytes) {
            if let EntryKind::Log { message, .. } = frame.unwrap().entry.kind {
                lines.push(message);
            }
        }
    }
    lines
}
