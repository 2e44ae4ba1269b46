//! What a worker is doing, and what became of its invocations.

use std::ops::Bound;

use everlog_oplog::{Entry, EntryKind, Index, Timestamp};
use everlog_store::{KeyRange, Order};

use super::Runtime;
use crate::calls::CallUnderWay;
use crate::error::WorkerError;
use crate::records::InvocationRecord;
use crate::spaces;
use crate::worker::{WorkerId, WorkerMetadata, unloaded};

/// The most open calls that are looked up for a description.
const MAX_OPEN_CALLS: usize = 100;

/// What a worker is doing.
#[derive(Clone, Debug)]
pub struct Activity {
    /// The worker, and what it waits for in memory.
    pub metadata: WorkerMetadata,
    /// When its running invocation started, if one runs.
    pub started_at: Option<Timestamp>,
    /// The last entry that its execution has come to.
    pub last: Option<(Index, Entry)>,
    /// The begins of remote calls whose outcome it has not seen.
    pub open_calls: Vec<(Index, Entry)>,
    /// Its calls of other workers that are on their way, the oldest first.
    pub calls: Vec<CallUnderWay>,
}

/// An invocation that has ended.
#[derive(Clone, Debug)]
pub struct EndedInvocation {
    /// Its idempotency key.
    pub key: String,
    /// `completed`, `failed`, `killed`, `exited` or `cancelled`.
    pub status: &'static str,
    /// The function that was called, where the log says so.
    pub function: Option<String>,
    /// The entry that names the function.
    pub begun: Index,
    /// When that was made.
    pub begun_at: Timestamp,
    /// The entry that ended it.
    pub ended: Index,
    /// When that was made.
    pub ended_at: Timestamp,
    /// Whether somebody asked for its end before it ended.
    pub cancelled: bool,
}

/// Some of the invocations that have ended.
#[derive(Clone, Debug, Default)]
pub struct EndedPage {
    /// In the order of their keys.
    pub invocations: Vec<EndedInvocation>,
    /// Behind which key the next page begins; `None` on the last one.
    pub next: Option<String>,
}

impl Runtime {
    /// What a worker is doing, as far as that is durable.
    ///
    /// # Errors
    /// Not found, or a damaged log.
    pub async fn activity(&self, worker: &WorkerId) -> Result<Activity, WorkerError> {
        self.settle(worker).await?;
        let metadata = self.worker(worker).await?;
        let status = &metadata.status;
        let last = match status.execution.last_replayed {
            Some(index) => self.stored_entry(worker, index).await?,
            None => None,
        };
        let started_at = match status.current() {
            Some(current) => self.stored_entry(worker, current.started).await?,
            None => None,
        };
        let mut open_calls = Vec::new();
        for begin in status.execution.open_writes.keys().take(MAX_OPEN_CALLS) {
            open_calls.extend(self.stored_entry(worker, *begin).await?);
        }
        let started_at = started_at.map(|(_, entry)| entry.timestamp);
        let calls = self.shared.calls_under_way.of(worker, MAX_OPEN_CALLS);
        Ok(Activity { started_at, last, open_calls, calls, metadata })
    }

    /// Up to `limit` invocations of a worker that have ended, behind the key `after`, in the order of their keys. What
    /// was taken back is left out.
    ///
    /// # Errors
    /// Not found, or something damaged.
    pub async fn ended_invocations(
        &self,
        worker: &WorkerId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<EndedPage, WorkerError> {
        self.settle(worker).await?;
        let status = self.worker(worker).await?.status;
        let key = worker.key()?;
        let mut range = KeyRange::prefix(key.as_bytes());
        if let Some(after) = after {
            range.start = Bound::Excluded([key.as_bytes(), after.as_bytes()].concat());
        }
        let page =
            self.shared.store.scan(spaces::INVOCATIONS, range, Order::Forward, limit).await?;
        let is_full = page.len() == limit;
        let mut found = EndedPage::default();
        for (stored, bytes) in page {
            let Some(name) = stored.get(key.as_bytes().len()..) else { continue };
            let name = String::from_utf8_lossy(name).into_owned();
            found.next = is_full.then(|| name.clone());
            let record = InvocationRecord::decode(&key, &bytes)?;
            if let Some(ended) = record.ended {
                let taken_back = status.deleted.reverted.contains(ended);
                let ended = self.ended_invocation(worker, name, &record, ended).await?;
                found
                    .invocations
                    .extend(ended.filter(|ended| !taken_back || ended.status == "cancelled"));
            }
        }
        Ok(found)
    }

    async fn ended_invocation(
        &self,
        worker: &WorkerId,
        key: String,
        record: &InvocationRecord,
        ended: Index,
    ) -> Result<Option<EndedInvocation>, WorkerError> {
        let begun = self.stored_entry(worker, record.begun).await?;
        let end = self.stored_entry(worker, ended).await?;
        let (Some((_, begun)), Some((_, end))) = (begun, end) else { return Ok(None) };
        let function = match begun.kind {
            EntryKind::InvocationStarted { function, .. }
            | EntryKind::Accepted { function, .. } => Some(function),
            _ => None,
        };
        let status = match &end.kind {
            EntryKind::InvocationCompleted { .. } => "completed",
            EntryKind::Exited { .. } => "exited",
            EntryKind::Cancelled { reason, .. } if reason == "killed" => "killed",
            EntryKind::Cancelled { .. } => "cancelled",
            _ => "failed",
        };
        let (begun_at, ended_at) = (begun.timestamp, end.timestamp);
        let (begun, cancelled) = (record.begun, record.cancelled);
        Ok(Some(EndedInvocation {
            key,
            status,
            function,
            begun,
            begun_at,
            ended,
            ended_at,
            cancelled,
        }))
    }

    async fn stored_entry(
        &self,
        worker: &WorkerId,
        index: Index,
    ) -> Result<Option<(Index, Entry)>, WorkerError> {
        Ok(unloaded::entries(&self.shared, worker, index, 1).await?.into_iter().next())
    }
}
