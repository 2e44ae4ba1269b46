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
/// Bucket name, 0, key → `keyvalue::Record`.
pub(crate) const KEY_VALUES: Space = Space::new(5);
/// Container name → `blobstore::ContainerRecord`.
pub(crate) const CONTAINERS: Space = Space::new(6);
/// Container id (8 bytes, big-endian), then object name → `keyvalue::Record`.
pub(crate) const OBJECTS: Space = Space::new(7);
/// When the value ends (big-endian nanoseconds), then the key of its record in [`KEY_VALUES`] → nothing: which values
/// of state stores are to be removed, and when.
pub(crate) const ENDS: Space = Space::new(8);
/// Component UUID, then version (8 bytes, big-endian) → what its deployer said of it.
pub(crate) const DEPLOYMENTS: Space = Space::new(10);
/// Name of a schedule → `ScheduleRecord`.
pub(crate) const SCHEDULES: Space = Space::new(9);
