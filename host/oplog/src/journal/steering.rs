//! What the guest does to its own execution: marks, jumps, atomic regions, modes.

use super::divergence::{describe, spent};
use super::{Divergence, Journal};
use crate::entry::{Entry, EntryKind, JumpReason, PersistenceLevel, RetryPolicy};
use crate::index::{Index, Region, Timestamp};
use crate::status::{Execution, MARKS_KEPT_MAX, Status};

/// Why execution cannot go back to where it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JumpError {
    /// Replay reached a jump that is not recorded.
    #[error(transparent)]
    Diverged(#[from] Divergence),
    /// The entry is not there yet.
    #[error("cannot go back to entry {to}: it is in the future, the last entry is {last}")]
    Future {
        /// Where to.
        to: Index,
        /// The last entry.
        last: Index,
    },
    /// The entry is no longer part of the history.
    #[error("cannot go back to entry {to}: it was deleted by an earlier jump or revert")]
    Deleted {
        /// Where to.
        to: Index,
    },
    /// The entry is one of many that only count together.
    #[error(
        "cannot go back to entry {to}: it is within the load of a snapshot, which a new version did \
         as a whole; the entry before it is {before}"
    )]
    InsideLoad {
        /// Where to.
        to: Index,
        /// The last entry before the load.
        before: Index,
    },
    /// Answers were given since.
    #[error(
        "cannot go back to entry {to}: it is before entry {started}, where the running invocation \
         started, and answers already given cannot be taken back"
    )]
    BeforeInvocation {
        /// Where to.
        to: Index,
        /// The start of the running invocation.
        started: Index,
    },
    /// The entry is something else.
    #[error(
        "cannot go back to entry {to}: it is neither a mark (`get-oplog-index`) nor the begin of \
         an atomic region"
    )]
    NotAMark {
        /// Where to.
        to: Index,
    },
}

/// Why an atomic region cannot be ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AtomicError {
    /// Replay met something else.
    #[error(transparent)]
    Diverged(#[from] Divergence),
    /// There is no such region.
    #[error(
        "cannot end an atomic region at entry {begin}: no region of the running invocation began \
         there, or it was deleted or ended long ago"
    )]
    Unknown {
        /// The begin as the guest gave it.
        begin: Index,
    },
}

/// A mode was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steered {
    /// The entry that says so.
    pub index: Index,
    /// Whether everything in the log must be durable before the guest goes on.
    pub gate: bool,
}

impl Journal {
    /// Marks this point of the execution (`get-oplog-index`). Returns the index by which the guest
    /// can come back.
    ///
    /// # Errors
    /// A [`Divergence`] where something else is recorded at this point.
    pub fn mark(&mut self, now: Timestamp) -> Result<Index, Divergence> {
        self.steer(EntryKind::NoOp, now).map(|steered| steered.index)
    }

    /// Goes back to the mark or region begin at `to` (`set-oplog-index`). Everything after it is
    /// deleted. The journal is spent then: its owner writes the tail, drops journal and instance,
    /// and recovers.
    ///
    /// # Errors
    /// A [`JumpError`] that says why not; the guest traps with it.
    pub fn jump(&mut self, to: Index, now: Timestamp) -> Result<(), JumpError> {
        self.check()?;
        self.check_return(|| format!("a jump back to entry {to}"))?;
        if let Some((index, recorded)) = self.ahead().map(|(index, kind)| (index, kind.clone())) {
            let asked = format!("a jump back to entry {to}");
            return Err(self.diverge(index, &recorded, asked).into());
        }
        self.status.check_history(to)?;
        let execution = self.execution();
        let started = execution.current.as_ref().map_or(Index::FIRST, |current| current.started);
        if to < started {
            return Err(JumpError::BeforeInvocation { to, started });
        }
        if !execution.may_return_to(to) {
            return Err(JumpError::NotAMark { to });
        }
        self.go_live(now)?;
        let deleted = Region { start: to.next(), end: self.last_index().next() };
        self.append_structure(EntryKind::Jump { deleted, reason: JumpReason::Explicit }, now);
        Ok(())
    }

    /// Takes back everything after `to`, on behalf of an operator, answers already given included.
    /// The journal is spent then, as after a [`jump`](Self::jump). Allowed in replay, after a
    /// divergence, and past an uncertain write.
    ///
    /// # Errors
    /// A [`JumpError`] where `to` is not part of the history.
    pub fn revert(&mut self, to: Index, now: Timestamp) -> Result<(), JumpError> {
        self.status.check_history(to)?;
        let deleted = Region { start: to.next(), end: self.last_index().next() };
        self.append_structure(EntryKind::Revert { deleted }, now);
        Ok(())
    }

