//! From a stored log to a journal.

use std::fmt;

use super::cursor::{Cursor, Passing};
use super::divergence::{describe, unreadable};
use super::keys::Noting;
use super::tail::TailBuffer;
use super::{Divergence, Journal, JumpError, Settings, divergence};
use crate::codec::{Codec, CodecError, Decoded, Frames};
use crate::entry::{Entry, EntryKind, JumpReason};
use crate::index::{Index, Region, Timestamp};
use crate::status::{FoldError, Status, Stop, WorkerState};

/// Consecutive entries as the store keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedBatch {
    /// The first entry.
    pub first: Index,
    /// Their frames.
    pub bytes: Vec<u8>,
}

/// Why a log cannot be recovered from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    /// An entry is not what was written.
    #[error(
        "{0}. Nothing after it can be trusted: restore the worker from an export or a replica, or \
         delete it"
    )]
    Damaged(#[from] CodecError),
    /// The entries are no log.
    #[error("{0}. Restore the worker from an export or a replica, or delete it")]
    NotALog(#[from] FoldError),
}

/// Why a worker cannot be taken back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevertError {
    /// The entry is not part of the history.
    #[error(transparent)]
    Refused(#[from] JumpError),
    /// The log is damaged.
    #[error(transparent)]
    Log(#[from] RecoverError),
}

/// A remote write of which the log does not say whether it happened, and that must not be done
/// again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UncertainWrite {
    /// Its `WriteBegin`.
    pub index: Index,
    /// The full name of the host function.
    pub function: String,
}

impl fmt::Display for UncertainWrite {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UncertainWrite { index, function } = self;
        write!(
            formatter,
            "a call of `{function}` that was begun at entry {index} and may have happened; it must \
             not be repeated, since idempotence is off. Find out whether it did, then revert or fork \
             the worker to an entry before {index}"
        )
    }
}

impl Journal {
    /// The journal of a worker whose log is `log`, complete and in order. Compares all checksums,
    /// folds the status, and deletes the attempt of an atomic region that was cut off.
    ///
    /// # Errors
    /// A [`RecoverError`] where the log is damaged or incomplete.
    pub fn recover(
        identity: &[u8],
        log: Vec<RecordedBatch>,
        settings: Settings,
        now: Timestamp,
    ) -> Result<Journal, RecoverError> {
        let codec = Codec::new(identity);
        let keys = Noting::default();
        let entries = || Entries::of(&codec, &log).inspect(|decoded| keys.passed(decoded));
        let status = Status::fold::<_, RecoverError>(entries)?;
        let uncertain = uncertain_write(&status);
        let retried = match cut_off(&status) {
            Some(deleted) if uncertain.is_none() => {
                Some(EntryKind::Jump { deleted, reason: JumpReason::AtomicRetry })
            }
            _ => None,
        };
        let mut journal = Self::reopen(codec, log, settings, status, retried, now)?;
        journal.keys = keys.seen();
        journal.uncertain = uncertain;
        Ok(journal)
    }

    /// As [`recover`](Self::recover), after an operator took back everything behind `to`; the entry
    /// that says so is in the journal's tail. Unlike [`revert`](Self::revert) this gives the status
    /// that follows from it, before anything is written.
    ///
    /// # Errors
    /// A [`RevertError`] where `to` is not part of the history, or the log is damaged.
    pub fn recover_reverted(
        identity: &[u8],
        log: Vec<RecordedBatch>,
        settings: Settings,
        to: Index,
        now: Timestamp,
    ) -> Result<Journal, RevertError> {
        let codec = Codec::new(identity);
        let keys = Noting::default();
        let entries = || Entries::of(&codec, &log).inspect(|decoded| keys.passed(decoded));
        let status = Status::fold::<_, RecoverError>(entries)?;
        status.check_history(to)?;
        let deleted = Region { start: to.next(), end: status.last_index.next() };
        let reverted = Some(EntryKind::Revert { deleted });
        let mut journal = Self::reopen(codec, log, settings, status, reverted, now)?;
        journal.keys = keys.seen();
        journal.uncertain = uncertain_write(&journal.status);
        Ok(journal)
    }

