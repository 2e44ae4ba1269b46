//! What can be in a log.

mod parts;
mod policy;

use bincode::{Decode, Encode};

pub use parts::{
    Caller, Category, ComponentId, Create, FailureKind, FunctionName, JumpReason, LogLevel,
    LogStream, PersistenceLevel, TraceContext, UpdateMode, WorkerId,
};
pub use policy::RetryPolicy;

use crate::index::{Index, Position, Region, Timestamp};
use crate::payload::{Excerpt, Payload};

/// One record of a log.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Entry {
    /// When it was made, by the wall clock of the host. It orders nothing; the index does.
    pub timestamp: Timestamp,
    /// What it says.
    pub kind: EntryKind,
}

/// What an entry says.
///
/// **The order of the kinds and of their fields is the storage format.** Kinds are only added at
/// the end; a kind that needs another field becomes another kind, or a new format version.
///
/// Kinds are of three sorts. *Replayed* ones are met by the replay cursor in order, each by the
/// call that made it. *Structure* ([`Jump`](Self::Jump), [`Revert`](Self::Revert)) takes other
/// entries out of the history. *Hints* are facts that no call of the guest waits for, and the
/// cursor passes over them.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum EntryKind {
    /// Replayed: the worker exists from here on. Always entry 1 and nowhere else.
    Create(Create),
    /// Replayed: an invocation began. Its state lasts until the next `InvocationCompleted`.
    InvocationStarted {
        /// The idempotency key of the invocation.
        key: String,
        /// The [`Accepted`](Self::Accepted) hint that holds the request, where it was queued
        /// durably before.
        accepted: Option<Index>,
        /// The arguments, encoded by the runtime; `None` where `accepted` holds them.
        request: Option<Payload>,
        /// The full name of the exported function.
        function: String,
        /// Of function and request, so that the same key with other arguments can be refused.
        fingerprint: u64,
        /// The caller's span.
        trace: Option<TraceContext>,
    },
    /// Replayed: the running invocation returned.
    InvocationCompleted {
        /// The result, encoded by the runtime. Replay must return the same one.
        result: Payload,
        /// Linear memory of the worker at this point, in bytes. Not compared by replay.
        memory_bytes: u64,
    },
    /// Replayed: a host function was called and its outcome was seen by the guest.
    HostCall {
        /// The full name of the host function.
        function: FunctionName,
        /// What sort of effect it is.
        category: Category,
        /// Of function and request, compared by replay.
        fingerprint: u64,
        /// The request, for remote categories only.
        request: Option<Excerpt>,
        /// The [`WriteBegin`](Self::WriteBegin) that this is the outcome of, where there is one.
        begin: Option<Index>,
        /// What the function returned, encoded by the runtime.
        outcome: Payload,
    },
    /// Replayed: a remote write is about to happen, or to be in flight beside others.
    WriteBegin {
        /// The full name of the host function.
        function: FunctionName,
        /// Of function and request, compared by replay.
        fingerprint: u64,
        /// The request.
        request: Excerpt,
        /// Whether it may be done again where its outcome is unknown.
        idempotent: bool,
    },
    /// Replayed: a mark in the log that the guest can return to.
    NoOp,
    /// Replayed: the guest opened an atomic region.
    AtomicBegin,
    /// Replayed: the guest closed the atomic region that began at `begin`, and all regions within
    /// it.
    AtomicEnd {
        /// The [`AtomicBegin`](Self::AtomicBegin).
        begin: Index,
    },
    /// Replayed: the guest chose what is recorded.
    SetPersistenceLevel(PersistenceLevel),
    /// Replayed: the guest said whether its remote writes may be repeated.
    SetIdempotence(bool),
    /// Replayed: the guest chose how its failures are retried.
    SetRetryPolicy(RetryPolicy),
    /// Replayed: the guest made a promise, whose name is the index of this entry.
    PromiseCreated,
    /// Replayed: the guest deleted its promise.
    PromiseDeleted {
        /// The [`PromiseCreated`](Self::PromiseCreated).
        promise: Index,
    },

    /// Structure: execution went back; what is deleted includes this entry.
    Jump {
        /// The entries that are no longer part of the history.
        deleted: Region,
        /// Who went back.
        reason: JumpReason,
    },
    /// Structure: an operator took back part of the history, this entry included.
    Revert {
        /// The entries that are no longer part of the history.
        deleted: Region,
    },

    /// Hint: an invocation is queued, and its caller knows it.
    Accepted {
        /// The idempotency key of the invocation.
        key: String,
        /// The full name of the exported function.
        function: String,
        /// The arguments, encoded by the runtime.
        request: Payload,
        /// Of function and request.
        fingerprint: u64,
        /// Not to be started before this time.
        due: Option<Timestamp>,
        /// The caller's span.
        trace: Option<TraceContext>,
    },
    /// Hint: a queued invocation will not be started.
    Cancelled {
        /// The idempotency key of the invocation.
        key: String,
        /// Why, for a reader.
        reason: String,
    },
    /// Hint: execution failed.
    Failed {
        /// The position reached, by which attempts are counted.
        position: Position,
        /// How often execution has failed there, counting this failure.
        attempt: u32,
        /// What sort of failure it is.
        kind: FailureKind,
        /// Message and backtrace for a reader, at most [`crate::journal::MAX_TEXT_BYTES`].
        message: String,
        /// When it is tried again; `None` where it is not.
        retry_at: Option<Timestamp>,
    },
    /// Hint: the worker left memory while it waits.
    Suspended {
        /// For this time, or for something else to wake it.
        until: Option<Timestamp>,
    },
    /// Hint: what the worker waited for has come.
    Woken,
    /// Hint: an operator stopped the worker.
    Interrupted,
    /// Hint: an operator let a stopped, failed or stalled worker go on, with all attempts before
    /// it.
    Resumed,
    /// Hint: the guest ended its worker.
    Exited {
        /// The exit code.
        code: u32,
    },
    /// Hint: replay asked for something other than what is recorded.
    Stalled {
        /// The recorded entry, or the first free index where more was asked for than is recorded.
        entry: Index,
        /// What is recorded there.
        recorded: String,
        /// What the component asked for.
        asked: String,
    },
    /// Hint: the guest printed a line.
    Log {
        /// Where to.
        stream: LogStream,
        /// How important, on [`LogStream::Log`].
        level: Option<LogLevel>,
        /// What it is about, on [`LogStream::Log`].
        context: Option<String>,
        /// The line without its newline, at most [`crate::journal::MAX_TEXT_BYTES`].
        message: String,
    },
    /// Hint: the worker owns another exported resource.
    ResourceCreated {
        /// Its number within the worker.
        id: u64,
        /// The full name of its type.
        resource: String,
        /// The constructor's arguments as WAVE text.
        params: String,
    },
    /// Hint: an exported resource is gone.
    ResourceDropped {
        /// Its number within the worker.
        id: u64,
    },
    /// Hint: somebody completed a promise of this worker. The first completion counts.
    PromiseCompleted {
        /// The [`PromiseCreated`](Self::PromiseCreated).
        promise: Index,
        /// What the one who awaits it gets.
        data: Payload,
    },
    /// Hint: the worker is to go over to another version of its component.
    UpdateRequested {
        /// The version.
        version: u64,
        /// How.
        mode: UpdateMode,
    },
    /// Hint: the worker runs on another version from here on.
    UpdateDone {
        /// The version.
        version: u64,
    },
    /// Hint: the worker stays on its version.
    UpdateFailed {
        /// The version it should have gone over to.
        version: u64,
        /// Why it did not, for a reader.
        details: String,
    },
    /// Hint: a new version is given the guest's own snapshot. Once the
    /// [`UpdateDone`](Self::UpdateDone) behind it says so, replay starts here.
    SnapshotLoaded {
        /// The version that loads it.
        version: u64,
        /// What the guest's save function returned and what goes with it, encoded by the runtime.
        data: Payload,
    },
    /// Hint: an image of the instance was stored, so that replay may start after `covers`. A cache,
    /// never the truth.
    Snapshot {
        /// The last entry whose effects are in the image.
        covers: Index,
        /// SHA-256 of the image, which the store keeps beside the log.
        digest: [u8; 32],
        /// Length of the image in bytes.
        size: u64,
        /// The component version whose instance it is.
        version: u64,
    },
    /// Hint: this log began as a copy of another worker's.
    Forked {
        /// The other worker.
        source: WorkerId,
        /// The last entry that was copied.
        at: Index,
    },
    /// Hint: a worker completed a promise of this worker. As
    /// [`PromiseCompleted`](Self::PromiseCompleted), but says which call did, so that one that a
    /// crash makes again is told from another.
    PromiseCompletedBy {
        /// The [`PromiseCreated`](Self::PromiseCreated).
        promise: Index,
        /// What the one who awaits it gets.
        data: Payload,
        /// Who completed it.
        completer: Caller,
    },
    /// Hint: a worker, this one or another, asks that this one go over to another version. As
    /// [`UpdateRequested`](Self::UpdateRequested), but says which call did, so that one that a crash
    /// makes again is told from another.
    UpdateRequestedBy {
        /// The version.
        version: u64,
        /// How.
        mode: UpdateMode,
        /// Who asked.
        requester: Caller,
    },
    /// Hint: the worker left memory while it waits for a promise of its own. As
    /// [`Suspended`](Self::Suspended), but says which, so that no other wakes it.
    Awaiting {
        /// The [`PromiseCreated`](Self::PromiseCreated).
        promise: Index,
    },
    /// Hint: somebody asks that the running invocation come to an end. The guest learns of it by its
    /// next wait, whose outcome says so.
    CancelRequested {
        /// The idempotency key of the invocation.
        key: String,
    },
}

