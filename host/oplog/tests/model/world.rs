//! Everything outside the worker: the disk, the remotes, the callers, and the crashes.

use std::collections::{BTreeMap, BTreeSet};

use everlog_oplog::{Index, Payload, Position, RecordedBatch, Tail, Timestamp};

use crate::common::{Random, mix};

/// What a remote, a clock or a random source answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    /// The same at the same logical position, so that a crashed run can be compared with one that
    /// never crashed.
    Stable,
    /// Something else each time, so that an answer that replay did not take from the log shows.
    Fresh,
}

/// How a remote write was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    /// Within an atomic region, which may run again as a whole.
    pub(crate) in_region: bool,
    /// At most once.
    pub(crate) at_most_once: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) request: u64,
    pub(crate) times: u32,
    pub(crate) manner: Manner,
    /// Whether its outcome is known to be on disk.
    pub(crate) settled: bool,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) random: Random,
    answers: Answers,
    seed: u64,
    clock: u64,
    /// Steps until the next crash.
    pub(crate) fuse: Option<u64>,
    pub(crate) steps: u64,
    pub(crate) disk: Vec<RecordedBatch>,
    pub(crate) durable: Index,
    /// Handed to the store, not synced yet.
    pending: Vec<Tail>,
    /// Remote writes by the logical position of the call. Those that are not recorded are not here.
    pub(crate) writes: BTreeMap<Position, Write>,
    /// The outcome entries of writes, not durable yet.
    outcomes: BTreeMap<Index, Position>,
    /// Idempotency keys by the position where they were drawn.
    pub(crate) keys: BTreeMap<Position, uuid::Uuid>,
    /// Answers that wait for their entry to be durable.
    waiting: BTreeMap<Index, (String, Payload)>,
    pub(crate) answered: BTreeMap<String, Payload>,
    pub(crate) accepted: BTreeSet<String>,
    pub(crate) slept: BTreeSet<Position>,
    pub(crate) recoveries: u32,
    /// Whether each recovery is one on a new version that takes the worker over.
    pub(crate) updates: bool,
}

/// The process is gone.
#[derive(Debug)]
pub(crate) struct Crash;

impl World {
    pub(crate) fn new(seed: u64, answers: Answers) -> World {
        World {
            random: Random(mix(seed ^ 0xC0FFEE)),
            answers,
            seed,
            clock: 1,
            fuse: None,
            steps: 0,
            disk: Vec::new(),
            durable: Index(0),
            pending: Vec::new(),
            writes: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            keys: BTreeMap::new(),
            waiting: BTreeMap::new(),
            answered: BTreeMap::new(),
            accepted: BTreeSet::new(),
            slept: BTreeSet::new(),
            recoveries: 0,
            updates: false,
        }
    }

    pub(crate) fn now(&mut self) -> Timestamp {
        self.clock += 1;
        Timestamp(self.clock)
    }

    /// A point where the process may die.
    pub(crate) fn step(&mut self) -> Result<(), Crash> {
        self.steps += 1;
        match &mut self.fuse {
            Some(0) => Err(Crash),
            Some(fuse) => {
                *fuse -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(crate) fn answer(&mut self, what: &str, position: Position) -> u64 {
        let what = what.bytes().fold(self.seed, |hash, byte| mix(hash ^ u64::from(byte)));
        match self.answers {
            Answers::Stable => mix(what ^ position.entries ^ mix(position.returns)),
            Answers::Fresh => self.random.next(),
        }
    }

    /// Hands a tail to the store.
    pub(crate) fn submit(&mut self, tail: Option<Tail>) {
        self.pending.extend(tail);
    }

    /// Syncs what was handed over.
    pub(crate) fn sync(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        pending.into_iter().for_each(|tail| self.store(tail));
        self.settle();
    }

    /// Loses what was not synced; some of it may have reached the disk, in order.
    pub(crate) fn crash(&mut self) {
        let kept = self.random.below(self.pending.len() as u64 + 1);
        let pending = std::mem::take(&mut self.pending);
        for tail in pending.into_iter().take(usize::try_from(kept).expect("small")) {
            self.store(tail);
        }
        self.settle();
        self.outcomes.clear();
        self.waiting.clear();
        self.recoveries += 1;
    }

    fn store(&mut self, tail: Tail) {
        assert_eq!(tail.first, self.durable.next(), "tails follow each other");
        self.durable = tail.last;
        self.disk.push(RecordedBatch { first: tail.first, bytes: tail.bytes });
    }

    fn settle(&mut self) {
        let later = self.outcomes.split_off(&self.durable.next());
        for position in std::mem::replace(&mut self.outcomes, later).into_values() {
            if let Some(write) = self.writes.get_mut(&position) {
                write.settled = true;
            }
        }
        let later = self.waiting.split_off(&self.durable.next());
        for (key, result) in std::mem::replace(&mut self.waiting, later).into_values() {
            self.answered.insert(key, result);
        }
    }

    /// A remote receives a write.
    pub(crate) fn receive(&mut self, position: Position, request: u64, manner: Manner) {
        let Some(known) = self.writes.get_mut(&position) else {
            self.writes.insert(position, Write { request, times: 1, manner, settled: false });
            return;
        };
        known.times += 1;
        if known.manner.in_region {
            known.request = request;
            known.settled = false;
            return;
        }
        assert_eq!(known.request, request, "what left before a crash leaves the same way after it");
        assert!(!known.manner.at_most_once, "a write that must not be repeated was repeated");
        assert!(!known.settled, "a write whose outcome is on disk was repeated");
    }

    /// The outcome of the write at `position` is entry `index`.
    pub(crate) fn outcome(&mut self, position: Position, index: Index) {
        self.outcomes.insert(index, position);
    }

    /// The caller of `key` is answered once entry `index` is durable.
    pub(crate) fn answer_when_durable(&mut self, index: Index, key: &str, result: Payload) {
        self.waiting.insert(index, (key.to_owned(), result));
    }

    pub(crate) fn draw(&mut self, position: Position, key: uuid::Uuid) {
        let known = *self.keys.entry(position).or_insert(key);
        assert_eq!(known, key, "the same position draws the same key");
    }
}
