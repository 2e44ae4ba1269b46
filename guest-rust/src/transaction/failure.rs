//! How a transaction tells that it failed.

use std::error::Error;
use std::fmt::{self, Debug, Display};

/// What a fallible transaction returns.
pub type TransactionResult<Out, Err> = Result<Out, TransactionFailure<Err>>;

/// An operation of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its place among the operations that the transaction executed, from 1.
    pub number: usize,
    /// Its name: that of the function, the type, or the place in the source.
    pub name: String,
}

impl Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "step {} ({})", self.number, self.name)
    }
}

/// A transaction failed, and was rolled back as far as possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionFailure<Err> {
    /// Why it failed.
    pub error: Err,
    /// The operation that returned the error; none if the closure made it itself.
    pub failed: Option<Step>,
    /// What became of the operations that had succeeded.
    pub rollback: Rollback<Err>,
}

/// How far a failed transaction was undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rollback<Err> {
    /// Every operation that had succeeded was compensated.
    Complete,
    /// A compensation failed. The operations after it were compensated; it and those before it
    /// were not, since undoing out of order may do harm.
    Partial(Box<Remains<Err>>),
}

/// What a partial rollback left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remains<Err> {
    /// The operation whose compensation failed.
    pub step: Step,
    /// How it failed.
    pub error: Err,
    /// The operations before it, which are still done, in the order of their execution.
    pub before: Vec<Step>,
}

impl<Err> TransactionFailure<Err> {
    /// Tells whether nothing of the transaction is left.
    pub fn is_rolled_back_completely(&self) -> bool {
        matches!(self.rollback, Rollback::Complete)
    }
}

impl<Err: Display> Display for TransactionFailure<Err> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.failed {
            Some(step) => write!(formatter, "{step} failed: {}", self.error)?,
            None => write!(formatter, "the transaction failed: {}", self.error)?,
        }
        match &self.rollback {
            Rollback::Complete => write!(formatter, "; everything before was undone"),
            Rollback::Partial(remains) => {
                let Remains { step, error, before } = &**remains;
                write!(formatter, "; undoing {step} failed: {error}; not undone either: ")?;
                write_steps(formatter, before)
            }
        }
    }
}

fn write_steps(formatter: &mut fmt::Formatter<'_>, steps: &[Step]) -> fmt::Result {
    if steps.is_empty() {
        return formatter.write_str("nothing");
    }
    for (position, step) in steps.iter().enumerate() {
        let separator = if position == 0 { "" } else { ", " };
        write!(formatter, "{separator}{step}")?;
    }
    Ok(())
}

impl<Err: Debug + Display> Error for TransactionFailure<Err> {}

/// Lets `?` hand a failed transaction on where errors are texts, as they often are at the border of
/// a component.
impl<Err: Display> From<TransactionFailure<Err>> for String {
    fn from(failure: TransactionFailure<Err>) -> Self {
        failure.to_string()
    }
}
