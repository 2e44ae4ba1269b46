//! The records beside a worker's oplog. Each is a cache that the oplog can rebuild.

use bincode::{Decode, Encode};
use everlog_oplog::{Index, Status, Timestamp, WorkerState as Life};
use everlog_store::{Change, StoreError, WorkerKey};

use crate::calls::fresh;
use crate::spaces;
use crate::worker::update;

/// Due at once: the worker has work that only a running task can do.
pub(crate) const AT_ONCE: Timestamp = Timestamp(0);

/// Where the entries of one invocation are, by its idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct InvocationRecord {
    /// Of the function and its arguments: the same key with another call is refused.
    pub(crate) fingerprint: u64,
    /// The entry that names the function: started, or accepted.
    pub(crate) begun: Index,
    /// The entry that ended it (completed, failed, exited, cancelled); `None` while it is only accepted.
    pub(crate) ended: Option<Index>,
    /// Whether somebody asked for its end before it ended by itself.
    pub(crate) cancelled: bool,
}

/// The same as it was kept before invocations could be cancelled while they run.
#[derive(Decode)]
struct FormerRecord {
    fingerprint: u64,
    begun: Index,
    ended: Option<Index>,
}

impl InvocationRecord {
    /// Of one that has not ended.
    pub(crate) fn begun(fingerprint: u64, begun: Index) -> Self {
        Self { fingerprint, begun, ended: None, cancelled: false }
    }

    pub(crate) fn put(&self, worker: &WorkerKey, key: &str) -> Change {
        Change::Put {
            space: spaces::INVOCATIONS,
            key: invocation_key(worker, key),
            // Encoding into memory a structure without maps or borrowed cells has no way to fail.
            value: bincode::encode_to_vec(self, bincode::config::standard()).unwrap_or_default(),
        }
    }

    pub(crate) fn decode(worker: &WorkerKey, bytes: &[u8]) -> Result<Self, StoreError> {
        let config = bincode::config::standard();
        if let Ok((record, _)) = bincode::decode_from_slice(bytes, config) {
            return Ok(record);
        }
        let former = bincode::decode_from_slice(bytes, config);
        let (FormerRecord { fingerprint, begun, ended }, _) =
            former.map_err(|error| corrupt("an invocation record", worker, &error))?;
        Ok(Self { fingerprint, begun, ended, cancelled: false })
    }
}

/// The record key of an invocation.
pub(crate) fn invocation_key(worker: &WorkerKey, key: &str) -> Vec<u8> {
    [worker.as_bytes(), key.as_bytes()].concat()
}

/// The cached status of a worker.
pub(crate) fn put_status(worker: &WorkerKey, status: &Status) -> Change {
    Change::Put {
        space: spaces::WORKERS,
        key: worker.as_bytes().to_vec(),
        value: bincode::encode_to_vec(status, bincode::config::standard()).unwrap_or_default(),
    }
}

/// Lists a worker whose status is to be rebuilt from its log.
pub(crate) fn put_unknown_status(worker: &WorkerKey) -> Change {
    Change::Put { space: spaces::WORKERS, key: worker.as_bytes().to_vec(), value: Vec::new() }
}

/// Reads a cached status. One that does not decode (damaged, or of another server version) is rebuilt by the caller.
pub(crate) fn decode_status(bytes: &[u8]) -> Option<Status> {
    bincode::decode_from_slice(bytes, bincode::config::standard()).ok().map(|(status, _)| status)
}

/// When a worker that is not in memory must come back by itself; `None`: only a caller wakes it.
///
/// A function of the status alone, so that the wake record and the entries in one batch always agree.
pub(crate) fn wake_time(status: &Status) -> Option<Timestamp> {
    let accepted = || status.accepted.values().map(|call| call.due.unwrap_or(AT_ONCE)).min();
    let retry_at = || status.failure.as_ref().and_then(|failure| failure.retry_at);
    if update::due(status).is_some() {
        return Some(AT_ONCE);
    }
    match status.state {
        Life::Running => Some(AT_ONCE),
        Life::Suspended => status.suspended_until,
        Life::Retrying => Some(retry_at().unwrap_or(AT_ONCE)),
        Life::Idle if !status.updates.pending.is_empty() => Some(AT_ONCE),
        Life::Idle => accepted().or_else(|| fresh::kept_until(status)),
        Life::Failed | Life::Exited => fresh::kept_until(status),
        Life::Interrupted | Life::Stalled => None,
    }
}

/// The record that wakes `worker` at `due`.
pub(crate) fn put_wake(worker: &WorkerKey, due: Timestamp) -> Change {
    Change::Put { space: spaces::WAKES, key: wake_key(worker, due), value: Vec::new() }
}

/// Takes a wake record back.
pub(crate) fn delete_wake(worker: &WorkerKey, due: Timestamp) -> Change {
    Change::Delete { space: spaces::WAKES, key: wake_key(worker, due) }
}

fn wake_key(worker: &WorkerKey, due: Timestamp) -> Vec<u8> {
    [due.0.to_be_bytes().as_slice(), worker.as_bytes()].concat()
}

/// Splits the key of a wake record; `None` where it is none.
pub(crate) fn parse_wake_key(key: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (due, worker) = key.split_first_chunk::<8>()?;
    Some((Timestamp(u64::from_be_bytes(*due)), worker))
}

fn corrupt(what: &str, worker: &WorkerKey, error: &bincode::error::DecodeError) -> StoreError {
    StoreError::Corrupt {
        place: format!("{what} of worker {worker}"),
        detail: error.to_string(),
        advice: "Restore the data directory from a backup, or delete the worker",
    }
}
