//! From entries to a status.

use std::collections::BTreeMap;

use super::{
    AcceptedInvocation, CancelRequest, Deleted, Execution, FailedUpdate, LastFailure, Origin,
    OwnedResource, PendingUpdate, Promise, REQUESTERS_KEPT_MAX, RegionSet, Requester, SnapshotBase,
    Stall, Status, Stop, UPDATES_KEPT_MAX, Updates, WorkerState,
};
use crate::codec::Decoded;
use crate::entry::{Caller, Create, Entry, EntryKind, JumpReason};
use crate::index::{Index, Region, Timestamp};
use crate::payload::Payload;

/// A whole log must be folded again, since an entry takes others out of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the entry deletes others, so that the status has to be folded from the whole log")]
pub struct NeedsRefold;

/// Entries that are no log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// There is no entry at all.
    #[error("the log is empty; a log begins with entry 1, `create`")]
    Empty,
    /// The log begins with something else.
    #[error("entry {index} is `{found}`; a log begins with entry 1, `create`")]
    NotCreated {
        /// The first entry.
        index: Index,
        /// Its kind.
        found: &'static str,
    },
    /// An entry deletes others than those up to itself, or the creation.
    #[error(
        "entry {index} deletes entries {deleted}; entries delete what is between entry 1 and them"
    )]
    Region {
        /// The entry.
        index: Index,
        /// What it deletes.
        deleted: Region,
    },
    /// Entries are missing or out of order.
    #[error("entry {found} follows entry {last}; entries follow each other without gaps")]
    Gap {
        /// The entry before the gap.
        last: Index,
        /// The entry after it.
        found: Index,
    },
}

impl Status {
    /// Folds a whole log, which is read a second time where it deletes some of its own entries.
    ///
    /// # Errors
    /// What the log itself yields, and a [`FoldError`] where its entries are no log.
    pub fn fold<I, E>(log: impl Fn() -> I) -> Result<Status, E>
    where
        I: IntoIterator<Item = Result<Decoded, E>>,
        E: From<FoldError>,
    {
        let mut fold = Fold::default();
        for decoded in log() {
            fold.add(&decoded?)?;
        }
        if !fold.refold {
            return fold.status.ok_or_else(|| FoldError::Empty.into());
        }
        Self::fold_without(&fold.deleted, log)
    }

    /// Folds a whole log of which it is known what is deleted.
    pub(crate) fn fold_without<I, E>(deleted: &Deleted, log: impl Fn() -> I) -> Result<Status, E>
    where
        I: IntoIterator<Item = Result<Decoded, E>>,
        E: From<FoldError>,
    {
        let mut status: Option<Status> = None;
        for decoded in log() {
            let Decoded { index, entry, frame_bytes } = decoded?;
            match &mut status {
                None => {
                    let mut first = Status::begin(index, &entry, frame_bytes)?;
                    first.deleted = deleted.clone();
                    status = Some(first);
                }
                Some(status) => status.fold_next(&entry, index, frame_bytes),
            }
        }
        status.ok_or_else(|| FoldError::Empty.into())
    }

    /// Takes in the next entry, whose frame has `frame_bytes` bytes.
    ///
    /// # Errors
    /// [`NeedsRefold`] where the entry deletes others; the status is unchanged then.
    pub fn apply(
        &mut self,
        entry: &Entry,
        index: Index,
        frame_bytes: usize,
    ) -> Result<(), NeedsRefold> {
        if entry.kind.deleted().is_some() {
            return Err(NeedsRefold);
        }
        self.fold_next(entry, index, frame_bytes);
        Ok(())
    }

    /// The status after entry 1.
    pub(crate) fn begin(
        index: Index,
        entry: &Entry,
        frame_bytes: usize,
    ) -> Result<Status, FoldError> {
        match &entry.kind {
            EntryKind::Create(create) if index == Index::FIRST => {
                Ok(Status::new(create.clone(), entry.timestamp, frame_bytes))
            }
            other => Err(FoldError::NotCreated { index, found: other.name() }),
        }
    }

