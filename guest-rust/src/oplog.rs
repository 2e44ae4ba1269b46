//! The worker's place in its own history.

use uuid::Uuid;

use crate::host;

/// A position in the worker's oplog. The first entry has index 1.
pub type OplogIndex = u64;

/// Waits until everything that led here is durable, on this many replicas; asking for more than
/// there are waits for all of them.
///
/// What leaves the worker waits for that by itself, so a guest rarely needs it.
pub fn oplog_commit(replicas: u8) {
    host::oplog_commit(replicas);
}

/// Returns the current position, to which [`set_oplog_index`] can go back.
#[must_use]
pub fn get_oplog_index() -> OplogIndex {
    host::get_oplog_index()
}

/// Goes back: the worker continues right after the [`get_oplog_index`] call that returned `index`,
/// with the memory it had there. What happened since is deleted from its history.
///
/// Call it only under a condition that something from outside decides since then, or the worker
/// goes back for ever.
///
/// The host traps if `index` lies in the future or in a part of the history that was deleted.
pub fn set_oplog_index(index: OplogIndex) -> ! {
    host::set_oplog_index(index)
}

/// Returns a key by which a remote side can recognise a request that is sent again.
///
/// At a given point in the program it is always the same, also after a crash; a transaction that
/// was undone and starts over draws a new one. The key is durable before it is returned.
///
/// ```
/// let key = everlog::generate_idempotency_key();
/// assert_ne!(key, everlog::generate_idempotency_key());
/// ```
#[must_use]
pub fn generate_idempotency_key() -> Uuid {
    host::generate_idempotency_key()
}
