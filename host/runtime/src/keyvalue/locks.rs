//! Who may change a record now.
//!
//! A change is decided on what is stored, and stored some time later; in between nobody else may change it. Reading needs
//! no lock: what is stored is what is true.

use std::sync::Arc;

use everlog_store::Space;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How many locks all records share. Two records with the same lock wait for each other without need, so there are many
/// more than there are calls at a time.
const STRIPES: usize = 4096;

/// One lock for each record, nearly.
pub(crate) struct Locks(Box<[Arc<RwLock<()>>]>);

/// What is to be done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Claim {
    /// It must stay as it is.
    Keep,
    /// It may be changed.
    Change,
}

/// Locks that are held; dropping it lets go of them. By default there are none.
#[derive(Default)]
pub(crate) struct Held {
    _keeping: Vec<OwnedRwLockReadGuard<()>>,
    _changing: Vec<OwnedRwLockWriteGuard<()>>,
}

impl Locks {
    pub(crate) fn new() -> Self {
        Self((0..STRIPES).map(|_| Arc::default()).collect())
    }

    /// Waits until all of `records` can be held. Everybody takes locks in the same order, so nobody waits in a circle.
    pub(crate) async fn hold(
        &self,
        records: impl IntoIterator<Item = (Claim, Space, &[u8])>,
    ) -> Held {
        let mut stripes: Vec<(usize, Claim)> = records
            .into_iter()
            .map(|(claim, space, key)| (self.stripe(space, key), claim))
            .collect();
        // Of two claims on one lock the stronger counts, which stands last.
        stripes.sort_unstable();
        let mut held = Held { _keeping: Vec::new(), _changing: Vec::new() };
        for (position, (stripe, claim)) in stripes.iter().enumerate() {
            if stripes.get(position + 1).is_some_and(|(next, _)| next == stripe) {
                continue;
            }
            let lock = Arc::clone(&self.0[*stripe]);
            match claim {
                Claim::Keep => held._keeping.push(lock.read_owned().await),
                Claim::Change => held._changing.push(lock.write_owned().await),
            }
        }
        held
    }

    fn stripe(&self, space: Space, key: &[u8]) -> usize {
        let hash = xxh3_64_with_seed(key, u64::from(space.number()));
        usize::try_from(hash % self.0.len() as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const SPACE: Space = Space::new(5);

    fn claims(claims: &[(Claim, &'static str)]) -> Vec<(Claim, Space, &'static [u8])> {
        claims.iter().map(|(claim, key)| (*claim, SPACE, key.as_bytes())).collect()
    }

    #[tokio::test]
    async fn a_change_waits_for_all_others_and_keepers_share() {
        let locks = Locks::new();
        let free = |held: &[(Claim, &'static str)]| locks.hold(claims(held)).now_or_never();
        let kept = free(&[(Claim::Keep, "a")]).unwrap();
        assert!(free(&[(Claim::Keep, "a"), (Claim::Change, "b")]).is_some());
        assert!(free(&[(Claim::Change, "a")]).is_none());
        drop(kept);
        let changed = free(&[(Claim::Change, "a")]).unwrap();
        assert!(free(&[(Claim::Keep, "a")]).is_none());
        drop(changed);
        assert!(free(&[(Claim::Keep, "a")]).is_some());
    }

    #[tokio::test]
    async fn a_record_that_is_named_twice_is_held_once() {
        let locks = Locks::new();
        let twice = claims(&[(Claim::Change, "a"), (Claim::Keep, "a"), (Claim::Change, "a")]);
        let held = locks.hold(twice).now_or_never().expect("no deadlock with itself");
        assert!(locks.hold(claims(&[(Claim::Keep, "a")])).now_or_never().is_none());
        drop(held);
    }
}
