//! Whether somebody wants the running invocation to end.

use crate::host;

/// Whether somebody, a caller or an operator, asks that the running invocation come to an end.
///
/// A guest that calls this is woken from whatever it waits for: a sleep or a promise ends at once, with
/// nothing in it. It can then make good what it did, and return; what it does then is not cancelled.
/// Natively nobody ever asks.
#[must_use]
pub fn cancelled() -> bool {
    host::cancelled()
}
