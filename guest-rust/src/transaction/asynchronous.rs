//! The transactions of asynchronous guests. They execute both kinds of operations.

use std::fmt::Debug;
use std::pin::Pin;

use super::Transaction;
use super::failure::{Rollback, Step, TransactionFailure, TransactionResult};
use super::infallible::{Retry, Start};
use super::operation::{AsyncOperation, Operation};
use super::step::Steps;
use crate::atomic::{atomically, atomically_async};

type Compensating<Err> = Pin<Box<dyn Future<Output = Result<(), Err>>>>;

/// Undoes one operation.
type Compensate<Err> = Box<dyn FnOnce() -> Compensating<Err>>;

/// What the asynchronous transactions have in common, as [`Transaction`]: functions that take
/// `&mut impl AsyncTransaction<Err>` serve in both.
pub trait AsyncTransaction<Err>: Transaction<Err> {
    /// Executes an asynchronous operation, and remembers how to undo it if it succeeds.
    ///
    /// An error is the operation's own, in a fallible transaction; hand it on with `?` to roll
    /// back. An infallible transaction rolls back and starts over when its closure returns.
    fn execute_async<O>(
        &mut self,
        operation: O,
        input: O::In,
    ) -> impl Future<Output = Result<O::Out, Self::Failure>>
    where
        O: AsyncOperation<Err = Err> + 'static;
}

/// An open transaction, see [`fallible_transaction_async`].
pub struct AsyncFallibleTransaction<Err> {
    steps: Steps<Compensate<Err>>,
}

/// An open transaction, see [`infallible_transaction_async`].
pub struct AsyncInfallibleTransaction {
    start: Start,
    /// Why it must start over.
    doomed: Option<String>,
    steps: Steps<Compensate<String>>,
}

/// As [`fallible_transaction`](crate::fallible_transaction), for an asynchronous closure.
///
/// ```
/// use everlog::{fallible_transaction_async, golem_operation};
///
/// #[golem_operation(compensation = release)]
/// async fn reserve(item: String) -> Result<u32, String> {
///     Ok(item.len() as u32)
/// }
///
/// async fn release(reservation: u32, item: String) -> Result<(), String> {
///     println!("released {reservation} of {item}");
///     Ok(())
/// }
///
/// # everlog::block_on(async {
/// let total = fallible_transaction_async(async |tx| {
///     let tea = tx.reserve("tea".to_owned()).await?;
///     Ok(tea + tx.reserve("milk".to_owned()).await?)
/// });
/// assert_eq!(total.await, Ok(7));
/// # });
/// ```
///
/// # Errors
/// The error of the closure, with the operation that failed and how far the rollback went.
pub async fn fallible_transaction_async<Out, Err: Clone + 'static>(
    f: impl AsyncFnOnce(&mut AsyncFallibleTransaction<Err>) -> Result<Out, Err>,
) -> TransactionResult<Out, Err> {
    let mut transaction = AsyncFallibleTransaction { steps: Steps::new() };
    match f(&mut transaction).await {
        Ok(out) => Ok(out),
        Err(error) => Err(transaction.roll_back(error).await),
    }
}

/// As [`infallible_transaction`](crate::infallible_transaction), for an asynchronous closure.
pub async fn infallible_transaction_async<Out>(
    f: impl AsyncFnOnce(&mut AsyncInfallibleTransaction) -> Result<Out, Retry>,
) -> Out {
    let (start, steps) = (Start::here(), Steps::new());
    let mut transaction = AsyncInfallibleTransaction { start, doomed: None, steps };
    let outcome = f(&mut transaction).await;
    match (transaction.doomed.take(), outcome) {
        (None, Ok(out)) => out,
        (None, Err(retry)) => transaction.start_over(retry.reason()).await,
        (Some(reason), _) => transaction.start_over(&reason).await,
    }
}

impl<Err: Clone + 'static> AsyncFallibleTransaction<Err> {
    async fn roll_back(mut self, error: Err) -> TransactionFailure<Err> {
        let failed = self.steps.take_failed();
        let rollback = self.compensate_all().await;
        TransactionFailure { error, failed, rollback }
    }

    async fn compensate_all(mut self) -> Rollback<Err> {
        while let Some((step, compensate)) = self.steps.pop() {
            if let Err(error) = atomically_async(async || compensate().await).await {
                return self.steps.partial(step, error);
            }
        }
        Rollback::Complete
    }
}