    fn new(create: Create, created_at: Timestamp, frame_bytes: usize) -> Status {
        let mut execution = Execution::default();
        execution.apply(Index::FIRST, &EntryKind::Create(create.clone()));
        Status {
            component_version: create.component_version,
            create,
            created_at,
            updated_at: created_at,
            last_index: Index::FIRST,
            log_bytes: frame_bytes as u64,
            state: WorkerState::Idle,
            execution,
            accepted: BTreeMap::new(),
            failure: None,
            deleted: Deleted::default(),
            resources: BTreeMap::new(),
            memory_bytes: 0,
            promises: BTreeMap::new(),
            suspended_until: None,
            updates: Updates::default(),
            base: None,
            stop: Stop::Anywhere,
            stalled: None,
            exit_code: None,
            origins: Vec::new(),
            loading: None,
            requesters: Vec::new(),
            loads: RegionSet::default(),
            awaited: None,
            cancel: None,
        }
    }

    /// Takes in the next entry, of which `self.deleted` says whether it is deleted.
    #[inline]
    fn fold_next(&mut self, entry: &Entry, index: Index, frame_bytes: usize) {
        self.last_index = index;
        self.updated_at = entry.timestamp;
        self.log_bytes += frame_bytes as u64;
        if self.deleted.contains(index) {
            self.fold_deleted(&entry.kind, index);
        } else if entry.kind.is_replayed() {
            self.fold_replayed(&entry.kind, index);
        } else {
            self.fold_hint(&entry.kind, index);
        }
    }

    fn fold_replayed(&mut self, kind: &EntryKind, index: Index) {
        self.execution.apply(index, kind);
        self.stop = Stop::Anywhere;
        match kind {
            EntryKind::HostCall { .. } => {}
            EntryKind::InvocationStarted { accepted, .. } => {
                if let Some(accepted) = accepted {
                    self.accepted.remove(accepted);
                }
                self.run();
            }
            EntryKind::InvocationCompleted { memory_bytes, .. } => {
                self.memory_bytes = *memory_bytes;
                self.failure = None;
            }
            EntryKind::PromiseCreated => {
                self.promises.insert(index, Promise::default());
            }
            EntryKind::PromiseDeleted { promise } => {
                self.promises.remove(promise);
            }
            _ => {}
        }
        self.go_on();
    }

    /// Structure, which lies in the region that it deletes, and hints, which are facts even where
    /// the history around them is gone: an invocation that was accepted stays accepted, an attempt
    /// that failed stays counted.
    fn fold_deleted(&mut self, kind: &EntryKind, index: Index) {
        let reverted = self.deleted.reverted.contains(index);
        if self.deleted.counts_return(index, kind) {
            self.execution.position.returns += 1;
        }
        match kind {
            EntryKind::Jump { reason: JumpReason::AtomicRetry, .. } => self.stop = Stop::Returned,
            EntryKind::Jump { reason: JumpReason::Explicit, .. } => {
                self.stop = Stop::Returned;
                self.go_on();
            }
            EntryKind::Revert { .. } => {
                self.stop = Stop::Returned;
                // The one thing that brings back a worker that was ended.
                self.state = WorkerState::Idle;
                self.exit_code = None;
                self.loading = None;
                self.revive();
            }
            // An operator who takes back an invocation does not want it to start again from the
            // queue.
            EntryKind::InvocationStarted { accepted: Some(accepted), .. } if reverted => {
                self.accepted.remove(accepted);
            }
            // It happened and was taken back; it is not to happen again by itself.
            EntryKind::UpdateDone { version } if reverted => self.updates.settle(*version),
            EntryKind::SnapshotLoaded { .. } if reverted => {}
            // Resources live in the instance, whose history this is.
            EntryKind::ResourceCreated { .. } | EntryKind::ResourceDropped { .. } => {}
            hint if hint.is_hint() => self.fold_hint(hint, index),
            _ => {}
        }
    }