    /// The journal over a log with `status`, to which `structure` is appended.
    fn reopen(
        codec: Codec,
        mut log: Vec<RecordedBatch>,
        settings: Settings,
        mut status: Status,
        structure: Option<EntryKind>,
        now: Timestamp,
    ) -> Result<Journal, RecoverError> {
        let recovered = status.last_index;
        let mut tail = TailBuffer::starting_at(recovered.next());
        if let Some(kind) = structure {
            status.deleted.note(&kind);
            let entry = Entry { timestamp: now, kind };
            tail.push(&codec, recovered.next(), &entry);
            let (first, bytes) = tail.peek();
            let entries = || Entries::of(&codec, &log);
            let appended = || codec.decode(first, bytes).map(|item| item.map_err(Into::into));
            let deleted = std::mem::take(&mut status.deleted);
            status =
                Status::fold_without::<_, RecoverError>(&deleted, || entries().chain(appended()))?;
            // The cursor passes it like any other.
            let bytes = bytes.to_vec();
            log.push(RecordedBatch { first, bytes });
        }
        let mut journal = Journal::over(codec, settings, status, tail);
        journal.recovered = recovered;
        journal.open_cursor(log)?;
        Ok(journal)
    }

    fn open_cursor(&mut self, log: Vec<RecordedBatch>) -> Result<(), CodecError> {
        let mut passing = Passing {
            codec: &self.codec,
            status: &self.status,
            lines: &mut self.lines,
            requests: &mut self.requests,
        };
        self.replay = Some(Cursor::open(log, &mut passing)?);
        self.drop_finished_cursor();
        Ok(())
    }

    /// The next recorded entry, met by the call that is made now; `None` where nothing is left and
    /// the call is live.
    pub(super) fn meet(&mut self) -> Result<Option<(Index, Entry)>, Divergence> {
        self.check()?;
        let Some(cursor) = &mut self.replay else { return Ok(None) };
        let mut passing = Passing {
            codec: &self.codec,
            status: &self.status,
            lines: &mut self.lines,
            requests: &mut self.requests,
        };
        match cursor.meet(&mut passing) {
            Ok(met) => {
                self.replayed += 1;
                self.drop_finished_cursor();
                Ok(met)
            }
            Err(error) => Err(self.stop(unreadable(&error))),
        }
    }

    /// The entry that the next call must meet.
    pub(super) fn ahead(&self) -> Option<(Index, &EntryKind)> {
        self.replay.as_ref().and_then(Cursor::ahead)
    }

    fn drop_finished_cursor(&mut self) {
        let Some(cursor) = self.replay.take_if(|cursor| cursor.is_at_end()) else { return };
        assert_eq!(
            cursor.execution(),
            &self.status.execution,
            "an execution met entry by entry ends where the fold of the log does"
        );
    }

    /// Whether this journal may still be asked.
    pub(super) fn check(&self) -> Result<(), Divergence> {
        match &self.stopped {
            Some(divergence) => Err(divergence.clone()),
            None if self.has_halted() => {
                Err(divergence::beyond_rehearsal(self.last_index().next()))
            }
            None => Ok(()),
        }
    }

    pub(super) fn diverge(
        &mut self,
        index: Index,
        recorded: &EntryKind,
        asked: String,
    ) -> Divergence {
        self.stop(Divergence { index, recorded: describe(recorded), asked })
    }

    pub(super) fn stop(&mut self, divergence: Divergence) -> Divergence {
        self.stopped = Some(divergence.clone());
        divergence
    }
}

/// The attempt of the outermost open atomic region, where the log ends in the middle of it.
fn cut_off(status: &Status) -> Option<Region> {
    let begin = status.execution.open_regions.first()?.begin;
    let begun = status.execution.last_replayed > Some(begin);
    let cut_off = begun && status.stop == Stop::Anywhere && status.state != WorkerState::Exited;
    cut_off.then(|| Region { start: begin.next(), end: status.last_index.next() })
}

/// The first remote write that must not be done again and whose outcome is not in the log.
fn uncertain_write(status: &Status) -> Option<UncertainWrite> {
    let mut open = status.execution.open_writes.iter();
    let (index, write) = open.find(|(_, write)| !write.idempotent)?;
    Some(UncertainWrite { index: *index, function: write.function.clone() })
}

/// All entries of a log. Batches must follow each other, which the fold checks by the indices.
#[derive(Clone)]
pub(crate) struct Entries<'a> {
    codec: &'a Codec,
    batches: std::slice::Iter<'a, RecordedBatch>,
    frames: Option<Frames<'a>>,
}

impl<'a> Entries<'a> {
    pub(crate) fn of(codec: &'a Codec, log: &'a [RecordedBatch]) -> Entries<'a> {
        Entries { codec, batches: log.iter(), frames: None }
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Decoded, RecoverError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(decoded) = self.frames.as_mut().and_then(Iterator::next) {
                return Some(decoded.map_err(RecoverError::from));
            }
            let batch = self.batches.next()?;
            self.frames = Some(self.codec.decode(batch.first, &batch.bytes));
        }
    }
}