    /// Opens an atomic region. Returns the index that ends it.
    ///
    /// # Errors
    /// A [`Divergence`] where something else is recorded at this point.
    pub fn begin_atomic(&mut self, now: Timestamp) -> Result<Index, Divergence> {
        self.steer(EntryKind::AtomicBegin, now).map(|steered| steered.index)
    }

    /// Ends the atomic region that began at `begin`, and those within it. Ending it again does
    /// nothing.
    ///
    /// # Errors
    /// An [`AtomicError`] where there is no such region, with which the guest traps.
    pub fn end_atomic(&mut self, begin: Index, now: Timestamp) -> Result<(), AtomicError> {
        self.check()?;
        let execution = self.execution();
        if execution.ended_regions.contains(&begin) {
            return Ok(());
        }
        if !execution.open_regions.iter().any(|region| region.begin == begin) {
            return Err(AtomicError::Unknown { begin });
        }
        self.steer(EntryKind::AtomicEnd { begin }, now)?;
        Ok(())
    }

    /// Chooses what is recorded from here on.
    ///
    /// # Errors
    /// A [`Divergence`] where something else is recorded at this point.
    pub fn set_persistence_level(
        &mut self,
        level: PersistenceLevel,
        now: Timestamp,
    ) -> Result<Steered, Divergence> {
        let met = self.is_replaying();
        let steered = self.steer(EntryKind::SetPersistenceLevel(level), now)?;
        Ok(Steered { gate: !met, ..steered })
    }

    /// Says whether remote writes may be repeated from here on.
    ///
    /// # Errors
    /// A [`Divergence`] where something else is recorded at this point.
    pub fn set_idempotence(
        &mut self,
        idempotence: bool,
        now: Timestamp,
    ) -> Result<Steered, Divergence> {
        self.steer(EntryKind::SetIdempotence(idempotence), now)
    }

    /// Chooses how failures are retried from here on.
    ///
    /// # Errors
    /// A [`Divergence`] where something else is recorded at this point.
    pub fn set_retry_policy(
        &mut self,
        policy: RetryPolicy,
        now: Timestamp,
    ) -> Result<Steered, Divergence> {
        self.steer(EntryKind::SetRetryPolicy(policy), now)
    }

    /// Meets `kind` or makes it. Steering is recorded at every persistence level.
    pub(super) fn steer(&mut self, kind: EntryKind, now: Timestamp) -> Result<Steered, Divergence> {
        self.check_steering(&kind)?;
        if let Some((index, entry)) = self.meet()? {
            if entry.kind == kind {
                return Ok(Steered { index, gate: false });
            }
            return Err(self.diverge(index, &entry.kind, describe(&kind)));
        }
        self.go_live(now)?;
        Ok(Steered { index: self.append(kind, now), gate: false })
    }

    /// Puts an entry at the end of the log that deletes others, after which only a recovery knows
    /// the status.
    pub(super) fn append_structure(&mut self, kind: EntryKind, now: Timestamp) {
        let index = self.last_index().next();
        self.status.deleted.note(&kind);
        let entry = Entry { timestamp: now, kind };
        let frame_bytes = self.tail.push(&self.codec, index, &entry);
        self.status.last_index = index;
        self.status.updated_at = now;
        self.status.log_bytes += frame_bytes as u64;
        self.stopped = Some(spent(index));
    }
}

impl Status {
    /// Whether `to` is part of the history, so that execution can go back to it.
    ///
    /// # Errors
    /// A [`JumpError`] that says why not.
    pub fn check_history(&self, to: Index) -> Result<(), JumpError> {
        let last = self.last_index;
        if last < to {
            return Err(JumpError::Future { to, last });
        }
        // There is no entry 0 that could be deleted, and none that deletes entry 1.
        if to < Index::FIRST || self.deleted.contains(to) {
            return Err(JumpError::Deleted { to });
        }
        let loads = self.loads.regions();
        match loads.iter().find(|load| load.start <= to && to <= load.end) {
            Some(load) => Err(JumpError::InsideLoad { to, before: Index(load.start.get() - 1) }),
            None => Ok(()),
        }
    }
}

impl Execution {
    /// Whether the guest may return to `to`. Marks that are no longer remembered are taken on
    /// trust: going back to any entry of the running invocation is sound, only hardly what the
    /// guest means.
    fn may_return_to(&self, to: Index) -> bool {
        let forgotten = self.marks.len() == MARKS_KEPT_MAX
            && self.marks.front().is_some_and(|oldest| to < *oldest);
        forgotten
            || self.marks.contains(&to)
            || self.ended_regions.contains(&to)
            || self.open_regions.iter().any(|region| region.begin == to)
    }
}
