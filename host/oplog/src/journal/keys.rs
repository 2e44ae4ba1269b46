//! Which idempotency keys a log has seen.

use std::cell::RefCell;
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_64;

use crate::codec::Decoded;
use crate::entry::EntryKind;

/// The hashes of the keys of all invocations that a log has begun, queued or cancelled, also of those that were
/// taken back: about 16 bytes for each. A key that is not among them was never used, and nobody has to
/// be asked about it.
#[derive(Debug, Default)]
pub(super) struct SeenKeys(HashSet<u64, BuildHasherDefault<AsItIs>>);

impl SeenKeys {
    pub(super) fn note(&mut self, kind: &EntryKind) {
        // Also what waited in memory only can be cancelled.
        if let EntryKind::InvocationStarted { key, .. }
        | EntryKind::Accepted { key, .. }
        | EntryKind::Cancelled { key, .. } = kind
        {
            self.0.insert(xxh3_64(key.as_bytes()));
        }
    }

    /// False only for a key that the log has not seen.
    pub(super) fn may_have(&self, key: &str) -> bool {
        self.0.contains(&xxh3_64(key.as_bytes()))
    }
}

/// Notes what passes by while a log is folded, which may read it more than once.
#[derive(Debug, Default)]
pub(super) struct Noting(RefCell<SeenKeys>);

impl Noting {
    pub(super) fn passed<E>(&self, decoded: &Result<Decoded, E>) {
        if let Ok(decoded) = decoded {
            self.0.borrow_mut().note(&decoded.entry.kind);
        }
    }

    pub(super) fn seen(self) -> SeenKeys {
        self.0.into_inner()
    }
}

/// Takes a hash for its own hash.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        debug_assert!(false, "only hashes are kept");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
