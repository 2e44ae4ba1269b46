//! Random programs of effects.

use everlog_oplog::PersistenceLevel;

use crate::common::Random;

/// What a simulated guest does. Programs are data, so that running one again does the same again.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    ReadLocal,
    WriteLocal,
    ReadRemote,
    /// One remote write, waited for.
    Write,
    /// Several remote writes in flight at once, their outcomes looked at in whatever order they
    /// come.
    Writes(u32),
    /// A remote write under an idempotency key of its own.
    KeyedWrite,
    Print,
    /// A wait during which the worker may leave memory.
    Sleep,
    /// Makes a promise, awaits it, deletes it.
    Promise,
    /// The host may fail here, now and then, which is retried.
    Flaky,
    Atomic(Vec<Step>),
    /// Marks, runs the steps, asks a remote, and goes back to the mark if it does not like the
    /// answer.
    Repeated(Vec<Step>),
    Level(PersistenceLevel, Vec<Step>),
    /// Remote writes in here happen once at most.
    AtMostOnce(Vec<Step>),
    /// Chooses the retry policy that all programs have anyway.
    Policy,
}

/// A worker's life: its invocations in order, each either queued durably first or not.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) invocations: Vec<(bool, Vec<Step>)>,
}

impl Program {
    pub(crate) fn random(random: &mut Random) -> Program {
        let count = 1 + random.below(3);
        let invocation = |random: &mut Random| (random.one_in(2), steps(random, 0));
        Program { invocations: (0..count).map(|_| invocation(random)).collect() }
    }
}

const DEPTH_MAX: u32 = 3;

fn steps(random: &mut Random, depth: u32) -> Vec<Step> {
    let count = 1 + random.below(5 - u64::from(depth));
    (0..count).map(|_| step(random, depth)).collect()
}

fn step(random: &mut Random, depth: u32) -> Step {
    let kinds = if depth < DEPTH_MAX { 17 } else { 12 };
    match random.below(kinds) {
        0 => Step::ReadLocal,
        1 => Step::WriteLocal,
        2 => Step::ReadRemote,
        3 => Step::Write,
        4 => Step::Writes(2 + u32::try_from(random.below(2)).expect("small")),
        5 => Step::KeyedWrite,
        6 | 7 => Step::Print,
        8 => Step::Sleep,
        9 => Step::Promise,
        10 => Step::Flaky,
        11 => Step::Policy,
        12 => Step::Atomic(steps(random, depth + 1)),
        13 => Step::Repeated(steps(random, depth + 1)),
        14 => Step::Level(PersistenceLevel::PersistNothing, steps(random, depth + 1)),
        15 => Step::Level(PersistenceLevel::PersistRemoteSideEffects, steps(random, depth + 1)),
        _ => Step::AtMostOnce(steps(random, depth + 1)),
    }
}
