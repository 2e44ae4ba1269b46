//! Automatic updates: the new version replays the whole history in the worker's place.
//!
//! Until it has met the last recorded entry it writes nothing, so that a version that does not fit
//! leaves only the entry that says so. The journal itself records the take-over, before anything
//! that the new version does beyond the history; the task notices here.

use std::sync::Arc;
use std::time::Duration;

use everlog_oplog::status::PendingUpdate;
use everlog_oplog::{Divergence, FailureKind, Rehearsal, UpdateMode, WorkerState as Life};

use super::Patience;
use crate::clock;
use crate::component::ComponentVersion;
use crate::durable::Recorder;
use crate::error::{ComponentError, InvokeError};
use crate::worker::execute::End;
use crate::worker::front::{self, Front};
use crate::worker::task::{Flow, Task};

/// A host without room for the new version is asked again after this time.
const ROOM_AFTER: Duration = Duration::from_millis(500);

impl Task {
    /// Carries out the first pending update, which does not wait for its turn.
    pub(in crate::worker) async fn update(&mut self, update: PendingUpdate) -> Flow {
        let Some(recorder) = self.recorder() else { return Flow::GoOn };
        let life = recorder.with(|journal, _| journal.status().state);
        let version = update.version;
        match (life, update.mode) {
            (Life::Exited, _) => {
                self.update_failed(&recorder, version, "the worker has exited".to_owned());
                Flow::GoOn
            }
            (_, UpdateMode::Snapshot) => {
                let details = "an invocation of the worker has failed, and a snapshot is taken \
                               between two invocations; resume or revert it first, or have the new \
                               version replay its history (mode automatic)";
                self.update_failed(&recorder, version, details.to_owned());
                Flow::GoOn
            }
            (life, UpdateMode::Automatic) => self.try_version(version, life).await,
        }
    }

    async fn try_version(&mut self, number: u64, life: Life) -> Flow {
        // From the log, as a start of the server would: with whatever the execution left undone.
        if self.reopen().await == Flow::Leave {
            return Flow::Leave;
        }
        let Some(recorder) = self.recorder() else { return Flow::GoOn };
        let uncertain =
            recorder.with(|journal, _| journal.uncertain_write().map(ToString::to_string));
        let version = match (self.front.fetch(number).await, uncertain) {
            (Ok(version), None) => version,
            (Err(error), _) => return self.refuse_version(&recorder, number, error.to_string()),
            (_, Some(uncertain)) => return self.refuse_version(&recorder, number, uncertain),
        };
        let at_rest = matches!(life, Life::Interrupted | Life::Suspended);
        let aim = match at_rest {
            true => Rehearsal::TakeOverAtRest { version: number },
            false => Rehearsal::TakeOver { version: number },
        };
        recorder.with(|journal, _| journal.rehearse(aim));
        let former = std::mem::replace(&mut self.front.version, version);
        self.front.before_trial = Some(former);
        let flow = self.advance().await;
        if let Some(recorder) = self.recorder() {
            self.front.follow(&recorder);
        }
        flow
    }

    fn refuse_version(&mut self, recorder: &Arc<Recorder>, number: u64, why: String) -> Flow {
        self.update_failed(recorder, number, why);
        Flow::GoOn
    }

    /// A replay did not end well. Where it was a trial, deals with that.
    pub(in crate::worker) async fn end_trial(
        &mut self,
        recorder: &Arc<Recorder>,
        divergence: &Divergence,
    ) -> Option<Flow> {
        let (aim, halted) = recorder.with(|journal, _| (journal.rehearsal(), journal.has_halted()));
        let version = match aim? {
            _ if halted => return Some(self.taken_over_at_rest(recorder).await),
            Rehearsal::TakeOver { version } | Rehearsal::TakeOverAtRest { version } => version,
            Rehearsal::Check => return None,
        };
        // The new version does not fail where the old one did: it is tried once more, without the
        // last steps to that failure.
        if recorder.with(|journal, now| journal.cut_failure(divergence, now)) {
            return Some(self.reopen().await);
        }
        let Divergence { index, recorded, asked } = divergence;
        let details =
            format!("at entry {index}: recorded is {recorded}, but the version asks for {asked}");
        self.update_failed(recorder, version, details);
        Some(self.reopen().await)
    }

