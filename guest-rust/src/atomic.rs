//! Regions that happen as a whole.

use crate::host;
use crate::oplog::OplogIndex;

/// Ends an atomic region when it is dropped, see [`mark_atomic_operation`].
#[derive(Debug)]
#[must_use = "dropping the guard ends the atomic region at once"]
pub struct AtomicOperationGuard {
    begin: OplogIndex,
}

impl Drop for AtomicOperationGuard {
    /// A panic is a failure of the region, so it stays open: when the worker is tried again, the
    /// region runs again.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            host::mark_end_operation(self.begin);
        }
    }
}

/// Begins an atomic region that ends when the guard is dropped, see [`atomically`].
pub fn mark_atomic_operation() -> AtomicOperationGuard {
    AtomicOperationGuard { begin: host::mark_begin_operation() }
}

/// Runs a closure as one: if the worker stops in the middle (a crash, a panic, a failing host
/// call), the whole closure runs again, with the memory it began with and the same idempotency
/// keys. Regions nest; of several open ones the outermost runs again.
///
/// ```
/// use everlog::{atomically, generate_idempotency_key};
///
/// let (debit, credit) = atomically(|| {
///     // Two requests that belong together; the keys let the bank recognise repetitions.
///     (generate_idempotency_key(), generate_idempotency_key())
/// });
/// # assert_ne!(debit, credit);
/// ```
pub fn atomically<T>(f: impl FnOnce() -> T) -> T {
    let _guard = mark_atomic_operation();
    f()
}

/// As [`atomically`], for an asynchronous closure.
pub async fn atomically_async<T>(f: impl AsyncFnOnce() -> T) -> T {
    let _guard = mark_atomic_operation();
    f().await
}
