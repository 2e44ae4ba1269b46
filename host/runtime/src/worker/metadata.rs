//! What can be seen of a worker from outside.

use everlog_oplog::{Index, Status, Timestamp, WorkerState as Life};

use super::WorkerId;
use crate::durable::Waits;

/// A worker as its oplog describes it.
#[derive(Clone, Debug)]
pub struct WorkerMetadata {
    /// Which worker.
    pub worker: WorkerId,
    /// The fold of the worker's oplog.
    pub status: Status,
    /// Keys that wait in memory for their turn, beside those that the log accepted.
    pub queued: Vec<String>,
    /// What the guest waits for in memory, if it does.
    pub waits: Option<Waits>,
}

impl WorkerMetadata {
    /// What the worker is doing.
    #[must_use]
    pub fn life(&self) -> Life {
        self.status.state
    }

    /// The newest entry that the status covers.
    #[must_use]
    pub fn last_index(&self) -> Index {
        self.status.last_index
    }

    /// When the worker was created.
    #[must_use]
    pub fn created_at(&self) -> Timestamp {
        self.status.created_at
    }

    /// Keys of invocations that have not ended: the running one, then the waiting ones.
    #[must_use]
    pub fn pending(&self) -> Vec<String> {
        let running = self.status.current().map(|current| current.key.clone());
        let accepted = self.status.accepted.values().map(|call| call.key.clone());
        running.into_iter().chain(accepted).chain(self.queued.iter().cloned()).collect()
    }
}
