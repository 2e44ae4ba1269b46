//! A worker that begins with the log of another.

use std::sync::Arc;

use everlog_oplog::{Codec, CopiedLog, Entry, EntryKind, Index};
use everlog_store::{Append, Batch, MAX_BATCH_BYTES, StoreError};

use super::front::Front;
use super::message::{NewState, Reply};
use super::task::{Flow, Task};
use crate::durable::Recorder;
use crate::error::WorkerError;
use crate::keyvalue::Bucket;
use crate::records::{self, InvocationRecord};

impl Front {
    /// Answers the last entry once it is durable.
    pub(super) fn settle(
        &self,
        recorder: &Arc<Recorder>,
        reply: Reply<Result<Index, WorkerError>>,
    ) {
        let last = recorder.with(|journal, _| journal.last_index());
        recorder.flush_with(
            Vec::new(),
            Box::new(move |stored| {
                drop(reply.send(stored.map(|()| last).map_err(WorkerError::from)));
            }),
        );
    }
}

impl Task {
    /// Stores a whole log for a worker that has none, in one batch with everything beside it. The task leaves; what
    /// there is to do wakes the worker like any other. A fork gets the state that its source has at this moment.
    pub(super) async fn adopt(
        &mut self,
        log: CopiedLog,
        state: NewState,
        reply: Reply<Result<(), WorkerError>>,
    ) -> Flow {
        let wake = records::wake_time(&log.status);
        let stored = match self.adoption(&log, state).await {
            Ok(batch) => everlog_store::commit(&*self.shared.store, batch).await.map_err(|error| {
                let worker = self.front.label.to_string();
                match error {
                    StoreError::Conflict { .. } => WorkerError::NameTaken { worker },
                    error => error.into(),
                }
            }),
            Err(error) => Err(error),
        };
        if stored.is_ok()
            && let Some(due) = wake
        {
            self.shared.timers.schedule(&self.front.worker, due);
        }
        let _ = reply.send(stored);
        Flow::Leave
    }

    async fn adoption(&mut self, log: &CopiedLog, state: NewState) -> Result<Batch, WorkerError> {
        let key = &self.front.key;
        let mut changes = vec![records::put_status(key, &log.status)];
        changes.extend(records::wake_time(&log.status).map(|due| records::put_wake(key, due)));
        let answered = invocation_records(key.as_bytes(), log);
        changes.extend(answered.iter().map(|(name, record)| record.put(key, name)));
        changes.extend(match state {
            NewState::Of(source) => {
                let [from, to] = [&source, &self.front.worker].map(Bucket::of_worker);
                self.shared.key_values.copies(&from, &to, MAX_BATCH_BYTES).await?
            }
            NewState::Given(changes) => changes,
        });
        let append = Append::new(key.clone(), 1, log.last.get(), log.bytes.clone());
        let batch = Batch { appends: vec![append], changes, ..Batch::default() };
        let (size, limit) = (batch.size(), MAX_BATCH_BYTES);
        if size > limit {
            let worker = self.front.label.to_string();
            return Err(WorkerError::CopyTooLarge { worker, size, limit });
        }
        Ok(batch)
    }
}

/// The records of the invocations that a log accepted or ended, by their keys.
fn invocation_records(identity: &[u8], log: &CopiedLog) -> Vec<(String, InvocationRecord)> {
    let mut found = Found::default();
    for decoded in Codec::new(identity).decode(Index::FIRST, &log.bytes) {
        // It was folded just before, so it decodes.
        let Ok(decoded) = decoded else { break };
        let reverted = log.status.deleted.reverted.contains(decoded.index);
        found.take_in(decoded.index, decoded.entry, reverted);
    }
    found.records
}

#[derive(Default)]
struct Found {
    records: Vec<(String, InvocationRecord)>,
    /// The invocation that runs: its key, fingerprint, and the entry that names the function.
    current: Option<(String, InvocationRecord)>,
}

impl Found {
    fn take_in(&mut self, index: Index, entry: Entry, reverted: bool) {
        match entry.kind {
            EntryKind::Accepted { key, fingerprint, .. } => {
                let record = InvocationRecord::begun(fingerprint, index);
                self.records.push((key, record));
            }
            EntryKind::Cancelled { key, .. } => {
                let known = self.records.iter().rev().find(|(known, _)| *known == key);
                if let Some((_, record)) = known.cloned() {
                    self.records.push((key, InvocationRecord { ended: Some(index), ..record }));
                }
            }
            _ if reverted => {}
            EntryKind::InvocationStarted { key, fingerprint, .. } => {
                let record = InvocationRecord::begun(fingerprint, index);
                self.current = Some((key, record));
            }
            EntryKind::CancelRequested { .. } => {
                if let Some((_, record)) = &mut self.current {
                    record.cancelled = true;
                }
            }
            EntryKind::InvocationCompleted { .. } => {
                if let Some((key, record)) = self.current.take() {
                    self.records.push((key, InvocationRecord { ended: Some(index), ..record }));
                }
            }
            EntryKind::Failed { retry_at: None, .. } | EntryKind::Exited { .. } => {
                if let Some((key, record)) = self.current.clone() {
                    self.records.push((key, InvocationRecord { ended: Some(index), ..record }));
                }
            }
            _ => {}
        }
    }
}
