//! Entries that are to be written.

use crate::codec::Codec;
use crate::entry::Entry;
use crate::index::Index;

/// Consecutive entries that are to be written, as the store keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The first entry.
    pub first: Index,
    /// The last entry.
    pub last: Index,
    /// Their frames.
    pub bytes: Vec<u8>,
}

/// The entries since the last [`Tail`] was taken. They are encoded as they are made, so that
/// handing them over copies nothing.
#[derive(Debug)]
pub(super) struct TailBuffer {
    first: Index,
    next: Index,
    bytes: Vec<u8>,
}

impl TailBuffer {
    pub(super) fn starting_at(first: Index) -> TailBuffer {
        TailBuffer { first, next: first, bytes: Vec::new() }
    }

    /// Appends an entry; returns the length of its frame in bytes.
    pub(super) fn push(&mut self, codec: &Codec, index: Index, entry: &Entry) -> usize {
        assert_eq!(index, self.next, "entries follow each other without gaps");
        self.next = index.next();
        codec.encode(index, entry, &mut self.bytes)
    }

    pub(super) fn take(&mut self) -> Option<Tail> {
        if self.is_empty() {
            return None;
        }
        let first = std::mem::replace(&mut self.first, self.next);
        let bytes = std::mem::take(&mut self.bytes);
        Some(Tail { first, last: Index(self.next.get() - 1), bytes })
    }

    /// The entries that [`take`](Self::take) would hand over.
    pub(super) fn peek(&self) -> (Index, &[u8]) {
        (self.first, &self.bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}
