//! Everything that is true of a worker, as a fold over its entries.
//!
//! **Invariant:** folding a whole log and applying its entries one by one give the same status,
//! wherever the latter is allowed. **Invariant:** the size of a status is bounded by what is alive
//! (open regions, queued invocations, live promises and resources), not by how long the worker has
//! lived; the constants here are the limits where life alone would not bound it.

mod execution;
mod fold;
mod regions;

use std::collections::BTreeMap;

use bincode::{Decode, Encode};

pub use execution::{ENDED_KEPT_MAX, Execution, MARKS_KEPT_MAX, OpenRegion, OpenWrite};
pub use fold::{FoldError, NeedsRefold};
pub use regions::{Deleted, RegionSet};

use crate::entry::{Caller, Create, FailureKind, UpdateMode, WorkerId};
use crate::index::{Index, Position, Timestamp};
use crate::payload::Payload;

/// How many finished updates are remembered of each outcome; the oldest are forgotten first.
pub const UPDATES_KEPT_MAX: usize = 64;

/// How many workers that asked for an update are remembered; those that asked first are forgotten
/// first. A worker repeats only its last call, so one of each is enough.
pub const REQUESTERS_KEPT_MAX: usize = 256;

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum WorkerState {
    /// It waits for invocations.
    Idle,
    /// An invocation is being executed.
    Running,
    /// An invocation waits, and the worker need not be in memory.
    Suspended,
    /// An operator stopped it.
    Interrupted,
    /// An invocation failed and will be tried again.
    Retrying,
    /// An invocation failed for good.
    Failed,
    /// The guest ended it.
    Exited,
    /// Replay diverged.
    Stalled,
}

/// Where execution stopped, should the log end here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Stop {
    /// Anywhere: an open atomic region was cut off, and has to run again.
    #[default]
    Anywhere,
    /// In a wait, from which a worker that left memory goes on as if it had stayed.
    Asleep,
    /// After going back in the history, from where it goes on at once.
    Returned,
}

/// The status of a worker after its last entry. Public fields are for reading; only the fold
/// changes them.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Status {
    /// What the worker was made from.
    pub create: Create,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its newest entry was made.
    pub updated_at: Timestamp,
    /// Its newest entry.
    pub last_index: Index,
    /// Length of its log in bytes, frames included.
    pub log_bytes: u64,
    /// What it is doing.
    pub state: WorkerState,
    /// The version of the component that it runs.
    pub component_version: u64,
    /// What the guest's execution has come to.
    pub execution: Execution,
    /// Invocations that are queued, by the index of their `Accepted` hint.
    pub accepted: BTreeMap<Index, AcceptedInvocation>,
    /// The last failure that was not overcome.
    pub failure: Option<LastFailure>,
    /// Entries that are no longer part of the history.
    pub deleted: Deleted,
    /// Exported resources that the worker owns, by their number.
    pub resources: BTreeMap<u64, OwnedResource>,
    /// Linear memory after the last invocation, in bytes.
    pub memory_bytes: u64,
    /// Promises that were made and not deleted, by their name.
    pub promises: BTreeMap<Index, Promise>,
    /// What the worker waits for while it is suspended, where it is a time; the beginning of time
    /// once what it waited for may have come.
    pub suspended_until: Option<Timestamp>,
    /// Requested, done and failed updates.
    pub updates: Updates,
    /// Where replay starts, if it is not the beginning.
    pub base: Option<SnapshotBase>,
    /// Whether execution stopped where it can go on, should the log end here.
    pub stop: Stop,
    /// Why the worker is stalled, where it is.
    pub stalled: Option<Stall>,
    /// The exit code, where the guest ended the worker.
    pub exit_code: Option<u32>,
    /// Whose logs this one began as a copy of, the earliest first.
    pub origins: Vec<Origin>,
    /// A guest's own snapshot that a new version was given and that becomes the base once the
    /// update is done.
    pub loading: Option<SnapshotBase>,
    /// The updates that workers asked for, the last one of each, at most [`REQUESTERS_KEPT_MAX`].
    pub requesters: Vec<Requester>,
    /// What the loads of snapshots brought into the log, each up to the entry that made it count.
    pub loads: RegionSet,
    /// The promise for which the worker is suspended, where it is one.
    pub awaited: Option<Index>,
    /// The last wish that an invocation come to an end.
    pub cancel: Option<CancelRequest>,
}

/// A wish that a running invocation come to an end.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CancelRequest {
    /// The index of its entry.
    pub requested: Index,
    /// The idempotency key of the invocation.
    pub key: String,
}

