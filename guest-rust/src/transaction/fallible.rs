//! Transactions that fail as a whole.

use super::Transaction;
use super::failure::{Rollback, TransactionFailure, TransactionResult};
use super::operation::Operation;
use super::step::Steps;
use crate::atomic::atomically;

/// Undoes one operation.
type Compensate<Err> = Box<dyn FnOnce() -> Result<(), Err>>;

/// An open transaction, see [`fallible_transaction`].
pub struct FallibleTransaction<Err> {
    steps: Steps<Compensate<Err>>,
}

/// Runs a closure that executes operations. If it returns an error, whatever had succeeded is
/// undone in reverse order before the transaction returns.
///
/// A panic is no domain error: nothing is undone, and the worker is tried again from the operation
/// where it happened.
///
/// ```
/// use everlog::{fallible_transaction, golem_operation};
///
/// #[golem_operation(compensation = release)]
/// fn reserve(item: String) -> Result<u32, String> {
///     Ok(item.len() as u32)
/// }
///
/// fn release(reservation: u32) -> Result<(), String> {
///     println!("released {reservation}");
///     Ok(())
/// }
///
/// let result = fallible_transaction(|tx| {
///     let tea = tx.reserve("tea".to_owned())?;
///     if tea == 3 {
///         return Err("no tea today".to_owned());
///     }
///     Ok(tea)
/// });
///
/// let failure = result.unwrap_err(); // and "released 3" was printed
/// assert!(failure.is_rolled_back_completely());
/// assert_eq!(failure.error, "no tea today");
/// ```
///
/// # Errors
/// The error of the closure, with the operation that failed and how far the rollback went.
pub fn fallible_transaction<Out, Err: Clone + 'static>(
    f: impl FnOnce(&mut FallibleTransaction<Err>) -> Result<Out, Err>,
) -> TransactionResult<Out, Err> {
    let mut transaction = FallibleTransaction { steps: Steps::new() };
    f(&mut transaction).map_err(|error| transaction.roll_back(error))
}

impl<Err: Clone + 'static> FallibleTransaction<Err> {
    /// Executes an operation, and remembers how to undo it if it succeeds.
    ///
    /// # Errors
    /// The operation's own; hand it on with `?` to roll back.
    pub fn execute<O>(&mut self, operation: O, input: O::In) -> Result<O::Out, Err>
    where
        O: Operation<Err = Err> + 'static,
    {
        let step = self.steps.begin(operation.name());
        let outcome = atomically(|| operation.execute(input.clone()));
        match &outcome {
            Ok(result) => {
                let result = result.clone();
                let compensate = move || operation.compensate(input, result);
                self.steps.succeeded(step, Box::new(compensate));
            }
            Err(_) => self.steps.failed(step),
        }
        outcome
    }

    fn roll_back(mut self, error: Err) -> TransactionFailure<Err> {
        let failed = self.steps.take_failed();
        let rollback = self.compensate_all();
        TransactionFailure { error, failed, rollback }
    }

    fn compensate_all(mut self) -> Rollback<Err> {
        while let Some((step, compensate)) = self.steps.pop() {
            if let Err(error) = atomically(compensate) {
                return self.steps.partial(step, error);
            }
        }
        Rollback::Complete
    }
}

impl<Err: Clone + 'static> Transaction<Err> for FallibleTransaction<Err> {
    type Failure = Err;

    fn execute<O>(&mut self, operation: O, input: O::In) -> Result<O::Out, Err>
    where
        O: Operation<Err = Err> + 'static,
    {
        Self::execute(self, operation, input)
    }

    fn fail(&mut self, error: Err) -> Err {
        error
    }
}
