//! What the host in memory knows of its worker.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use uuid::Uuid;

use super::WorkerCall;
use crate::calls;
use crate::http;
use crate::modes::{PersistenceLevel, RetryPolicy};
use crate::oplog::OplogIndex;

/// What an entry means to atomic regions.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mark {
    Call,
    Begin,
    End(OplogIndex),
}

#[derive(Debug)]
struct Entry {
    call: String,
    outcome: Rc<dyn Any>,
    mark: Mark,
    is_deleted: bool,
}

/// The modes of a worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Modes {
    pub(crate) persistence_level: PersistenceLevel,
    pub(crate) retry_policy: RetryPolicy,
    pub(crate) idempotence: bool,
}

impl Default for Modes {
    fn default() -> Self {
        Self {
            persistence_level: PersistenceLevel::Smart,
            retry_policy: RetryPolicy {
                max_attempts: 3,
                min_delay: Duration::from_millis(100),
                max_delay: Duration::from_secs(1),
                multiplier: 3.0,
            },
            idempotence: true,
        }
    }
}

/// Answers HTTP requests.
pub(crate) type Answer = Rc<dyn Fn(&http::Request) -> http::Response>;
/// How calls of other workers are answered.
pub(crate) type Called = Rc<dyn Fn(&WorkerCall) -> Result<Option<calls::Value>, calls::Error>>;

/// A worker's oplog, and the rest of the host.
#[derive(Default)]
pub(crate) struct State {
    entries: Vec<Entry>,
    /// How many entries the present run has met.
    cursor: usize,
    jumps: u64,
    /// The instance is being dropped.
    is_gone: bool,
    pub(super) crash_after: Option<u64>,
    pub(super) crash_before: Option<OplogIndex>,
    pub(crate) modes: Modes,
    /// The wall clock; only sleeping moves it.
    pub(crate) clock: Duration,
    /// What each promise is completed with.
    pub(crate) promises: BTreeMap<OplogIndex, Option<Vec<u8>>>,
    /// The name of the action that is under way.
    pub(super) action: Option<String>,
    /// How many random bytes were drawn.
    drawn: u64,
    /// What the worker keeps as its state.
    pub(crate) kept: BTreeMap<String, Vec<u8>>,
    pub(crate) answer: Option<Answer>,
    pub(crate) called: Option<Called>,
}

impl fmt::Debug for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("State").field("entries", &self.entries).finish_non_exhaustive()
    }
}

impl State {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_gone(&self) -> bool {
        self.is_gone
    }

    pub(super) fn calls(&self, with_deleted: bool) -> Vec<String> {
        let seen = |entry: &&Entry| with_deleted || !entry.is_deleted;
        self.entries.iter().filter(seen).map(|entry| entry.call.clone()).collect()
    }

    /// Gets ready for a run that meets the entries from `start` on again.
    pub(super) fn recover(&mut self, start: usize) {
        if let Some(begin) = self.outermost_open_region(start) {
            self.delete_from(begin);
        }
        self.cursor = start;
        self.is_gone = false;
        self.action = None;
        self.modes = Modes::default();
    }

    fn outermost_open_region(&self, start: usize) -> Option<usize> {
        let mut open = Vec::new();
        for (position, entry) in self.entries.iter().enumerate().skip(start) {
            match entry.mark {
                _ if entry.is_deleted => {}
                Mark::Begin => open.push(position),
                Mark::End(begin) => open.retain(|position| index(*position) != begin),
                Mark::Call => {}
            }
        }
        open.first().copied()
    }

    fn delete_from(&mut self, position: usize) {
        for entry in &mut self.entries[position..] {
            entry.is_deleted = true;
        }
    }

    /// The recorded outcome of the next call, if the oplog goes on.
    pub(super) fn replay(&mut self, call: &str) -> Option<Rc<dyn Any>> {
        while self.entries.get(self.cursor).is_some_and(|entry| entry.is_deleted) {
            self.cursor += 1;
        }
        let entry = self.entries.get(self.cursor)?;
        let at = index(self.cursor);
        assert_eq!(entry.call, call, "divergence at entry {at}: recorded (left), asked (right)");
        self.cursor += 1;
        Some(Rc::clone(&entry.outcome))
    }

    /// Records a call; false if the instance does not survive it.
    pub(super) fn append(&mut self, call: String, mark: Mark, outcome: Rc<dyn Any>) -> bool {
        if self.crash_before == Some(self.next_index()) {
            self.crash_before = None;
            self.is_gone = true;
            return false;
        }
        self.entries.push(Entry { call, outcome, mark, is_deleted: false });
        self.cursor = self.entries.len();
        if self.crash_after == Some(self.entries.len() as u64) {
            self.crash_after = None;
            self.is_gone = true;
        }
        !self.is_gone
    }

    pub(super) fn jump(&mut self, to: OplogIndex) {
        let kept = usize::try_from(to).ok().and_then(|to| self.entries.get(to.checked_sub(1)?));
        let is_there = kept.is_some_and(|entry| !entry.is_deleted);
        assert!(is_there, "cannot go back to {to}: no entry, or deleted");
        self.delete_from(usize::try_from(to).unwrap_or(usize::MAX));
        self.jumps += 1;
        self.is_gone = true;
    }

    /// The index that the next entry gets.
    pub(crate) fn next_index(&self) -> OplogIndex {
        index(self.entries.len())
    }

    /// The next of bytes that look random and are the same in each test.
    pub(crate) fn random_byte(&mut self) -> u8 {
        self.drawn += 1;
        let mixed = self.drawn.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 56) as u8
    }

    /// Depends on the logical position, as on the real host.
    pub(crate) fn idempotency_key(&self) -> Uuid {
        let position = self.entries.iter().filter(|entry| !entry.is_deleted).count();
        Uuid::from_u64_pair(self.jumps, position as u64)
    }
}

/// The index of the entry at a position in the list.
fn index(position: usize) -> OplogIndex {
    position as u64 + 1
}
