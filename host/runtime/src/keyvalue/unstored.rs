//! What a guest has put into its own bucket and may not be stored yet.
//!
//! Nobody else's changes lie between a worker and its own, so it may see them as soon as they are handed over: if they
//! are never stored, neither is what it does next. Everybody else sees what is stored.

use std::collections::{HashMap, VecDeque};

use everlog_oplog::Index;

use super::StoredValue;

/// A change of a worker's own bucket: what is under the key now, if anything.
pub(crate) struct OwnValue {
    pub(crate) key: String,
    pub(crate) value: Option<StoredValue>,
}

/// The changes of a worker that are on their way to the store, with the entries that say so.
#[derive(Default)]
pub(crate) struct Unstored {
    values: HashMap<String, (Index, Option<StoredValue>)>,
    /// All of the changes in their order, those that were overtaken by later ones too.
    order: VecDeque<(Index, String)>,
}

impl Unstored {
    /// Remembers a change that is stored together with entry `at`.
    pub(crate) fn note(&mut self, at: Index, changed: OwnValue) {
        let OwnValue { key, value } = changed;
        self.order.push_back((at, key.clone()));
        self.values.insert(key, (at, value));
    }

    /// Forgets what is stored by now.
    pub(crate) fn forget(&mut self, durable: Index) {
        while let Some((at, key)) = self.order.pop_front_if(|(at, _)| *at <= durable) {
            if self.values.get(&key).is_some_and(|(latest, _)| *latest == at) {
                self.values.remove(&key);
            }
        }
    }

    /// What is under `key`, unless that has to be asked of the store.
    pub(crate) fn get(&self, key: &str) -> Option<Option<StoredValue>> {
        self.values.get(key).map(|(_, value)| value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_remembered_until_it_is_stored() {
        let value = |byte| Some(StoredValue::Inline(vec![byte]));
        let mut unstored = Unstored::default();
        for (at, key, value) in [(3, "a", value(1)), (5, "b", value(2)), (6, "a", None)] {
            unstored.note(Index(at), OwnValue { key: key.to_owned(), value });
        }
        unstored.forget(Index(4));
        assert_eq!(unstored.get("a"), Some(None), "the later change counts");
        assert_eq!(unstored.get("b"), Some(value(2)));
        unstored.forget(Index(5));
        assert_eq!(unstored.get("b"), None, "the store has it");
        assert_eq!(unstored.get("a"), Some(None));
        unstored.forget(Index(6));
        assert_eq!(unstored.get("a"), None);
        assert!(unstored.order.is_empty() && unstored.values.is_empty());
    }
}
