//! Taking a worker back: what was recorded behind an entry is no longer part of its history.

use std::collections::VecDeque;
use std::sync::Arc;

use everlog_oplog::{EntryKind, Index, Journal, RevertError, Status};

use super::execute::Stop;
use super::front::{Front, Taken};
use super::message::{Reply, RevertTo};
use super::task::{Flow, Task};
use super::{load, unloaded};
use crate::clock;
use crate::durable::Recorder;
use crate::error::{InvokeError, WorkerError};
use crate::records::{self, InvocationRecord};

/// Entries that are looked at together when invocations are counted.
const PAGE: usize = 10_000;

impl Front {
    /// Stops what runs only if there is something to go back to.
    pub(super) async fn check_revert(
        &mut self,
        recorder: &Arc<Recorder>,
        to: RevertTo,
        reply: Reply<Result<Index, WorkerError>>,
    ) -> Taken {
        let found = match to {
            RevertTo::Index(to) => {
                let checked = recorder.with(|journal, _| journal.status().check_history(to));
                checked.map(|()| to).map_err(|error| self.no_such_past(&error))
            }
            RevertTo::BeforeLast(count) => self.before_last(recorder, count).await,
        };
        match found {
            Ok(to) => Taken::Stop(Stop::Revert { to, reply }),
            Err(error) => {
                let _ = reply.send(Err(error));
                Taken::Done
            }
        }
    }

    /// The last entry before the last `count` invocations.
    async fn before_last(
        &self,
        recorder: &Arc<Recorder>,
        count: u64,
    ) -> Result<Index, WorkerError> {
        let _ = recorder.gate().await;
        let status = recorder.with(|journal, _| journal.status().clone());
        let wanted = usize::try_from(count).unwrap_or(usize::MAX);
        let mut newest = VecDeque::new();
        let mut from = Index::FIRST;
        loop {
            let page = unloaded::entries(&self.shared, &self.worker, from, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            from = last.next();
            for (index, entry) in page {
                let starts = matches!(entry.kind, EntryKind::InvocationStarted { .. });
                if starts && !status.deleted.contains(index) {
                    newest.push_back(index);
                    if newest.len() > wanted {
                        newest.pop_front();
                    }
                }
            }
        }
        match newest.front() {
            Some(first) if newest.len() == wanted => Ok(before(&status, *first)),
            _ => {
                let found = newest.len();
                Err(self
                    .no_such_past(&format!("{count} invocations are asked for, it has {found}")))
            }
        }
    }

    pub(super) async fn reverted(&self, to: Index) -> Result<load::Recovered, WorkerError> {
        let (log, stored) = load::read_log(&self.shared, &self.key).await?;
        let settings = load::settings(&self.shared);
        let identity = self.key.as_bytes();
        let journal = Journal::recover_reverted(identity, log, settings, to, clock::now());
        match journal {
            Ok(journal) => Ok(load::Recovered { journal, stored }),
            Err(RevertError::Refused(error)) => Err(self.no_such_past(&error)),
            Err(RevertError::Log(error)) => Err(WorkerError::CorruptLog {
                worker: self.label.to_string(),
                detail: error.to_string(),
            }),
        }
    }

    fn no_such_past(&self, detail: &dyn std::fmt::Display) -> WorkerError {
        WorkerError::NoSuchPast { worker: self.label.to_string(), detail: detail.to_string() }
    }

    /// Whether the invocation of a record was taken back, so that its key is as good as new.
    pub(super) async fn is_taken_back(
        &self,
        recorder: &Arc<Recorder>,
        record: &InvocationRecord,
    ) -> Result<bool, InvokeError> {
        let Some(ended) = record.ended else { return Ok(false) };
        let reverted =
            recorder.with(|journal, _| journal.status().deleted.reverted.contains(ended));
        // What was taken out of the queue stays out of it.
        Ok(reverted && !matches!(self.entry(ended).await?.kind, EntryKind::Cancelled { .. }))
    }
}

impl Task {
    /// Takes back everything behind `to`, with no guest running, and goes on from there.
    pub(super) async fn revert(
        &mut self,
        to: Index,
        reply: Reply<Result<Index, WorkerError>>,
    ) -> Flow {
        self.guest = None;
        let Some(before) = self.recorder() else { return Flow::GoOn };
        if before.gate().await.is_err()
            && let Some(error) = before.failure()
        {
            let _ = reply.send(Err(error.clone().into()));
            return self.store_failed(error).await;
        }
        let recovered = match self.front.reverted(to).await {
            Ok(recovered) => recovered,
            Err(error) => {
                let _ = reply.send(Err(error));
                return self.reopen().await;
            }
        };
        let key = &self.front.key;
        let recorder = load::recorder(&self.shared, key, &self.handle.durable, recovered);
        recorder.assume_wake(before.wake());
        let status = recorder.with(|journal, _| records::put_status(key, journal.status()));
        let reverted = recorder.with(|journal, _| journal.last_index());
        recorder.flush_with(
            vec![status],
            Box::new(move |stored| {
                drop(reply.send(stored.map(|()| reverted).map_err(WorkerError::from)));
            }),
        );
        self.recorder = Some(Arc::clone(&recorder));
        self.refuse_reverted(&recorder);
        self.follow_version(&recorder).await
    }

    /// Tells those who wait for an invocation that is no more; who waits for the one that runs again goes on waiting.
    pub(super) fn refuse_reverted(&mut self, recorder: &Arc<Recorder>) {
        let open = recorder
            .with(|journal, _| journal.status().current().map(|current| current.key.clone()));
        let waited_for = self.front.desk.current.as_ref().map(|current| current.key.clone());
        if waited_for.is_some() && waited_for != open {
            let worker = self.front.label.to_string();
            self.front.desk.refuse_current(&InvokeError::Reverted { worker });
        }
        self.front.nudged = false;
        self.adopt_unfinished();
    }

    /// A revert to before an update brings the former version of the component back.
    pub(super) async fn follow_version(&mut self, recorder: &Arc<Recorder>) -> Flow {
        let version = recorder.with(|journal, _| journal.status().component_version);
        if version == self.front.version.version {
            return Flow::GoOn;
        }
        // The next load finds it.
        self.leave().await
    }
}

/// The newest entry before `index` that is part of the history; entry 1 always is.
pub(super) fn before(status: &Status, index: Index) -> Index {
    let mut before = Index(index.get() - 1);
    while status.deleted.contains(before) {
        before = Index(before.get() - 1);
    }
    before
}
