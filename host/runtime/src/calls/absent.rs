//! Callers that have left memory while they wait for an answer.
//!
//! A worker that waits for another keeps its instance. Were all instances kept by workers that wait, those that they
//! wait for could never run; so a caller gives its instance back when another worker needs one, and after a while
//! anyhow. Its log says that it is to go on at once: whoever loads it next, after a crash or on another node, has it ask
//! again under the same key. As long as this process lives, it is loaded when the answer is there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::AbortHandle;

use super::{CallFailure, Meanwhile, Parcel};
use crate::clock;
use crate::shared::Shared;
use crate::worker::{Message, SendError, WorkerId};

/// Between two attempts to tell a caller with a full mailbox.
const TELL_AGAIN: Duration = Duration::from_millis(100);

/// Which callers wait outside of memory.
#[derive(Debug, Default)]
pub(crate) struct AbsentCallers {
    waiting: Mutex<HashMap<WorkerId, Absent>>,
    /// Calls that must not be waited for, by callers that will hear so when they ask again.
    refused: Mutex<HashMap<WorkerId, (String, CallFailure)>>,
}

/// What a caller waits for.
#[derive(Debug)]
struct Absent {
    /// The key of its call.
    key: String,
    carrier: AbortHandle,
}

impl AbsentCallers {
    /// Whether a worker is loaded when its answer comes, so that nothing else needs to.
    pub(crate) fn has(&self, worker: &WorkerId) -> bool {
        self.lock().contains_key(worker)
    }

    /// Lets a worker that goes on, for whatever reason, wait for nothing: what it waits for next, it says itself.
    pub(crate) fn forget(&self, worker: &WorkerId) {
        if let Some(absent) = self.lock().remove(worker) {
            absent.carrier.abort();
        }
    }

    /// What a caller is told of a call that it asks for again, if that was refused while it was away.
    pub(super) fn take_refusal(&self, worker: &WorkerId, key: &str) -> Option<CallFailure> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.get(worker).is_none_or(|(of, _)| of != key) {
            return None;
        }
        refused.remove(worker).map(|(_, failure)| failure)
    }

    fn refuse(&self, worker: WorkerId, key: String, failure: CallFailure) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.insert(worker, (key, failure));
    }

    /// The answer of a call is there.
    fn answered(&self, worker: &WorkerId, key: &str) {
        let mut absent = self.lock();
        if absent.get(worker).is_some_and(|absent| absent.key == key) {
            absent.remove(worker);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkerId, Absent>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Makes a call for a worker that leaves memory, and has it go on when there is an outcome.
    pub(super) fn carry_for_absent(self: &Arc<Self>, caller: WorkerId, parcel: Parcel) {
        self.absent_callers.forget(&caller);
        let (worker, key) = (caller.clone(), parcel.key.clone());
        let shared = Arc::clone(self);
        // Nothing is answered before it is noted: that waits for this lock.
        let mut absent = self.absent_callers.lock();
        let carrying = tokio::spawn(async move {
            // The outcome is asked for again by the caller itself, which then records it.
            let outcome = shared.carry(&caller, &parcel, Meanwhile::StandsStill).await;
            if let Err(failure @ CallFailure::Denied(_)) = outcome {
                shared.absent_callers.refuse(caller.clone(), parcel.key.clone(), failure);
            }
            shared.absent_callers.answered(&caller, &parcel.key);
            while let Err(SendError::Full) =
                shared.registry.send(&shared, &caller, Message::Answered).await
            {
                clock::pause(TELL_AGAIN).await;
            }
        });
        absent.insert(worker, Absent { key, carrier: carrying.abort_handle() });
    }
}
