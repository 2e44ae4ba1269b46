//! The state machine that is asked before each effect and told after it.
//!
//! One journal belongs to one loaded worker. Every call of the guest that touches the outside goes
//! through it and gets one of two answers: this happened before, here is the outcome; or this is
//! new, do it and say how it went. The journal makes the entries and says which of them are to be
//! written ([`Journal::take_tail`]) and whether the output gate must close first; writing them is
//! the business of its owner.
//!
//! While recorded entries lie ahead the journal *replays*: a cursor walks over the log, and each
//! call must be the one that was recorded. It goes *live* at the first call that finds nothing
//! ahead. The guest cannot tell the difference.
//!
//! Whoever owns a journal does this:
//!
//! 1. [`Journal::create`] or [`Journal::recover`], and in the latter case look at
//!    [`Journal::uncertain_write`].
//! 2. Run what [`Journal::next_recorded`] returns until it returns nothing; then [`Journal::start`]
//!    what is new. Either way [`Journal::complete`] it.
//! 3. After a jump or a revert, after a failure and after a divergence: write the tail, drop the
//!    journal, and recover.

mod actions;
mod calls;
mod conduct;
mod cursor;
mod divergence;
mod hints;
mod invocations;
mod keys;
mod lines;
mod recover;
mod rehearsal;
mod steering;
mod tail;

use std::collections::BTreeMap;

pub use calls::{Begun, Call, Durability, Entered, Ticket};
pub use conduct::Conduct;
pub use divergence::Divergence;
pub use hints::{Failure, Line, MAX_TEXT_BYTES, PromiseError, Verdict};
pub use invocations::{Completion, NewInvocation, RecordedInvocation, Start};
pub(crate) use recover::Entries;
pub use recover::{RecordedBatch, RecoverError, RevertError, UncertainWrite};
pub use rehearsal::Rehearsal;
pub use steering::{AtomicError, JumpError, Steered};
pub use tail::Tail;

use self::cursor::Cursor;
use self::keys::SeenKeys;
use self::lines::Lines;
use self::tail::TailBuffer;
use crate::codec::Codec;
use crate::entry::{Create, Entry, EntryKind, PersistenceLevel, RetryPolicy, WorkerId};
use crate::index::{Index, Position, Timestamp};
use crate::status::{Execution, Status, Stop};

/// What the server decides for all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Settings {
    /// How failures are retried, unless the guest says otherwise.
    pub retry: RetryPolicy,
}

/// The journal of one loaded worker; see the [module](self).
#[derive(Debug)]
pub struct Journal {
    codec: Codec,
    settings: Settings,
    /// After the last entry of the log, the tail included.
    status: Status,
    /// Where replay is; `None` once nothing lies ahead.
    replay: Option<Cursor>,
    /// The last entry that was there when this journal was made. What comes after it this journal
    /// saw happen.
    recovered: Index,
    replayed: u64,
    lines: Lines,
    /// What was queued durably and has not started, by its `Accepted` hint.
    requests: BTreeMap<Index, NewInvocation>,
    keys: SeenKeys,
    tail: TailBuffer,
    draws: Draws,
    /// The promise that the guest is about to wait for.
    awaits: Option<Index>,
    uncertain: Option<UncertainWrite>,
    /// Why the guest runs.
    conduct: Conduct,
    /// The name of the action that is under way; meanwhile nothing is recorded.
    acting: Option<String>,
    /// Whether the replay is one on another version.
    rehearsal: Option<Rehearsal>,
    /// Why nothing more may be asked of this journal.
    stopped: Option<Divergence>,
}

/// How many idempotency keys were drawn at the present position. Where they are recorded it is one
/// at most.
#[derive(Clone, Copy, Debug, Default)]
struct Draws {
    position: Position,
    count: u64,
}

impl Journal {
    /// The journal of a new worker, with entry 1 in its tail. `identity` seeds the checksums and is
    /// the worker's own for ever.
    #[must_use]
    pub fn create(identity: &[u8], create: Create, settings: Settings, now: Timestamp) -> Journal {
        let codec = Codec::new(identity);
        let mut tail = TailBuffer::starting_at(Index::FIRST);
        let entry = Entry { timestamp: now, kind: EntryKind::Create(create) };
        let frame_bytes = tail.push(&codec, Index::FIRST, &entry);
        let status = Status::begin(Index::FIRST, &entry, frame_bytes)
            .expect("entry 1 is a creation, since it is made so above");
        Journal::over(codec, settings, status, tail)
    }