/// A worker's call that asked for an update.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Requester {
    /// The call.
    pub call: Caller,
    /// The version that it asked for.
    pub version: u64,
    /// How.
    pub mode: UpdateMode,
}

/// Another worker whose log the beginning of this one was copied from.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Origin {
    /// The other worker.
    pub source: WorkerId,
    /// The last entry that was copied.
    pub at: Index,
}

/// A queued invocation.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AcceptedInvocation {
    /// Its idempotency key.
    pub key: String,
    /// The full name of the exported function.
    pub function: String,
    /// Of function and request.
    pub fingerprint: u64,
    /// Not to be started before this time.
    pub due: Option<Timestamp>,
}

/// The invocation that is being executed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CurrentInvocation {
    /// Its idempotency key.
    pub key: String,
    /// The index of its `InvocationStarted`.
    pub started: Index,
    /// The full name of the exported function.
    pub function: String,
    /// Of function and request.
    pub fingerprint: u64,
}

/// The last failure of an execution that has not been overcome since.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LastFailure {
    /// The index of its entry.
    pub index: Index,
    /// The position reached.
    pub position: Position,
    /// How often execution has failed there.
    pub attempts: u32,
    /// What sort of failure it is.
    pub kind: FailureKind,
    /// Message and backtrace for a reader.
    pub message: String,
    /// When it is tried again; `None` where it is not.
    pub retry_at: Option<Timestamp>,
}

impl LastFailure {
    /// Whether it is not tried again by itself.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.retry_at.is_none()
    }
}

/// An exported resource.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OwnedResource {
    /// The full name of its type.
    pub resource: String,
    /// The constructor's arguments as WAVE text.
    pub params: String,
}

/// A promise that was made and not deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Promise {
    /// The index of the hint that completed it, and what the one who awaits it gets.
    pub completed: Option<(Index, Payload)>,
    /// The call that completed it, where it was one of a worker.
    pub completer: Option<Caller>,
}

/// An update that was asked for and has not happened yet.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PendingUpdate {
    /// The index of the request.
    pub requested: Index,
    /// The version to go over to.
    pub version: u64,
    /// How.
    pub mode: UpdateMode,
}

/// An update that did not happen.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FailedUpdate {
    /// The version that the worker should have gone over to.
    pub version: u64,
    /// Why it did not.
    pub details: String,
}

/// The updates of a worker, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Updates {
    /// Asked for.
    pub pending: Vec<PendingUpdate>,
    /// Versions gone over to, at most [`UPDATES_KEPT_MAX`].
    pub successful: Vec<u64>,
    /// Not gone over to, at most [`UPDATES_KEPT_MAX`].
    pub failed: Vec<FailedUpdate>,
}

/// A guest's own snapshot from which replay starts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SnapshotBase {
    /// The `SnapshotLoaded` entry. Replay starts after it.
    pub index: Index,
    /// The version that loaded it.
    pub version: u64,
    /// What the runtime saved: what the guest's load function is given, and what goes with it.
    pub data: Payload,
}

/// Why a worker is stalled.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Stall {
    /// The entry that replay could not meet.
    pub entry: Index,
    /// What is recorded there.
    pub recorded: String,
    /// What the component asked for.
    pub asked: String,
}

impl Status {
    /// The invocation that is being executed, if any.
    #[must_use]
    pub fn current(&self) -> Option<&CurrentInvocation> {
        self.execution.current.as_ref()
    }

    /// The entry that asks for the end of the invocation that is being executed, if there is one.
    #[must_use]
    pub fn cancel_requested(&self) -> Option<Index> {
        let (current, cancel) = (self.current()?, self.cancel.as_ref()?);
        let is_meant = cancel.key == current.key && current.started < cancel.requested;
        is_meant.then_some(cancel.requested)
    }

    /// The worker that wrote the entry at `index` before it was copied here; `None` for an entry of
    /// this worker's own.
    #[must_use]
    pub fn origin_of(&self, index: Index) -> Option<&WorkerId> {
        let origin = self.origins.iter().find(|origin| index <= origin.at)?;
        Some(&origin.source)
    }

    /// Whether this very call asked for this update before.
    #[must_use]
    pub fn was_requested_by(&self, version: u64, mode: UpdateMode, call: &Caller) -> bool {
        let mut known = self.requesters.iter();
        known.any(|known| known.call == *call && known.version == version && known.mode == mode)
    }

    /// Retries after the last failure's first execution, the one that is still to come included.
    #[must_use]
    pub fn retry_count(&self) -> u32 {
        self.failure
            .as_ref()
            .map_or(0, |failure| failure.attempts.saturating_sub(u32::from(failure.is_final())))
    }
}
