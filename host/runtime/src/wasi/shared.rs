//! State that a stream in the resource table and the worker's serialisable state both hold.
//!
//! A stream is a trait object that nobody can look into, so what has to be saved of it lives in a cell beside it. Both
//! ends belong to one worker, whose calls come one at a time, so nobody ever waits for a cell.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bincode::{Decode, Encode};

/// A shared number, such as a position in a file.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(crate) struct SharedCount(Arc<AtomicU64>);

impl SharedCount {
    /// A cell that holds `count`.
    pub(crate) fn new(count: u64) -> Self {
        Self(Arc::new(AtomicU64::new(count)))
    }

    /// The number.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Replaces the number.
    pub(crate) fn set(&self, count: u64) {
        self.0.store(count, Ordering::Relaxed);
    }

    /// Takes from the number; it stays at 0.
    pub(crate) fn subtract(&self, less: u64) {
        self.set(self.get().saturating_sub(less));
    }

    /// Adds to the number; it stays at the largest there is.
    pub(crate) fn add(&self, more: u64) {
        self.set(self.get().saturating_add(more));
    }
}

/// Shared bytes, such as a line that is not complete yet.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(crate) struct SharedBytes(Arc<Mutex<Vec<u8>>>);

impl SharedBytes {
    /// Runs `change` on the bytes.
    pub(crate) fn with<R>(&self, change: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        // A panic half-way ends the worker's instance, and the bytes with it.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoded_cell_holds_the_value_and_is_shared_with_nobody() {
        let cell = SharedCount::new(7);
        let bytes = bincode::encode_to_vec(&cell, bincode::config::standard()).unwrap();
        let (copy, _): (SharedCount, _) =
            bincode::decode_from_slice(&bytes, bincode::config::standard()).unwrap();
        cell.add(1);
        assert_eq!((cell.get(), copy.get()), (8, 7));
    }
}
