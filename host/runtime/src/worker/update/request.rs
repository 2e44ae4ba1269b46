//! Where updates are asked for, and who hears which version runs.

use std::sync::Arc;

use everlog_oplog::{Status, UpdateMode, WorkerState as Life};

use super::versions::Versions;
use crate::component::ComponentVersion;
use crate::durable::Recorder;
use crate::error::WorkerError;
use crate::worker::desk::Desk;
use crate::worker::front::Front;
use crate::worker::message::Reply;

/// Updates that may wait for one worker.
const PENDING_MAX: usize = 64;

/// An update that somebody asks for.
pub(crate) struct UpdateRequest {
    pub(crate) version: Arc<ComponentVersion>,
    pub(crate) mode: UpdateMode,
}

impl Front {
    /// Records the request; answers when it is durable.
    pub(in crate::worker) fn request_update(
        &mut self,
        recorder: &Arc<Recorder>,
        request: UpdateRequest,
        reply: Reply<Result<(), WorkerError>>,
    ) {
        let UpdateRequest { version, mode } = request;
        let refused = recorder.with(|journal, _| self.refuse_update(journal.status()));
        if let Some(refused) = refused {
            return drop(reply.send(Err(refused)));
        }
        let number = version.version;
        recorder.with(|journal, now| journal.update_requested(number, mode, now));
        if mode == UpdateMode::Snapshot {
            self.desk.update();
        }
        self.coming.push(version);
        self.tell_versions(recorder);
        recorder.flush_with(
            Vec::new(),
            Box::new(move |stored| drop(reply.send(stored.map_err(WorkerError::from)))),
        );
    }

    fn refuse_update(&self, status: &Status) -> Option<WorkerError> {
        let worker = || self.label.to_string();
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

    /// Whether the execution is to be cut off for an update: not while a write that must not be
    /// repeated is on its way, nor while an update is being carried out.
    pub(in crate::worker) fn update_is_due(&self, recorder: &Recorder) -> bool {
        recorder.with(|journal, _| {
            let status = journal.status();
            let writes = || status.execution.open_writes.values();
            super::due(status).is_some()
                && journal.rehearsal().is_none()
                && writes().all(|write| write.idempotent)
        })
    }

    /// After a load: fetches the versions that the log says are to come.
    pub(in crate::worker) async fn restore_updates(&mut self, status: &Status) {
        for update in &status.updates.pending {
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
