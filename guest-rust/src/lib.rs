#![doc = include_str!("../README.md")]

// Generated code says `::everlog`, also in this crate.
extern crate self as everlog;

mod action;
mod atomic;
pub mod calls;
mod cancellation;
mod host;
pub mod http;
#[cfg(not(target_arch = "wasm32"))]
pub mod mock;
mod modes;
mod oplog;
mod promise;
pub mod rand;
mod runtime;
pub mod state;
mod transaction;
mod worker;

pub use action::{ActionError, invocation_key, run, try_run, uuid_for};
pub use atomic::{AtomicOperationGuard, atomically, atomically_async, mark_atomic_operation};
pub use cancellation::cancelled;
/// Makes a function an operation of transactions.
///
/// The function takes any number of owned inputs (up to twelve) and returns a `Result`. It can
/// still be called by itself; within a transaction it is called as a method of it:
///
/// ```
/// use everlog::{fallible_transaction, golem_operation};
///
/// #[golem_operation(compensation = compensation_step)]
/// fn transaction_step(step: u64) -> Result<bool, String> {
///     println!("Step {step}");
///     Ok(true)
/// }
///
/// fn compensation_step(_: bool, step: u64) -> Result<(), String> {
///     println!("Compensating step {step}");
///     Ok(())
/// }
///
/// let result = fallible_transaction(|tx| {
///     tx.transaction_step(1)?;
///     tx.transaction_step(2)?;
///     Ok(11)
/// });
/// assert_eq!(result, Ok(11));
/// ```
///
/// The compensation returns `Result<(), E>` with the operation's error type, and takes
/// - nothing,
/// - or the result of the operation,
/// - or the result and then all inputs of the operation.
///
/// An `async fn` has an `async fn` as its compensation, and belongs to the asynchronous
/// transactions.
///
/// The method comes from a trait that is called as the function, here `TransactionStepOperation`,
/// and as visible; to use the operation in another module, import the trait.
pub use everlog_macro::golem_operation;
pub use modes::{
    IdempotenceModeGuard, PersistenceLevel, PersistenceLevelGuard, RetryPolicy, RetryPolicyGuard,
    get_idempotence_mode, get_oplog_persistence_level, get_retry_policy, set_idempotence_mode,
    set_oplog_persistence_level, set_retry_policy, use_idempotence_mode, use_persistence_level,
    use_retry_policy, with_idempotence_mode, with_idempotence_mode_async, with_persistence_level,
    with_persistence_level_async, with_retry_policy, with_retry_policy_async,
};
pub use oplog::{
    OplogIndex, generate_idempotency_key, get_oplog_index, oplog_commit, set_oplog_index,
};
pub use promise::{
    Promise, PromiseId, await_promise, complete_promise, create_promise, delete_promise,
};
pub use rand::uuid;
pub use runtime::{block_on, sleep_async};
pub use transaction::{
    AsyncFallibleTransaction, AsyncInfallibleTransaction, AsyncOperation, AsyncTransaction,
    FallibleTransaction, InfallibleTransaction, Operation, Remains, Retry, Rollback, Step,
    Transaction, TransactionFailure, TransactionResult, fallible_transaction,
    fallible_transaction_async, infallible_transaction, infallible_transaction_async, operation,
    operation_async,
};
pub use uuid::Uuid;
pub use worker::{
    Comparison, TextComparison, UpdateMode, WorkerFilter, WorkerId, WorkerMetadata, WorkerStatus,
    get_self_metadata, get_self_uri, get_worker_metadata, get_workers, update_worker,
};

/// What generated code uses; no part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::transaction::{
        AsyncCompensation, Compensation, IsResult, named_operation, named_operation_async,
    };
}