impl<Err: Clone + 'static> Transaction<Err> for AsyncFallibleTransaction<Err> {
    type Failure = Err;

    fn execute<O>(&mut self, operation: O, input: O::In) -> Result<O::Out, Err>
    where
        O: Operation<Err = Err> + 'static,
    {
        self.steps.execute(operation, input, |error| error)
    }

    fn fail(&mut self, error: Err) -> Err {
        error
    }
}

impl<Err: Clone + 'static> AsyncTransaction<Err> for AsyncFallibleTransaction<Err> {
    async fn execute_async<O>(&mut self, operation: O, input: O::In) -> Result<O::Out, Err>
    where
        O: AsyncOperation<Err = Err> + 'static,
    {
        self.steps.execute_async(operation, input, |error| error).await
    }
}

impl AsyncInfallibleTransaction {
    /// The transaction starts over when its closure returns, whatever it returns.
    fn doom(&mut self, reason: String) -> Retry {
        self.doomed = Some(reason.clone());
        Retry::because(reason)
    }

    async fn start_over(mut self, reason: &str) -> ! {
        while let Some((step, compensate)) = self.steps.pop() {
            atomically_async(async || {
                // Within the region, so that a retry by the host does it again.
                compensate().await.unwrap_or_else(|error| {
                    panic!("starting over ({reason}), undoing {step} failed: {error}")
                });
            })
            .await;
        }
        self.start.go_back()
    }
}

impl<Err: Debug + Clone + 'static> Transaction<Err> for AsyncInfallibleTransaction {
    type Failure = Retry;

    fn execute<O>(&mut self, operation: O, input: O::In) -> Result<O::Out, Retry>
    where
        O: Operation<Err = Err> + 'static,
    {
        let outcome = self.steps.execute(operation, input, |error| format!("{error:?}"));
        outcome.map_err(|reason| self.doom(reason))
    }

    fn fail(&mut self, error: Err) -> Retry {
        Retry::because(format!("{error:?}"))
    }
}

impl<Err: Debug + Clone + 'static> AsyncTransaction<Err> for AsyncInfallibleTransaction {
    async fn execute_async<O>(&mut self, operation: O, input: O::In) -> Result<O::Out, Retry>
    where
        O: AsyncOperation<Err = Err> + 'static,
    {
        let outcome = self.steps.execute_async(operation, input, |error| format!("{error:?}"));
        outcome.await.map_err(|reason| self.doom(reason))
    }
}

impl<E: 'static> Steps<Compensate<E>> {
    fn execute<O>(
        &mut self,
        operation: O,
        input: O::In,
        explain: fn(O::Err) -> E,
    ) -> Result<O::Out, E>
    where
        O: Operation + 'static,
    {
        let step = self.begin(operation.name());
        let outcome = atomically(|| operation.execute(input.clone()));
        self.note(step, outcome.map_err(explain), move |result| {
            Box::pin(async move { operation.compensate(input, result).map_err(explain) })
        })
    }

    async fn execute_async<O>(
        &mut self,
        operation: O,
        input: O::In,
        explain: fn(O::Err) -> E,
    ) -> Result<O::Out, E>
    where
        O: AsyncOperation + 'static,
    {
        let step = self.begin(operation.name());
        let outcome = atomically_async(async || operation.execute(input.clone()).await).await;
        self.note(step, outcome.map_err(explain), move |result| {
            Box::pin(async move { operation.compensate(input, result).await.map_err(explain) })
        })
    }

    fn note<Out: Clone + 'static>(
        &mut self,
        step: Step,
        outcome: Result<Out, E>,
        compensate: impl FnOnce(Out) -> Compensating<E> + 'static,
    ) -> Result<Out, E> {
        match &outcome {
            Ok(result) => {
                let result = result.clone();
                self.succeeded(step, Box::new(move || compensate(result)));
            }
            Err(_) => self.failed(step),
        }
        outcome
    }
}
