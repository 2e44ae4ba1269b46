//! The name spaces of the store's records, numbered for ever.

use everlog_store::Space;

/// Component name → `ComponentRecord`.
pub(crate) const COMPONENTS: Space = Space::new(1);
/// Worker key → the cached status of the worker.
pub(crate) const WORKERS: Space = Space::new(2);
/// Worker key, then idempotency key → where the invocation's entries are.
pub(crate) const INVOCATIONS: Space = Space::new(3);
/// Due time (big-endian nanoseconds), then worker key → nothing: which workers must be woken, and when.
pub(crate) const WAKES: Space = Space::new(4);
