//! Transactions over things that cannot be rolled back by themselves: each operation knows how to
//! undo itself, and a transaction undoes what succeeded, in reverse order, when an operation fails.
//!
//! Every operation and every compensation is an atomic region: a crash in the middle runs it again
//! with the same idempotency keys, a crash between two goes on with the next.

mod asynchronous;
mod compensation;
mod failure;
mod fallible;
mod infallible;
mod operation;
mod step;

pub use asynchronous::{
    AsyncFallibleTransaction, AsyncInfallibleTransaction, AsyncTransaction,
    fallible_transaction_async, infallible_transaction_async,
};
pub use compensation::{AsyncCompensation, Compensation, IsResult};
pub use failure::{Remains, Rollback, Step, TransactionFailure, TransactionResult};
pub use fallible::{FallibleTransaction, fallible_transaction};
pub use infallible::{InfallibleTransaction, Retry, infallible_transaction};
pub use operation::{
    AsyncOperation, Operation, named_operation, named_operation_async, operation, operation_async,
};

/// What fallible and infallible transactions have in common: they execute operations whose error
/// is `Err`. Functions that take `&mut impl Transaction<Err>` serve in both.
pub trait Transaction<Err> {
    /// What a failed operation makes of its error: a fallible transaction hands it on, an
    /// infallible one never returns it.
    type Failure;

    /// Executes an operation, and remembers how to undo it if it succeeds.
    ///
    /// # Errors
    /// The operation's own, in a fallible transaction; hand it on with `?` to roll back. An
    /// infallible transaction rolls back and starts over instead of returning.
    fn execute<O>(&mut self, operation: O, input: O::In) -> Result<O::Out, Self::Failure>
    where
        O: Operation<Err = Err> + 'static;

    /// Turns an error that no operation returned into one that the closure may return, as in
    /// `return Err(tx.fail(error))`.
    fn fail(&mut self, error: Err) -> Self::Failure;
}
