//! What a guest's execution has come to: the part of a status that exists twice during replay, once
//! at the cursor and once at the end of the log.

use std::collections::{BTreeMap, VecDeque};

use bincode::{Decode, Encode};

use super::CurrentInvocation;
use crate::entry::{EntryKind, PersistenceLevel, RetryPolicy};
use crate::index::{Index, Position};

/// How many of an invocation's newest marks are remembered, to tell a guest which index is none. A
/// jump to an older one is not refused.
pub const MARKS_KEPT_MAX: usize = 1024;

/// How many of an invocation's last ended regions are remembered, so that ending one twice does
/// nothing. Ending an older one is an error like ending one that never was.
pub const ENDED_KEPT_MAX: usize = 256;

/// What a guest's execution has come to after some replayed entry.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Execution {
    /// The invocation that is being executed.
    pub current: Option<CurrentInvocation>,
    /// The last replayed entry.
    pub last_replayed: Option<Index>,
    /// How far it has come.
    pub position: Position,
    /// What is recorded.
    pub persistence: PersistenceLevel,
    /// Whether remote writes may be done again, as the guest chose; `None` is the default, true.
    pub idempotence: Option<bool>,
    /// How failures are retried, as the guest chose.
    pub retry: Option<RetryPolicy>,
    /// Open atomic regions, the outermost first.
    pub open_regions: Vec<OpenRegion>,
    /// Regions of this invocation that have ended, at most [`ENDED_KEPT_MAX`].
    pub ended_regions: VecDeque<Index>,
    /// Marks of this invocation, at most [`MARKS_KEPT_MAX`].
    pub marks: VecDeque<Index>,
    /// Remote writes whose outcome the guest has not seen, by their `WriteBegin`.
    pub open_writes: BTreeMap<Index, OpenWrite>,
    /// The first of the local calls that end the history, if it ends with such: nobody has seen what
    /// came of them.
    pub loose_end: Option<Index>,
}

/// An atomic region that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OpenRegion {
    /// Its `AtomicBegin`.
    pub begin: Index,
    /// The position after its begin.
    pub position: Position,
}

/// A remote write whose outcome the guest has not seen.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OpenWrite {
    /// The full name of the host function.
    pub function: String,
    /// Whether it may be done again.
    pub idempotent: bool,
}

impl Execution {
    /// The position by which failures are counted. Inside an atomic region it is that of the
    /// outermost begin, so that a region that always fails, each time elsewhere, runs out of
    /// attempts.
    #[must_use]
    pub fn failure_position(&self) -> Position {
        self.open_regions.first().map_or_else(|| self.position, |region| region.position)
    }

    /// Whether remote writes may be done again.
    #[must_use]
    pub fn idempotence(&self) -> bool {
        self.idempotence.unwrap_or(true)
    }

    /// Takes in a replayed entry that is part of the history.
    pub(crate) fn apply(&mut self, index: Index, kind: &EntryKind) {
        self.position.entries += 1;
        self.last_replayed = Some(index);
        if let EntryKind::HostCall { begin: None, category, .. } = kind
            && !category.is_remote()
        {
            self.loose_end.get_or_insert(index);
            return;
        }
        self.loose_end = None;
        match kind {
            EntryKind::HostCall { begin: None, .. } => {}
            EntryKind::HostCall { begin: Some(begin), .. } => {
                self.open_writes.remove(begin);
            }
            EntryKind::InvocationStarted { key, function, fingerprint, .. } => {
                self.current = Some(CurrentInvocation {
                    key: key.clone(),
                    started: index,
                    function: function.clone(),
                    fingerprint: *fingerprint,
                });
            }
            EntryKind::InvocationCompleted { .. } => self.complete(),
            EntryKind::WriteBegin { function, idempotent, .. } => {
                let write = OpenWrite { function: function.to_string(), idempotent: *idempotent };
                self.open_writes.insert(index, write);
            }
            EntryKind::NoOp => remember(&mut self.marks, index, MARKS_KEPT_MAX),
            EntryKind::AtomicBegin => {
                let region = OpenRegion { begin: index, position: self.position };
                self.open_regions.push(region);
            }
            EntryKind::AtomicEnd { begin } => self.end_region(*begin),
            EntryKind::SetPersistenceLevel(level) => self.persistence = *level,
            EntryKind::SetIdempotence(idempotence) => self.idempotence = Some(*idempotence),
            EntryKind::SetRetryPolicy(policy) => self.retry = Some(*policy),
            _ => {}
        }
    }

    /// An answer that was given cannot be taken back, so regions and marks end with their
    /// invocation.
    fn complete(&mut self) {
        self.current = None;
        self.open_regions.clear();
        self.ended_regions.clear();
        self.marks.clear();
    }

    fn end_region(&mut self, begin: Index) {
        let Some(depth) = self.open_regions.iter().position(|region| region.begin == begin) else {
            return;
        };
        for region in self.open_regions.drain(depth..) {
            remember(&mut self.ended_regions, region.begin, ENDED_KEPT_MAX);
        }
    }
}

fn remember(kept: &mut VecDeque<Index>, index: Index, limit: usize) {
    if kept.len() == limit {
        kept.pop_front();
    }
    kept.push_back(index);
}