    fn fold_hint(&mut self, kind: &EntryKind, index: Index) {
        match kind {
            EntryKind::Log { .. } => {}
            EntryKind::Accepted { key, function, fingerprint, due, .. } => {
                let accepted = AcceptedInvocation {
                    key: key.clone(),
                    function: function.clone(),
                    fingerprint: *fingerprint,
                    due: *due,
                };
                self.accepted.insert(index, accepted);
            }
            EntryKind::Cancelled { key, .. } => {
                self.accepted.retain(|_, accepted| accepted.key != *key);
            }
            EntryKind::ResourceCreated { id, resource, params } => {
                let owned = OwnedResource { resource: resource.clone(), params: params.clone() };
                self.resources.insert(*id, owned);
            }
            EntryKind::ResourceDropped { id } => {
                self.resources.remove(id);
            }
            EntryKind::PromiseCompleted { promise, data } => {
                self.complete_promise(*promise, index, data, None);
            }
            EntryKind::PromiseCompletedBy { promise, data, completer } => {
                self.complete_promise(*promise, index, data, Some(completer));
            }
            EntryKind::Forked { source, at } => {
                self.origins.push(Origin { source: source.clone(), at: *at });
            }
            EntryKind::UpdateRequested { .. }
            | EntryKind::UpdateRequestedBy { .. }
            | EntryKind::UpdateDone { .. }
            | EntryKind::UpdateFailed { .. }
            | EntryKind::SnapshotLoaded { .. } => self.fold_update(kind, index),
            _ => self.fold_state(kind, index),
        }
    }

    fn complete_promise(
        &mut self,
        promise: Index,
        index: Index,
        data: &Payload,
        completer: Option<&Caller>,
    ) {
        let Some(known @ Promise { completed: None, .. }) = self.promises.get_mut(&promise) else {
            return;
        };
        known.completed = Some((index, data.clone()));
        known.completer = completer.cloned();
        // Where the log does not say what it waits for, it looks, and waits again.
        let awaited = self.awaited.is_none_or(|awaited| awaited == promise);
        if awaited && self.state == WorkerState::Suspended && self.suspended_until.is_none() {
            self.suspended_until = Some(Timestamp(0));
        }
    }

    fn fold_update(&mut self, kind: &EntryKind, index: Index) {
        match kind {
            EntryKind::UpdateRequested { version, mode } => {
                let pending = PendingUpdate { requested: index, version: *version, mode: *mode };
                self.updates.pending.push(pending);
            }
            EntryKind::UpdateRequestedBy { version, mode, requester } => {
                let (version, mode) = (*version, *mode);
                self.updates.pending.push(PendingUpdate { requested: index, version, mode });
                self.requesters.retain(|known| known.call.worker != requester.worker);
                let requester = Requester { call: requester.clone(), version, mode };
                keep_newest(&mut self.requesters, REQUESTERS_KEPT_MAX, requester);
            }
            EntryKind::UpdateDone { version } => {
                self.updates.settle(*version);
                keep_newest(&mut self.updates.successful, UPDATES_KEPT_MAX, *version);
                self.component_version = *version;
                if let Some(base) = self.loading.take_if(|base| base.version == *version) {
                    let before = Index(index.get() - 1);
                    self.loads.insert(Region { start: base.index, end: before });
                    self.base = Some(base);
                    // They lived in the instance that is gone.
                    self.resources.clear();
                }
                let halted = [WorkerState::Failed, WorkerState::Retrying, WorkerState::Stalled];
                if halted.contains(&self.state) {
                    self.revive();
                }
            }
            EntryKind::UpdateFailed { version, details } => {
                self.updates.settle(*version);
                self.loading = None;
                let failed = FailedUpdate { version: *version, details: details.clone() };
                keep_newest(&mut self.updates.failed, UPDATES_KEPT_MAX, failed);
            }
            EntryKind::SnapshotLoaded { version, data } => {
                self.loading = Some(SnapshotBase { index, version: *version, data: data.clone() });
            }
            _ => {}
        }
    }