impl EntryKind {
    /// The name of the kind as the API spells it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            EntryKind::Create(_) => "create",
            EntryKind::InvocationStarted { .. } => "invocation-started",
            EntryKind::InvocationCompleted { .. } => "invocation-completed",
            EntryKind::HostCall { .. } => "host-call",
            EntryKind::WriteBegin { .. } => "write-begin",
            EntryKind::NoOp => "no-op",
            EntryKind::AtomicBegin => "atomic-begin",
            EntryKind::AtomicEnd { .. } => "atomic-end",
            EntryKind::SetPersistenceLevel(_) => "set-persistence-level",
            EntryKind::SetIdempotence(_) => "set-idempotence",
            EntryKind::SetRetryPolicy(_) => "set-retry-policy",
            EntryKind::PromiseCreated => "promise-created",
            EntryKind::PromiseDeleted { .. } => "promise-deleted",
            EntryKind::Jump { .. } => "jump",
            EntryKind::Revert { .. } => "revert",
            EntryKind::Accepted { .. } => "accepted",
            EntryKind::Cancelled { .. } => "cancelled",
            EntryKind::Failed { .. } => "failed",
            EntryKind::Suspended { .. } => "suspended",
            EntryKind::Woken => "woken",
            EntryKind::Interrupted => "interrupted",
            EntryKind::Resumed => "resumed",
            EntryKind::Exited { .. } => "exited",
            EntryKind::Stalled { .. } => "stalled",
            EntryKind::Log { .. } => "log",
            EntryKind::ResourceCreated { .. } => "resource-created",
            EntryKind::ResourceDropped { .. } => "resource-dropped",
            EntryKind::PromiseCompleted { .. } => "promise-completed",
            EntryKind::UpdateRequested { .. } => "update-requested",
            EntryKind::UpdateDone { .. } => "update-done",
            EntryKind::UpdateFailed { .. } => "update-failed",
            EntryKind::SnapshotLoaded { .. } => "snapshot-loaded",
            EntryKind::Snapshot { .. } => "snapshot",
            EntryKind::Forked { .. } => "forked",
            EntryKind::PromiseCompletedBy { .. } => "promise-completed-by",
            EntryKind::UpdateRequestedBy { .. } => "update-requested-by",
            EntryKind::Awaiting { .. } => "awaiting",
            EntryKind::CancelRequested { .. } => "cancel-requested",
        }
    }

    /// What the entry holds of bytes that may be in a blob.
    #[must_use]
    pub fn payload(&self) -> Option<&Payload> {
        match self {
            EntryKind::InvocationStarted { request, .. } => request.as_ref(),
            EntryKind::InvocationCompleted { result: payload, .. }
            | EntryKind::HostCall { outcome: payload, .. }
            | EntryKind::Accepted { request: payload, .. }
            | EntryKind::PromiseCompleted { data: payload, .. }
            | EntryKind::PromiseCompletedBy { data: payload, .. }
            | EntryKind::SnapshotLoaded { data: payload, .. } => Some(payload),
            _ => None,
        }
    }

    /// Whether the cursor must meet this entry in order.
    #[must_use]
    pub fn is_replayed(&self) -> bool {
        matches!(
            self,
            EntryKind::Create(_)
                | EntryKind::InvocationStarted { .. }
                | EntryKind::InvocationCompleted { .. }
                | EntryKind::HostCall { .. }
                | EntryKind::WriteBegin { .. }
                | EntryKind::NoOp
                | EntryKind::AtomicBegin
                | EntryKind::AtomicEnd { .. }
                | EntryKind::SetPersistenceLevel(_)
                | EntryKind::SetIdempotence(_)
                | EntryKind::SetRetryPolicy(_)
                | EntryKind::PromiseCreated
                | EntryKind::PromiseDeleted { .. }
        )
    }

    /// The region that this entry takes out of the history, where it is structure.
    #[must_use]
    pub fn deleted(&self) -> Option<Region> {
        match self {
            EntryKind::Jump { deleted, .. } | EntryKind::Revert { deleted } => Some(*deleted),
            _ => None,
        }
    }

    /// Whether the cursor passes over this entry without a call that made it.
    #[must_use]
    pub fn is_hint(&self) -> bool {
        !self.is_replayed() && self.deleted().is_none()
    }
}
