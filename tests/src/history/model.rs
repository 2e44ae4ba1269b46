//! What workers would answer if they did one call at a time.

use std::fmt::Debug;
use std::hash::Hash;

/// Something that does one call at a time, and always the same.
pub trait Model: Debug {
    /// What it remembers.
    type State: Clone + Debug + Eq + Hash + Default;
    /// What can be asked of it.
    type Call: Clone + Debug + PartialEq;
    /// What it answers.
    type Outcome: Clone + Debug + PartialEq;

    /// Does a call: what it remembers then, and its answer.
    fn apply(state: &Self::State, call: &Self::Call) -> (Self::State, Self::Outcome);
}

/// The guest `counter`.
#[derive(Debug, Clone, Copy)]
pub struct Counter;

/// A call of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CounterCall {
    /// Adds to the total and returns it.
    Add(u64),
    /// Returns the total.
    Get,
}

impl Model for Counter {
    type State = u64;
    type Call = CounterCall;
    type Outcome = u64;

    fn apply(total: &u64, call: &CounterCall) -> (u64, u64) {
        let total = match call {
            CounterCall::Add(number) => total + number,
            CounterCall::Get => *total,
        };
        (total, total)
    }
}

/// The guest `register`.
#[derive(Debug, Clone, Copy)]
pub struct Register;

/// A call of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisterCall {
    /// Returns the number.
    Read,
    /// Puts a number there.
    Write(u64),
    /// Puts a number in place of another.
    CompareAndSwap {
        /// What must be there.
        expected: u64,
        /// What is there then.
        new: u64,
    },
}

/// What it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisterOutcome {
    /// To a read.
    Number(u64),
    /// To a write.
    Written,
    /// To a compare-and-swap: whether it was done.
    Swapped(bool),
}

impl Model for Register {
    type State = u64;
    type Call = RegisterCall;
    type Outcome = RegisterOutcome;

    fn apply(number: &u64, call: &RegisterCall) -> (u64, RegisterOutcome) {
        match *call {
            RegisterCall::Read => (*number, RegisterOutcome::Number(*number)),
            RegisterCall::Write(new) => (new, RegisterOutcome::Written),
            RegisterCall::CompareAndSwap { expected, new } if *number == expected => {
                (new, RegisterOutcome::Swapped(true))
            }
            RegisterCall::CompareAndSwap { .. } => (*number, RegisterOutcome::Swapped(false)),
        }
    }
}
