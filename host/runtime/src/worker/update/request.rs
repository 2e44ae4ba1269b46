//! Where updates are asked for, and who hears which version runs.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use everlog_oplog::status::PendingUpdate;
use everlog_oplog::{Caller, Journal, Status, Timestamp, UpdateMode, WorkerState as Life};
use tokio::sync::oneshot;

use super::versions::Versions;
use crate::cluster::Request;
use crate::component::ComponentVersion;
use crate::durable::Recorder;
use crate::error::WorkerError;
use crate::shared::Shared;
use crate::worker::WorkerId;
use crate::worker::desk::Desk;
use crate::worker::front::Front;
use crate::worker::message::{Message, Reply};

/// Updates that may wait for one worker.
const PENDING_MAX: usize = 64;

/// An update that somebody asks for.
pub(crate) struct UpdateRequest {
    pub(crate) version: Arc<ComponentVersion>,
    pub(crate) mode: UpdateMode,
    /// The call, where a worker makes it.
    pub(crate) requester: Option<Caller>,
}

/// Whether the execution can be cut off without leaving a write behind of which nobody knows whether it happened, and
/// that must not be repeated.
pub(in crate::worker) fn is_safe_to_cut_off(status: &Status) -> bool {
    status.execution.open_writes.values().all(|write| write.idempotent)
}

impl Shared {
    /// Asks a worker to go over to another version of its component; returns once that is durable.
    pub(crate) async fn update(
        self: &Arc<Self>,
        worker: &WorkerId,
        version: u64,
        mode: UpdateMode,
        requester: Option<Caller>,
    ) -> Result<(), WorkerError> {
        let here = self.update_here(worker, version, mode, requester.clone()).await;
        let Err(WorkerError::Elsewhere { .. }) = here else { return here };
        let request = Request::Update { worker: worker.into(), version, mode, requester };
        self.ask_owner(worker, &request).await.map(drop)
    }

    /// As [`Shared::update`], of a worker of this node.
    pub(crate) async fn update_here(
        self: &Arc<Self>,
        worker: &WorkerId,
        version: u64,
        mode: UpdateMode,
        requester: Option<Caller>,
    ) -> Result<(), WorkerError> {
        let component = worker.component.to_string();
        let version = self.catalog.version(&component, version).await?;
        let request = UpdateRequest { version, mode, requester };
        let (reply, answer) = oneshot::channel();
        self.deliver(worker, Message::Update { request, reply }).await?;
        answer.await.unwrap_or_else(|_| Err(self.unanswered(worker)))
    }
}

impl Front {
    /// Records the request; answers when it is durable.
    pub(in crate::worker) fn request_update(
        &mut self,
        recorder: &Arc<Recorder>,
        request: UpdateRequest,
        reply: Reply<Result<(), WorkerError>>,
    ) {
        let UpdateRequest { version, mode, requester } = request;
        let number = version.version;
        let requested = recorder.with(|journal, now| {
            record_request(journal, &self.label, number, mode, requester, now)
        });
        match requested {
            Err(refused) => return drop(reply.send(Err(refused))),
            // The call is made again, and what it asked for is in the log.
            Ok(false) => {}
            Ok(true) => {
                if mode == UpdateMode::Snapshot {
                    self.desk.update();
                }
                self.coming.push(version);
                self.tell_versions(recorder);
            }
        }
        recorder.flush_with(
            Vec::new(),
            Box::new(move |stored| drop(reply.send(stored.map_err(WorkerError::from)))),
        );
    }

    /// Takes in which updates the worker's own guest has asked for: it records them itself.
    pub(in crate::worker) async fn take_in_own_updates(&mut self, recorder: &Arc<Recorder>) {
        if !self.handle.updates_itself.swap(false, Ordering::AcqRel) {
            return;
        }
        let pending = recorder.with(|journal, _| journal.status().updates.pending.clone());
        let by_snapshot = pending.iter().filter(|update| update.mode == UpdateMode::Snapshot);
        for _ in self.desk.updates()..by_snapshot.count() {
            self.desk.update();
        }
        self.coming.clear();
        self.fetch_coming(&pending).await;
        self.tell_versions(recorder);
    }

    /// Whether the execution is to be cut off for an update: not while a write that must not be
    /// repeated is on its way, nor while an update is being carried out.
    pub(in crate::worker) fn update_is_due(&self, recorder: &Recorder) -> bool {
        recorder.with(|journal, _| {
            let status = journal.status();
            super::due(status).is_some()
                && journal.rehearsal().is_none()
                && is_safe_to_cut_off(status)
        })
    }

    /// After a load: fetches the versions that the log says are to come.
    pub(in crate::worker) async fn restore_updates(&mut self, status: &Status) {
        self.fetch_coming(&status.updates.pending).await;
    }

    async fn fetch_coming(&mut self, pending: &[PendingUpdate]) {
        for update in pending {
            let component = self.worker.component.to_string();
            // One that cannot be had is found out when its turn comes.
            if let Ok(version) = self.shared.catalog.version(&component, update.version).await {
                self.coming.push(version);
            }
        }
    }

    /// Tells callers which versions they may mean.
    pub(in crate::worker) fn tell_versions(&mut self, recorder: &Recorder) {
        let pending: Vec<u64> = recorder.with(|journal, _| {
            journal.status().updates.pending.iter().map(|update| update.version).collect()
        });
        self.coming.retain(|version| pending.contains(&version.version));
        let current = Arc::clone(self.before_trial.as_ref().unwrap_or(&self.version));
        self.handle.versions.set(Versions { current, coming: self.coming.clone() });
    }
}

impl Desk {
    /// Queues what the log says waits: accepted calls, and updates that wait for their turn.
    pub(in crate::worker) fn restore(&mut self, status: &Status) {
        let waits = |mode| mode == UpdateMode::Snapshot;
        let updates = status.updates.pending.iter().filter(|update| waits(update.mode));
        let mut updates = updates.map(|update| update.requested).peekable();
        for (index, call) in &status.accepted {
            while updates.next_if(|update| update < index).is_some() {
                self.update();
            }
            self.accepted(*index, call.due);
        }
        updates.for_each(|_| self.update());
    }
}

/// Records a request; false where the very call that makes it has made it before.
pub(crate) fn record_request(
    journal: &mut Journal,
    label: &str,
    version: u64,
    mode: UpdateMode,
    requester: Option<Caller>,
    now: Timestamp,
) -> Result<bool, WorkerError> {
    let status = journal.status();
    let again = |call: &Caller| status.was_requested_by(version, mode, call);
    if requester.as_ref().is_some_and(again) {
        return Ok(false);
    }
    if let Some(refused) = refuse(status, label) {
        return Err(refused);
    }
    match requester {
        Some(call) => journal.update_requested_by(version, mode, call, now),
        None => {
            journal.update_requested(version, mode, now);
            true
        }
    };
    Ok(true)
}

fn refuse(status: &Status, label: &str) -> Option<WorkerError> {
    let worker = || label.to_owned();
    if status.create.ephemeral {
        return Some(WorkerError::Ephemeral { worker: worker() });
    }
    if status.state == Life::Exited {
        let code = status.exit_code.unwrap_or_default();
        return Some(WorkerError::Exited { worker: worker(), code });
    }
    let full = status.updates.pending.len() >= PENDING_MAX;
    full.then(|| WorkerError::TooManyUpdates { worker: worker(), limit: PENDING_MAX })
}
