use std::collections::HashMap;

use crate::WorkerKey;

/// How many workers one generation of [`Heads`] holds, so at most twice as many are remembered:
/// under 2 MiB with keys of 100 bytes.
const GENERATION: usize = 4096;

/// The last index of workers that were written recently, so that the guard of an append rarely has
/// to ask the engine. Bounded: when the young generation is full it becomes the old one, and what
/// was old and not used since is forgotten.
#[derive(Default)]
pub(super) struct Heads {
    young: HashMap<WorkerKey, u64>,
    old: HashMap<WorkerKey, u64>,
}

impl Heads {
    /// The last index of `worker` (0: its oplog is empty), if it is remembered.
    pub(super) fn get(&self, worker: &WorkerKey) -> Option<u64> {
        self.young.get(worker).or_else(|| self.old.get(worker)).copied()
    }

    /// Remembers the last index of `worker`.
    pub(super) fn set(&mut self, worker: WorkerKey, last: u64) {
        if self.young.len() >= GENERATION && !self.young.contains_key(&worker) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(worker, last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(number: usize) -> WorkerKey {
        WorkerKey::new(number.to_be_bytes().to_vec()).unwrap()
    }

    #[test]
    fn the_newest_index_counts_and_the_memory_is_bounded() {
        let mut heads = Heads::default();
        heads.set(worker(0), 1);
        for number in 1..10 * GENERATION {
            heads.set(worker(number), number as u64);
            heads.set(worker(number), number as u64 + 1);
            assert_eq!(heads.get(&worker(number)), Some(number as u64 + 1));
        }
        assert!(heads.young.len() + heads.old.len() <= 2 * GENERATION);
        assert_eq!(heads.get(&worker(0)), None);
    }

    #[test]
    fn an_index_that_was_old_is_replaced() {
        let mut heads = Heads::default();
        for number in 0..=GENERATION {
            heads.set(worker(number), 1);
        }
        heads.set(worker(0), 7);
        assert_eq!(heads.get(&worker(0)), Some(7));
    }
}
