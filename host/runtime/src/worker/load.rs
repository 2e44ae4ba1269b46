//! Bringing a worker into memory: its journal from the log, its guest from the journal.

use std::sync::Arc;

use everlog_oplog::{
    Create, Index, Journal, RecordedBatch, RecoverError, Settings, WorkerId as LoggedId,
};
use everlog_store::WorkerKey;

use tokio::sync::watch;

use super::WorkerId;
use super::front::Front;
use super::message::WorkerSettings;
use crate::clock;
use crate::durable::{Durable, Recorder};
use crate::error::WorkerError;
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
    if log.is_empty() {
        return Ok(None);
    }
    let corrupt = |error: RecoverError| WorkerError::CorruptLog {
        worker: worker.to_string(),
        detail: error.to_string(),
    };
    let journal =
        Journal::recover(key.as_bytes(), log, settings(shared), clock::now()).map_err(corrupt)?;
    add(&shared.counters.recoveries, 1);
    Ok(Some(Recovered { journal, stored }))
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

/// The host functions' state of a new instance.
pub(crate) fn state(shared: &Arc<Shared>, front: &Front, recorder: &Arc<Recorder>) -> WorkerState {
    let (create, created_at) = recorder.with(|journal, _| {
        let status = journal.status();
        (status.create.clone(), status.created_at)
    });
    let environment = WorkerEnvironment {
        worker: front.worker.clone(),
        component_version: front.version.version,
        args: create.args,
        env: create.env,
        created_at,
        suspend_after: shared.config.suspend_after,
        memory_bytes: shared.config.worker_memory_bytes,
        files_bytes: shared.config.worker_files_bytes,
        files: Arc::clone(&shared.files),
        host_memory: Arc::clone(&shared.host_memory),
        shared: Arc::downgrade(shared),
        network: Policy::new(shared.config.network_sockets)
            .with_private_denied(shared.config.network.policy.deny_private),
        http_client: Arc::clone(&shared.http_client),
        key_values: Arc::clone(&shared.key_values),
        containers: Arc::clone(&shared.containers),
    };
    WorkerState::new(environment, Arc::clone(recorder))
}