    fn over(codec: Codec, settings: Settings, status: Status, tail: TailBuffer) -> Journal {
        Journal {
            codec,
            settings,
            recovered: status.last_index,
            status,
            replay: None,
            replayed: 0,
            lines: Lines::default(),
            requests: BTreeMap::new(),
            keys: SeenKeys::default(),
            tail,
            draws: Draws::default(),
            awaits: None,
            uncertain: None,
            conduct: Conduct::default(),
            acting: None,
            rehearsal: None,
            stopped: None,
        }
    }

    /// The worker's status after its last entry, the tail included. Stale after a jump or revert.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// The last entry, whether written yet or not.
    #[must_use]
    pub fn last_index(&self) -> Index {
        self.status.last_index
    }

    /// Whether recorded entries lie ahead that calls must meet.
    #[must_use]
    pub fn is_replaying(&self) -> bool {
        self.replay.is_some()
    }

    /// The worker whose log the entry that comes next was copied from; `None` where it is this
    /// worker's own, or where execution is live. Guests are told the same name in every replay.
    #[must_use]
    pub fn copied_from(&self) -> Option<&WorkerId> {
        self.status.origin_of(self.ahead()?.0)
    }

    /// When the guest was first where it is now: the time of the entry that was met last, while
    /// recorded entries lie ahead; `None` where execution is live.
    #[must_use]
    pub fn replay_time(&self) -> Option<Timestamp> {
        self.replay.as_ref().map(Cursor::met_at)
    }

    /// How many recorded entries calls have met in this journal.
    #[must_use]
    pub fn replayed_entries(&self) -> u64 {
        self.replayed
    }

    /// A remote write of which the log does not say whether it happened, and that must not be done
    /// again. While there is one, the worker cannot go on: its owner fails it with
    /// [`crate::FailureKind::UncertainWrite`]; a revert or a fork before the write revives it.
    #[must_use]
    pub fn uncertain_write(&self) -> Option<&UncertainWrite> {
        self.uncertain.as_ref()
    }

    /// What is recorded at this point of the execution.
    #[must_use]
    pub fn persistence_level(&self) -> PersistenceLevel {
        match self.acting {
            Some(_) => PersistenceLevel::PersistNothing,
            None => self.execution().persistence,
        }
    }

    /// Whether remote writes may be repeated at this point of the execution.
    #[must_use]
    pub fn idempotence(&self) -> bool {
        self.execution().idempotence()
    }

    /// How failures are retried at this point of the execution.
    #[must_use]
    pub fn retry_policy(&self) -> RetryPolicy {
        self.execution().retry.unwrap_or(self.settings.retry)
    }

    /// How far the execution has come.
    #[must_use]
    pub fn logical_position(&self) -> Position {
        self.execution().position
    }

    /// Whether an invocation with this key may be in the log, taken back or not; false is certain.
    #[must_use]
    pub fn may_have_seen(&self, key: &str) -> bool {
        self.keys.may_have(key)
    }

    /// Takes what has to be written, in the order of the entries. The owner writes tails in the
    /// order it takes them.
    pub fn take_tail(&mut self) -> Option<Tail> {
        self.tail.take()
    }

    /// Whether there is something to be written.
    #[must_use]
    pub fn has_tail(&self) -> bool {
        !self.tail.is_empty()
    }

    /// How much there is to be written, in bytes.
    #[must_use]
    pub fn tail_len(&self) -> usize {
        self.tail.len()
    }

    /// The execution as far as the guest has come in it.
    fn execution(&self) -> &Execution {
        self.replay.as_ref().map_or(&self.status.execution, Cursor::execution)
    }

    /// Puts an entry at the end of the log. Structure goes through
    /// [`append_structure`](Self::append_structure).
    fn append(&mut self, kind: EntryKind, now: Timestamp) -> Index {
        let index = self.status.last_index.next();
        let entry = Entry { timestamp: now, kind };
        let frame_bytes = self.tail.push(&self.codec, index, &entry);
        self.keys.note(&entry.kind);
        let applied = self.status.apply(&entry, index, frame_bytes);
        debug_assert!(applied.is_ok(), "structure is appended elsewhere");
        if entry.kind.is_replayed() {
            self.lines.entry_passed(self.status.execution.open_regions.is_empty());
        }
        index
    }

    /// Must come before anything that happens for the first time.
    fn go_live(&mut self, now: Timestamp) -> Result<(), Divergence> {
        debug_assert!(self.replay.is_none(), "recorded entries lie ahead");
        if let Some(uncertain) = &self.uncertain {
            return Err(divergence::past_uncertain_write(uncertain));
        }
        self.check_reload()?;
        self.conclude(now);
        // A crash from here on is one within an open atomic region, and must not look like the
        // sleep before it.
        if self.status.stop == Stop::Asleep {
            self.append(EntryKind::Woken, now);
        }
        Ok(())
    }
}