    fn fold_state(&mut self, kind: &EntryKind, index: Index) {
        match kind {
            EntryKind::Exited { code } => {
                self.state = WorkerState::Exited;
                self.exit_code = Some(*code);
            }
            _ if self.state == WorkerState::Exited => {}
            EntryKind::Failed { position, attempt, kind, message, retry_at } => {
                self.stop = Stop::Anywhere;
                self.failure = Some(LastFailure {
                    index,
                    position: *position,
                    attempts: *attempt,
                    kind: *kind,
                    message: message.clone(),
                    retry_at: *retry_at,
                });
                let is_final = retry_at.is_none();
                self.state = if is_final { WorkerState::Failed } else { WorkerState::Retrying };
            }
            EntryKind::Suspended { until } => {
                self.stop = Stop::Asleep;
                self.suspended_until = *until;
                self.awaited = None;
                self.state = WorkerState::Suspended;
            }
            EntryKind::Awaiting { promise } => {
                self.stop = Stop::Asleep;
                let pending = self.promises.get(promise).is_some_and(|it| it.completed.is_none());
                self.suspended_until = (!pending).then_some(Timestamp(0));
                self.awaited = Some(*promise);
                self.state = WorkerState::Suspended;
            }
            EntryKind::Woken => {
                self.stop = Stop::Anywhere;
                self.go_on();
            }
            EntryKind::CancelRequested { key } => {
                self.cancel = Some(CancelRequest { requested: index, key: key.clone() });
                if self.state == WorkerState::Suspended {
                    self.suspended_until = Some(Timestamp(0));
                }
            }
            EntryKind::Interrupted => self.state = WorkerState::Interrupted,
            EntryKind::Resumed => self.revive(),
            EntryKind::Stalled { entry, recorded, asked } => {
                let (recorded, asked) = (recorded.clone(), asked.clone());
                self.stalled = Some(Stall { entry: *entry, recorded, asked });
                self.state = WorkerState::Stalled;
            }
            _ => {}
        }
    }

    /// The guest is executed. Attempts stay counted until its invocation completes, and what was in
    /// flight when an operator stopped the worker does not start it again.
    #[inline]
    fn go_on(&mut self) {
        if self.state != WorkerState::Interrupted {
            self.run();
        }
    }

    /// Somebody let the worker go on, with all attempts before it.
    fn revive(&mut self) {
        self.failure = None;
        self.stalled = None;
        self.run();
    }

    #[inline]
    fn run(&mut self) {
        if self.state == WorkerState::Exited {
            return;
        }
        self.suspended_until = None;
        self.awaited = None;
        self.state = match self.execution.current {
            Some(_) => WorkerState::Running,
            None => WorkerState::Idle,
        };
    }
}

impl Updates {
    fn settle(&mut self, version: u64) {
        if let Some(place) = self.pending.iter().position(|pending| pending.version == version) {
            self.pending.remove(place);
        }
    }
}

fn keep_newest<T>(kept: &mut Vec<T>, most: usize, newest: T) {
    if kept.len() == most {
        kept.remove(0);
    }
    kept.push(newest);
}

/// The first reading of a log: a status as long as nothing is deleted, and what is deleted.
#[derive(Default)]
struct Fold {
    status: Option<Status>,
    deleted: Deleted,
    refold: bool,
    last: Option<Index>,
}

impl Fold {
    fn add(&mut self, decoded: &Decoded) -> Result<(), FoldError> {
        let Decoded { index, entry, frame_bytes } = decoded;
        if let Some(last) = self.last
            && last.next() != *index
        {
            return Err(FoldError::Gap { last, found: *index });
        }
        self.last = Some(*index);
        if let Some(deleted) = entry.kind.deleted() {
            let within = Index::FIRST < deleted.start && deleted.start <= *index;
            if !within || deleted.end != *index {
                return Err(FoldError::Region { index: *index, deleted });
            }
            self.deleted.note(&entry.kind);
            self.refold = true;
        }
        match &mut self.status {
            None => self.status = Some(Status::begin(*index, entry, *frame_bytes)?),
            Some(_) if self.refold => {}
            Some(status) => status.fold_next(entry, *index, *frame_bytes),
        }
        Ok(())
    }
}
