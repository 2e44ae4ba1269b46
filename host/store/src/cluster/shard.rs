use std::fmt;

use xxhash_rust::xxh3::xxh3_64;

use crate::WorkerKey;

/// How many shards there are. Part of the format: never to be changed.
pub const SHARDS: u16 = 1_024;

/// A share of all workers, which one node owns at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shard(u16);

impl Shard {
    /// The shard with this number, if there is one.
    pub const fn new(number: u16) -> Option<Self> {
        if number < SHARDS { Some(Self(number)) } else { None }
    }

    /// The shard of a worker: the XXH3 hash of its key, for ever.
    pub fn of(worker: &WorkerKey) -> Self {
        // The remainder is below `SHARDS`.
        Self((xxh3_64(worker.as_bytes()) % u64::from(SHARDS)) as u16)
    }

    /// Every shard.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..SHARDS).map(Self)
    }

    /// Its number, below [`SHARDS`].
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Its place in a list of all shards.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(key: &str) -> u16 {
        Shard::of(&WorkerKey::new(key.as_bytes().to_vec()).unwrap()).number()
    }

    /// Two versions of the server that disagree would both believe that they own a worker.
    #[test]
    fn a_worker_keeps_its_shard_for_ever() {
        assert_eq!([shard("a"), shard("mary"), shard("worker-1")], [543, 149, 75]);
    }

    #[test]
    fn workers_spread_over_all_shards() {
        let mut counts = vec![0; usize::from(SHARDS)];
        (0..SHARDS * 16).for_each(|number| counts[usize::from(shard(&number.to_string()))] += 1);
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(*least >= 2 && *most <= 40, "from {least} to {most} workers in a shard");
    }
}
