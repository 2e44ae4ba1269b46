//! Bringing a worker into memory: its journal from the log, its guest from the journal.

use std::sync::Arc;

use everlog_oplog::{
    Create, FailureKind, Index, Journal, RecordedBatch, RecoverError, Settings,
    WorkerId as LoggedId,
};
use everlog_store::WorkerKey;

use tokio::sync::watch;

use super::WorkerId;
use super::execute::{self, End};
use super::front::Front;
use super::guest::Guest;
use super::message::WorkerSettings;
use super::update::Saved;
use crate::clock;
use crate::component::ComponentVersion;
use crate::durable::{Durable, Recorder};
use crate::error::WorkerError;
use crate::files::FilesRoot;
use crate::network::Policy;
use crate::shared::Shared;
use crate::statistics::add;
use crate::wasi::{WorkerEnvironment, WorkerState};

/// Bytes of the log that are read at once.
const READ_BYTES: usize = 8 << 20;

/// The log of `worker` from its first entry on, and its last entry; empty where there is no such worker.
pub(crate) async fn read_log(
    shared: &Shared,
    key: &WorkerKey,
) -> Result<(Vec<RecordedBatch>, Index), WorkerError> {
    let mut log = Vec::new();
    let mut from = Index::FIRST.get();
    loop {
        let records = shared.store.read_log(key, from, READ_BYTES).await?;
        let Some(last) = records.last().map(|record| record.last) else {
            return Ok((log, Index(from - 1)));
        };
        from = last + 1;
        log.extend(
            records
                .into_iter()
                .map(|record| RecordedBatch { first: Index(record.first), bytes: record.bytes }),
        );
    }
}

/// The journal settings that the server decides.
pub(crate) fn settings(shared: &Shared) -> Settings {
    Settings { retry: shared.config.retry }
}

/// A journal, and how far its log is in the store already.
pub(crate) struct Recovered {
    pub(crate) journal: Journal,
    pub(crate) stored: Index,
}

/// Makes the journal of a worker that has a log.
pub(crate) async fn recover(
    shared: &Shared,
    worker: &WorkerId,
    key: &WorkerKey,
) -> Result<Option<Recovered>, WorkerError> {
    let (log, stored) = read_log(shared, key).await?;
    let journal = journal(shared, worker, key, log)?;
    let Some(journal) = journal else { return Ok(None) };
    add(&shared.counters.recoveries, 1);
    Ok(Some(Recovered { journal, stored }))
}

/// The journal of a worker as far as it is durable, for who only looks at it.
pub(crate) async fn read_journal(
    shared: &Shared,
    worker: &WorkerId,
    key: &WorkerKey,
) -> Result<Option<Journal>, WorkerError> {
    let (log, _) = read_log(shared, key).await?;
    journal(shared, worker, key, log)
}

fn journal(
    shared: &Shared,
    worker: &WorkerId,
    key: &WorkerKey,
    log: Vec<RecordedBatch>,
) -> Result<Option<Journal>, WorkerError> {
    if log.is_empty() {
        return Ok(None);
    }
    let corrupt = |error: RecoverError| WorkerError::CorruptLog {
        worker: worker.to_string(),
        detail: error.to_string(),
    };
    Journal::recover(key.as_bytes(), log, settings(shared), clock::now()).map(Some).map_err(corrupt)
}

/// The journal of a new worker.
pub(crate) fn create(
    shared: &Shared,
    front: &Front,
    settings_of_worker: WorkerSettings,
    ephemeral: bool,
) -> Recovered {
    let worker = &front.worker;
    let create = Create {
        worker: LoggedId { component: worker.component.into(), name: worker.name.clone() },
        component_version: front.version.version,
        args: settings_of_worker.args,
        env: settings_of_worker.env,
        parent: None,
        ephemeral,
    };
    let identity = front.key.as_bytes();
    let journal = Journal::create(identity, create, settings(shared), clock::now());
    Recovered { journal, stored: Index(0) }
}

/// Wraps a journal for sharing between the task and the host functions.
pub(crate) fn recorder(
    shared: &Arc<Shared>,
    key: &WorkerKey,
    durable: &Arc<watch::Sender<Durable>>,
    recovered: Recovered,
) -> Arc<Recorder> {
    durable.send_replace(Durable::UpTo(recovered.stored));
    Arc::new(Recorder::new(
        recovered.journal,
        Arc::clone(&shared.store),
        key.clone(),
        Arc::clone(durable),
        Arc::clone(&shared.counters),
    ))
}

/// Wraps a journal that writes nothing, for a replay beside the worker.
pub(crate) fn beside(shared: &Arc<Shared>, key: &WorkerKey, journal: Journal) -> Arc<Recorder> {
    let durable = Arc::new(watch::Sender::new(Durable::UpTo(Index(0))));
    let recorder = recorder(shared, key, &durable, Recovered { journal, stored: Index(0) });
    recorder.hold();
    recorder
}

/// What an instance is made from.
pub(crate) struct Making<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) worker: &'a WorkerId,
    pub(crate) version: Arc<ComponentVersion>,
    pub(crate) recorder: &'a Arc<Recorder>,
    /// Where its directory is to be.
    pub(crate) files: Arc<FilesRoot>,
}

impl Making<'_> {
    /// Makes the instance, with what was `saved` around it.
    ///
    /// # Errors
    /// How the attempt ended.
    pub(crate) async fn guest(&self, saved: Option<&Saved>) -> Result<Guest, End> {
        loop {
            let mut state = state(self);
            if let Some(saved) = saved {
                saved.restore(&mut state).await.map_err(|error| End::Failed {
                    kind: FailureKind::HostError,
                    message: format!("the files of the snapshot can't be made again: {error}"),
                })?;
            }
            match Guest::new(&self.shared.engine, Arc::clone(&self.version), state).await {
                Ok(mut guest) => {
                    guest.number_resources_after(saved.map_or(0, |saved| saved.last_resource));
                    return Ok(guest);
                }
                // As many instances as the pool has are busy: wait until one is free.
                Err(error) if error.is::<wasmtime::PoolConcurrencyLimitError>() => {
                    self.shared.registry.make_room().await;
                }
                Err(error) => return Err(execute::explain(error)),
            }
        }
    }
}

/// The host functions' state of a new instance.
fn state(making: &Making<'_>) -> WorkerState {
    let Making { shared, recorder, .. } = *making;
    let (create, created_at) = recorder.with(|journal, _| {
        let status = journal.status();
        (status.create.clone(), status.created_at)
    });
    let environment = WorkerEnvironment {
        worker: making.worker.clone(),
        component_name: making.version.name.clone(),
        component_version: making.version.version,
        args: create.args,
        env: create.env,
        created_at,
        suspend_after: shared.config.suspend_after,
        memory_bytes: shared.config.worker_memory_bytes,
        files_bytes: shared.config.worker_files_bytes,
        files: Arc::clone(&making.files),
        host_memory: Arc::clone(&shared.host_memory),
        shared: Arc::downgrade(shared),
        network: Policy::new(shared.config.network_sockets)
            .with_private_denied(shared.config.network.policy.deny_private),
        http_client: Arc::clone(&shared.http_client),
        asks_for_cancels: making.version.asks_for_cancels(),
        key_values: Arc::clone(&shared.key_values),
        containers: Arc::clone(&shared.containers),
    };
    WorkerState::new(environment, Arc::clone(recorder))
}
