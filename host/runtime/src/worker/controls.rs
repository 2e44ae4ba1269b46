//! What operators do to a worker: interrupt, resume, remove.

use everlog_oplog::WorkerState as Life;
use everlog_store::{Batch, Change, KeyRange, Order, StoreError};

use super::message::Reply;
use super::task::{Flow, Task};
use crate::durable::Recorder;
use crate::error::{InvokeError, WorkerError};
use crate::keyvalue::Bucket;
use crate::{records, spaces};

/// Records read at once when a worker is deleted.
const DELETE_PAGE: usize = 1_000;
/// Records that are removed in one batch with the log; beyond it some go before, in batches of their own.
const DELETE_BATCH: usize = 200_000;

impl Task {
    pub(super) async fn interrupt(&mut self, reply: Reply<Result<(), WorkerError>>) -> Flow {
        let Some(recorder) = self.recorder() else { return Flow::GoOn };
        let stopped = recorder.with(|journal, now| {
            let stops = matches!(
                journal.status().state,
                Life::Idle | Life::Running | Life::Suspended | Life::Retrying
            );
            if stops {
                journal.interrupt(now);
            }
            stops
        });
        self.front.nudged = false;
        self.front.cache_status(&recorder);
        recorder.flush_with(
            Vec::new(),
            Box::new(move |stored| drop(reply.send(stored.map_err(WorkerError::from)))),
        );
        if stopped {
            let _ = recorder.gate().await;
            let worker = self.front.label.to_string();
            self.front.desk.refuse_all(&InvokeError::Interrupted { worker });
        }
        Flow::GoOn
    }

    pub(super) fn resume(&mut self, reply: Option<Reply<Result<(), WorkerError>>>) -> Flow {
        let Some(recorder) = self.recorder() else { return Flow::GoOn };
        recorder.with(|journal, now| {
            if matches!(journal.status().state, Life::Interrupted | Life::Failed | Life::Stalled) {
                journal.resume(now);
            }
        });
        self.adopt_current(&recorder);
        recorder.flush_with(
            Vec::new(),
            Box::new(move |stored| {
                if let Some(reply) = reply {
                    let _ = reply.send(stored.map_err(WorkerError::from));
                }
            }),
        );
        Flow::GoOn
    }

    /// Removes the worker and all that it owned.
    pub(super) async fn remove(&mut self) -> Result<(), WorkerError> {
        self.guest = None;
        let Some(recorder) = self.recorder.take() else { return Ok(()) };
        let _ = recorder.gate().await;
        let worker = self.front.label.to_string();
        let removed = self.remove_records(&recorder).await;
        if let Err(error) = removed {
            self.front.desk.refuse_all(&error.clone().into());
            return Err(error.into());
        }
        if let Err(error) = self.shared.files.remove(&self.front.worker) {
            tracing::warn!(worker = %self.front.label, %error, "the worker's files could not be removed");
        }
        self.front.desk.refuse_all(&InvokeError::Deleted { worker });
        Ok(())
    }

    /// Removes the log and everything beside it, in one batch unless that would be too large.
    async fn remove_records(&mut self, recorder: &Recorder) -> Result<(), StoreError> {
        let (store, key) = (&*self.shared.store, &self.front.key);
        let mut range = KeyRange::prefix(key.as_bytes());
        let mut changes = Vec::new();
        loop {
            let page =
                store.scan(spaces::INVOCATIONS, range.clone(), Order::Forward, DELETE_PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            range.start = std::ops::Bound::Excluded(last.clone());
            let delete = |(key, _)| Change::Delete { space: spaces::INVOCATIONS, key };
            changes.extend(page.into_iter().map(delete));
            if changes.len() >= DELETE_BATCH {
                let changes = std::mem::take(&mut changes);
                everlog_store::commit(store, Batch { changes, ..Batch::default() }).await?;
            }
        }
        // Nobody outside writes state from here on.
        let _held = self.shared.key_values.hold_worker(key).await;
        let state = Bucket::of_worker(&self.front.worker);
        loop {
            let removals = self.shared.key_values.removals(&state, DELETE_PAGE).await?;
            let is_rest = removals.len() < DELETE_PAGE;
            changes.extend(removals);
            if is_rest {
                break;
            }
            let changes = std::mem::take(&mut changes);
            everlog_store::commit(store, Batch { changes, ..Batch::default() }).await?;
        }
        changes.push(Change::Delete { space: spaces::WORKERS, key: key.as_bytes().to_vec() });
        changes.extend(recorder.wake().map(|due| records::delete_wake(key, due)));
        let delete_logs = vec![key.clone()];
        everlog_store::commit(store, Batch { changes, delete_logs, ..Batch::default() }).await
    }
}
