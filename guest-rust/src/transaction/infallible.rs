//! Transactions that start over until they succeed.

use std::error::Error;
use std::fmt::{self, Debug, Display};
use std::time::Duration;

use super::Transaction;
use super::operation::Operation;
use super::step::Steps;
use crate::atomic::atomically;
use crate::host;
use crate::modes::RetryPolicy;
use crate::oplog::OplogIndex;

/// Undoes one operation, or says why it could not.
type Compensate = Box<dyn FnOnce() -> Result<(), String>>;

/// An open transaction, see [`infallible_transaction`].
pub struct InfallibleTransaction {
    start: Start,
    steps: Steps<Compensate>,
}

/// Why the closure of an infallible transaction wants to start over. Every error becomes one by
/// `?`; other values by [`Retry::because`].
pub struct Retry {
    reason: String,
}

/// Runs a closure that executes operations until it succeeds: if an operation or the closure fails,
/// whatever had succeeded is undone in reverse order, and the worker goes back in its history to
/// the start of the transaction, to run it again with the memory it had there and new idempotency
/// keys.
///
/// Between two attempts it waits as the retry policy says: from `min_delay` on, each wait
/// `multiplier` times the one before, up to `max_delay`. There is no last attempt.
///
/// A panic, as of a compensation that fails, is retried by the host, from the operation where it
/// happened, at most `max_attempts` times.
///
/// ```
/// use everlog::{golem_operation, infallible_transaction};
///
/// #[golem_operation(compensation = release)]
/// fn reserve(item: String) -> Result<u32, String> {
///     Ok(item.len() as u32)
/// }
///
/// fn release() -> Result<(), String> {
///     Ok(())
/// }
///
/// let total = infallible_transaction(|tx| {
///     let tea = tx.reserve("tea".to_owned())?;
///     let milk = tx.reserve("milk".to_owned())?;
///     Ok(tea + milk)
/// });
/// assert_eq!(total, 7);
/// ```
pub fn infallible_transaction<Out>(
    f: impl FnOnce(&mut InfallibleTransaction) -> Result<Out, Retry>,
) -> Out {
    let mut transaction = InfallibleTransaction { start: Start::here(), steps: Steps::new() };
    match f(&mut transaction) {
        Ok(out) => out,
        Err(retry) => transaction.retry_because(&retry.reason),
    }
}

impl InfallibleTransaction {
    /// Executes an operation, and remembers how to undo it. If it fails, everything before is
    /// undone and the transaction starts over, so this returns successes only.
    pub fn execute<O>(&mut self, operation: O, input: O::In) -> O::Out
    where
        O: Operation + 'static,
        O::Err: Debug,
    {
        let step = self.steps.begin(operation.name());
        match atomically(|| operation.execute(input.clone())) {
            Ok(result) => {
                let undone = result.clone();
                let compensate = move || {
                    operation.compensate(input, undone).map_err(|error| format!("{error:?}"))
                };
                self.steps.succeeded(step, Box::new(compensate));
                result
            }
            Err(error) => self.retry_because(&format!("{step} failed: {error:?}")),
        }
    }

    /// Undoes everything and starts over.
    pub fn retry(&mut self) -> ! {
        self.retry_because("asked to")
    }

    fn retry_because(&mut self, reason: &str) -> ! {
        while let Some((step, compensate)) = self.steps.pop() {
            atomically(|| {
                // Within the region, so that a retry by the host does it again.
                compensate().unwrap_or_else(|error| {
                    panic!("starting over ({reason}), undoing {step} failed: {error}")
                });
            });
        }
        self.start.go_back()
    }
}

impl<Err: Debug + Clone + 'static> Transaction<Err> for InfallibleTransaction {
    type Failure = Retry;

    fn execute<O>(&mut self, operation: O, input: O::In) -> Result<O::Out, Retry>
    where
        O: Operation<Err = Err> + 'static,
    {
        Ok(Self::execute(self, operation, input))
    }

    fn fail(&mut self, error: Err) -> Retry {
        Retry { reason: format!("{error:?}") }
    }
}

impl Retry {
    /// Wants to start over for a reason that is not an [`Error`].
    pub fn because(reason: impl Display) -> Self {
        Self { reason: reason.to_string() }
    }

    pub(super) fn reason(&self) -> &str {
        &self.reason
    }
}

impl<E: Error> From<E> for Retry {
    fn from(error: E) -> Self {
        Self::because(error)
    }
}

/// Not `Display`, let alone an error: then `?` could not make one of every error.
impl Debug for Retry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Retry({:?})", self.reason)
    }
}

/// Where and when a transaction started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    index: OplogIndex,
    time: Duration,
}

impl Start {
    /// The clock is read before the position is marked, so that going back keeps the time.
    pub(super) fn here() -> Self {
        let time = host::now();
        Self { index: host::get_oplog_index(), time }
    }

    /// Waits as the retry policy says, and starts again.
    pub(super) fn go_back(self) -> ! {
        let elapsed = host::now().saturating_sub(self.time);
        host::sleep(wait_after(elapsed, host::get_retry_policy()));
        host::set_oplog_index(self.index)
    }
}

/// How long to wait, this long after the first start. Memory goes back with the worker, so attempts
/// cannot be counted; but if each wait makes the time since the start `multiplier` times what it
/// was, the waits grow by that factor too.
fn wait_after(elapsed: Duration, policy: RetryPolicy) -> Duration {
    let factor = policy.multiplier - 1.0;
    let seconds = elapsed.as_secs_f64() * if factor > 0.0 { factor } else { 0.0 };
    let wait = Duration::try_from_secs_f64(seconds).unwrap_or(policy.max_delay);
    wait.max(policy.min_delay).min(policy.max_delay)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        max_attempts: 3,
        min_delay: Duration::from_millis(100),
        max_delay: Duration::from_secs(1),
        multiplier: 3.0,
    };

    #[test]
    fn waits_grow_by_the_multiplier() {
        let mut elapsed = Duration::ZERO;
        let mut waits = Vec::new();
        for _ in 0..4 {
            let wait = wait_after(elapsed, POLICY);
            waits.push(wait.as_millis());
            elapsed += wait;
        }
        assert_eq!(waits, [100, 200, 600, 1000]);
    }

    #[test]
    fn any_multiplier_is_taken() {
        let wait = |multiplier| {
            let policy = RetryPolicy { multiplier, ..POLICY };
            wait_after(Duration::from_secs(1), policy).as_millis()
        };
        assert_eq!([f64::NAN, f64::INFINITY, -1.0, 0.5, 1.5].map(wait), [100, 1000, 100, 100, 500]);
    }
}
