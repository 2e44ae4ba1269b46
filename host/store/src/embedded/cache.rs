use std::hash::{Hash, RandomState};

use hashbrown::HashMap;

/// What was used recently, up to a size. When the young generation is full it becomes the old one,
/// and what was old and not used since is forgotten; so at most twice `half` is held.
pub(super) struct Recent<K, V> {
    young: HashMap<K, (V, u64), RandomState>,
    old: HashMap<K, (V, u64), RandomState>,
    young_size: u64,
    half: u64,
}

impl<K: Eq + Hash + Clone, V: Clone> Recent<K, V> {
    /// Holds values of up to `size` together, whatever the sizes count.
    pub(super) fn new(size: u64) -> Self {
        Self { young: HashMap::default(), old: HashMap::default(), young_size: 0, half: size / 2 }
    }

    /// The value of `key`, if it is remembered.
    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        if let Some((value, _)) = self.young.get(key) {
            return Some(value.clone());
        }
        let (value, size) = self.old.remove(key)?;
        self.set(key.clone(), value.clone(), size);
        Some(value)
    }

    /// Remembers the value of `key`.
    pub(super) fn set(&mut self, key: K, value: V, size: u64) {
        if self.young_size.saturating_add(size) > self.half && !self.young.is_empty() {
            self.old = std::mem::take(&mut self.young);
            self.young_size = 0;
        }
        self.young_size += size;
        if let Some((_, replaced)) = self.young.insert(key, (value, size)) {
            self.young_size -= replaced;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_value_counts_and_the_size_is_bounded() {
        let mut recent = Recent::new(100);
        recent.set(0, 1, 1);
        for key in 1..1000 {
            recent.set(key, key, 1);
            recent.set(key, key + 1, 1);
            assert_eq!(recent.get(&key), Some(key + 1));
        }
        assert!(recent.young.len() + recent.old.len() <= 100);
        assert_eq!(recent.get(&0), None);
    }

    #[test]
    fn what_is_used_stays() {
        let mut recent = Recent::new(10);
        recent.set(0, "used", 1);
        for key in 1..100 {
            recent.set(key, "other", 1);
            assert_eq!(recent.get(&0), Some("used"));
        }
        // Larger than everything: held until the next one comes.
        recent.set(100, "huge", 50);
        assert_eq!(recent.get(&100), Some("huge"));
    }

    #[test]
    fn an_old_value_is_replaced() {
        let mut recent = Recent::new(4);
        for key in 0..3 {
            recent.set(key, 1, 1);
        }
        recent.set(0, 7, 1);
        assert_eq!(recent.get(&0), Some(7));
    }
}
