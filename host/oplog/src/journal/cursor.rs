//! The walk over what is recorded.

use std::collections::{BTreeMap, VecDeque};

use super::lines::Lines;
use super::{NewInvocation, RecordedBatch};
use crate::codec::{Codec, CodecError, Decoded};
use crate::entry::{Entry, EntryKind};
use crate::index::{Index, Timestamp};
use crate::status::{Execution, Status};

/// A cursor before the next replayed entry of a log. It holds the log encoded, decodes an entry
/// when it gets there, and drops what it has passed.
#[derive(Debug)]
pub(super) struct Cursor {
    batches: VecDeque<RecordedBatch>,
    /// Of the next frame in the first batch.
    offset: usize,
    /// The index of that frame.
    next: Index,
    /// The next replayed entry; `None` at the end of the log.
    ahead: Option<(Index, Entry)>,
    /// After the entries that were met.
    execution: Execution,
    /// When the last of them was made.
    met_at: Timestamp,
}

/// What the cursor needs to know, and what it tells, about the entries that it passes.
pub(super) struct Passing<'a> {
    pub(super) codec: &'a Codec,
    pub(super) status: &'a Status,
    pub(super) lines: &'a mut Lines,
    pub(super) requests: &'a mut BTreeMap<Index, NewInvocation>,
}

impl Cursor {
    /// A cursor at the beginning of `batches`, which hold a whole log whose checksums were
    /// compared.
    pub(super) fn open(
        batches: Vec<RecordedBatch>,
        passing: &mut Passing<'_>,
    ) -> Result<Cursor, CodecError> {
        let mut cursor = Cursor {
            batches: batches.into(),
            offset: 0,
            next: Index::FIRST,
            ahead: None,
            execution: Execution::default(),
            met_at: Timestamp(0),
        };
        cursor.ahead = cursor.walk(passing)?;
        Ok(cursor)
    }

    /// Whether no replayed entry is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.ahead.is_none()
    }

    /// After the entries that were met.
    pub(super) fn execution(&self) -> &Execution {
        &self.execution
    }

    /// When the last entry that was met was made.
    pub(super) fn met_at(&self) -> Timestamp {
        self.met_at
    }

    /// The entry that comes next.
    pub(super) fn ahead(&self) -> Option<(Index, &EntryKind)> {
        self.ahead.as_ref().map(|(index, entry)| (*index, &entry.kind))
    }

    /// Meets the next entry and goes on to the one after it.
    pub(super) fn meet(
        &mut self,
        passing: &mut Passing<'_>,
    ) -> Result<Option<(Index, Entry)>, CodecError> {
        let Some((index, entry)) = self.ahead.take() else { return Ok(None) };
        self.pass_replayed(index, &entry, passing);
        self.ahead = self.walk(passing)?;
        Ok(Some((index, entry)))
    }

    /// Walks to the next entry that must be met.
    fn walk(&mut self, passing: &mut Passing<'_>) -> Result<Option<(Index, Entry)>, CodecError> {
        let base = passing.status.base.as_ref().map(|base| base.index);
        while let Some(batch) = self.batches.front() {
            let mut frames = passing.codec.decode_again(self.next, &batch.bytes, self.offset);
            let Some(decoded) = frames.next() else {
                self.batches.pop_front();
                self.offset = 0;
                continue;
            };
            let Decoded { index, entry, frame_bytes } = decoded?;
            self.offset += frame_bytes;
            self.next = index.next();
            if !entry.kind.is_replayed() || passing.status.deleted.contains(index) {
                self.pass(index, entry, passing);
            } else if index == Index::FIRST || base.is_some_and(|base| index <= base) {
                // Nobody calls for the creation, nor for what a guest's own snapshot stands for.
                self.pass_replayed(index, &entry, passing);
            } else {
                return Ok(Some((index, entry)));
            }
        }
        Ok(None)
    }

    fn pass_replayed(&mut self, index: Index, entry: &Entry, passing: &mut Passing<'_>) {
        self.execution.apply(index, &entry.kind);
        self.met_at = entry.timestamp;
        passing.lines.entry_passed(self.execution.open_regions.is_empty());
    }

    /// Passes a hint, structure, or an entry that is no longer part of the history.
    fn pass(&mut self, index: Index, entry: Entry, passing: &mut Passing<'_>) {
        let deleted = &passing.status.deleted;
        if deleted.counts_return(index, &entry.kind) {
            self.execution.position.returns += 1;
        }
        match entry.kind {
            EntryKind::Log { .. } if deleted.retried.contains(index) => {
                passing.lines.abandoned(&entry.kind);
            }
            EntryKind::Log { .. } if !deleted.contains(index) => {
                passing.lines.recorded(&entry.kind);
            }
            EntryKind::Accepted { key, function, request, fingerprint, due: _, trace } => {
                let invocation = NewInvocation { key, function, request, fingerprint, trace };
                passing.requests.insert(index, invocation);
            }
            _ => {}
        }
    }
}