    /// The new version has met the whole history of a worker that is not to go on now.
    pub(in crate::worker) async fn taken_over_at_rest(&mut self, recorder: &Arc<Recorder>) -> Flow {
        recorder.with(|journal, now| journal.conclude(now));
        self.front.before_trial = None;
        self.front.tell_versions(recorder);
        self.reopen().await
    }

    /// The host has no room for the new version: the update waits, and the worker with it.
    pub(in crate::worker) async fn postpone_update(&mut self) -> Flow {
        let flow = self.reopen().await;
        clock::pause(ROOM_AFTER).await;
        flow
    }

    /// Records that the worker stays on its version. What is left of the attempt is the caller's
    /// business.
    pub(in crate::worker) fn update_failed(
        &mut self,
        recorder: &Arc<Recorder>,
        version: u64,
        details: String,
    ) {
        tracing::warn!(worker = %self.front.label, version, details, "the update has failed");
        recorder.with(|journal, now| journal.update_failed(version, details, now));
        self.front.leave_trial();
        self.front.tell_versions(recorder);
        recorder.flush();
        let (life, stalled, failure) = recorder.with(|journal, _| {
            let status = journal.status();
            let failure = status.failure.as_ref().map(|failure| failure.message.clone());
            (status.state, front::stalled(self.front.label.to_string(), status), failure)
        });
        let worker = self.front.label.to_string();
        let message = failure.unwrap_or_default();
        // Those who came while the update was pending waited for the worker to be revived.
        match life {
            Life::Failed => {
                self.front.desk.refuse_direct(&InvokeError::PreviousFailed { worker, message });
            }
            Life::Stalled => self.front.desk.refuse_direct(&stalled),
            _ => {}
        }
    }
}

impl Front {
    /// A version of the worker's component.
    pub(super) async fn fetch(
        &self,
        version: u64,
    ) -> Result<Arc<ComponentVersion>, ComponentError> {
        let component = self.worker.component.to_string();
        self.shared.catalog.version(&component, version).await
    }

    /// Notices that the version that is being tried has taken over. To be asked now and then while
    /// a guest runs, and when it has stopped.
    pub(in crate::worker) fn follow(&mut self, recorder: &Arc<Recorder>) {
        if self.before_trial.is_none() {
            return;
        }
        let (over, current) = recorder.with(|journal, now| {
            if !journal.has_halted() {
                journal.conclude(now);
            }
            let current = journal.status().current();
            let current = current.map(|current| (current.key.clone(), current.fingerprint));
            (journal.rehearsal().is_none(), current)
        });
        if !over {
            return;
        }
        self.before_trial = None;
        // What failed runs again: who sends its key waits for its end.
        if let (None, Some((key, fingerprint))) = (&self.desk.current, current) {
            self.desk.begin(key, fingerprint, true, None);
        }
        self.tell_versions(recorder);
        recorder.flush();
    }

    /// To be asked now and then while a guest runs: how its trial ends, if it does.
    pub(in crate::worker) fn look_after_trial(
        &mut self,
        recorder: &Arc<Recorder>,
        patience: &mut Patience,
    ) -> Option<End> {
        self.follow(recorder);
        self.before_trial.as_ref()?;
        recorder.with(|journal, _| {
            if journal.has_halted() {
                return Some(End::Halted);
            }
            let message = patience.is_over(journal)?;
            Some(End::Failed { kind: FailureKind::HostError, message })
        })
    }

    /// The version before the trial is the worker's again.
    pub(in crate::worker) fn leave_trial(&mut self) {
        if let Some(former) = self.before_trial.take() {
            self.version = former;
        }
    }
}

/// What a version that is tried was expected to do next, for a report on one that cannot go on.
pub(crate) fn expected(recorder: &Recorder, asked: String) -> Divergence {
    recorder.with(|journal, _| {
        let (index, recorded) = journal
            .expected()
            .unwrap_or_else(|| (journal.last_index().next(), "the end of the history".to_owned()));
        Divergence { index, recorded, asked }
    })
}
