//! Replaying on another version of the component: does it fit, and may it take the worker over?
//!
//! A rehearsal is a replay like any other, so it writes nothing while recorded entries lie ahead.
//! What differs is where it ends: a version that has met the whole history has proved that it fits,
//! and only then is [`EntryKind::UpdateDone`] appended, before anything that happens for the first
//! time. A version that diverges has written nothing, so the one before it goes on from the same
//! log.

use super::divergence::describe;
use super::{Conduct, Divergence, Journal};
use crate::entry::{EntryKind, JumpReason};
use crate::index::{Index, Region, Timestamp};
use crate::status::WorkerState;

/// What a replay on another version is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rehearsal {
    /// To know whether the version fits. Execution stops where the history ends, and nothing is
    /// written, now or later.
    Check,
    /// To take the worker over, and to go on where the history ends.
    TakeOver {
        /// The version that is tried.
        version: u64,
    },
    /// To take the worker over where it is not to go on now: execution stops where the history
    /// ends.
    TakeOverAtRest {
        /// The version that is tried.
        version: u64,
    },
}

impl Rehearsal {
    fn halts(self) -> bool {
        match self {
            Rehearsal::TakeOver { .. } => false,
            Rehearsal::Check | Rehearsal::TakeOverAtRest { .. } => true,
        }
    }
}

impl Journal {
    /// Makes the coming replay a rehearsal. To be said right after [`Journal::recover`], before
    /// anything is asked.
    pub fn rehearse(&mut self, aim: Rehearsal) {
        self.rehearsal = Some(aim);
    }

    /// The rehearsal that is under way, or over and not yet [concluded](Self::conclude).
    #[must_use]
    pub fn rehearsal(&self) -> Option<Rehearsal> {
        self.rehearsal
    }

    /// Whether a rehearsal has met the whole history.
    #[must_use]
    pub fn has_fitted(&self) -> bool {
        let over = !self.is_replaying() && self.conduct == Conduct::Invoked;
        self.rehearsal.is_some() && over && self.stopped.is_none()
    }

    /// Whether a rehearsal has met the whole history and goes no further: everything that is asked
    /// from here on is answered with a divergence.
    #[must_use]
    pub fn has_halted(&self) -> bool {
        self.rehearsal.is_some_and(Rehearsal::halts) && self.has_fitted()
    }

    /// Where the next recorded entry is, while there is one.
    #[must_use]
    pub fn next_index(&self) -> Option<Index> {
        self.ahead().map(|(index, _)| index)
    }

    /// The next recorded entry, for a report on a guest that does not get there.
    #[must_use]
    pub fn expected(&self) -> Option<(Index, String)> {
        self.ahead().map(|(index, kind)| (index, describe(kind)))
    }

    /// The owner found that the replay does not fit, in something that the journal does not see.
    /// Nothing more may be asked of it.
    pub fn give_up(&mut self, divergence: Divergence) -> Divergence {
        self.stop(divergence)
    }

    /// Makes room for a version that does something else at `divergence` than the one before it,
    /// where that is on the way to a failure: takes the local calls from there on out of the
    /// history. A guest that panics looks at its environment, say, which is no reason to keep a
    /// version out that does not panic. The journal is spent then, as after a
    /// [`jump`](Self::jump). Returns whether there was something to be taken out.
    pub fn cut_failure(&mut self, divergence: &Divergence, now: Timestamp) -> bool {
        let failing = [WorkerState::Failed, WorkerState::Retrying].contains(&self.status.state);
        let at = divergence.index;
        let execution = &self.status.execution;
        let loose = execution.loose_end.is_some_and(|loose| loose <= at);
        if !failing || !loose || execution.last_replayed < Some(at) {
            return false;
        }
        let deleted = Region { start: at, end: self.last_index().next() };
        self.append_structure(EntryKind::Jump { deleted, reason: JumpReason::AtomicRetry }, now);
        true
    }

    /// Ends a rehearsal that has fitted: the version that took the worker over is recorded. Also
    /// done by itself, before the first thing that the new version does beyond the history.
    pub fn conclude(&mut self, now: Timestamp) {
        if !self.has_fitted() {
            return;
        }
        match self.rehearsal.take() {
            Some(Rehearsal::TakeOver { version } | Rehearsal::TakeOverAtRest { version }) => {
                self.append(EntryKind::UpdateDone { version }, now);
            }
            Some(Rehearsal::Check) | None => {}
        }
    }
}
