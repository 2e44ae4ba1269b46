//! Cursors that are numbers: `wasi:keyvalue@0.2.0-draft` has no room in them for the key behind which a listing goes on.

use std::collections::VecDeque;

use bincode::{Decode, Encode};

/// How many cursors are remembered; the oldest are forgotten first.
const KEPT: usize = 1_000;

/// The keys behind the cursors that a worker was given last. Replay gives the same numbers to the same keys.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(crate) struct KeyCursors {
    /// How many were given.
    given: u64,
    /// The keys of the last of them.
    kept: VecDeque<String>,
}

impl KeyCursors {
    /// A cursor that stands for `key`.
    pub(super) fn give(&mut self, key: String) -> u64 {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(key);
        self.given += 1;
        self.given
    }

    /// The key that `cursor` stands for.
    pub(super) fn key(&self, cursor: u64) -> Option<&str> {
        let forgotten = self.given - self.kept.len() as u64;
        let place = cursor.checked_sub(forgotten + 1)?;
        self.kept.get(usize::try_from(place).ok()?).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_cursors_are_known_and_others_are_not() {
        let mut cursors = KeyCursors::default();
        let given: Vec<u64> =
            (0..KEPT + 5).map(|number| cursors.give(format!("key {number}"))).collect();
        assert_eq!(cursors.key(0), None);
        assert_eq!(cursors.key(given[4]), None, "forgotten");
        assert_eq!(cursors.key(given[5]), Some("key 5"));
        assert_eq!(cursors.key(given[KEPT + 4]), Some("key 1004"));
        assert_eq!(cursors.key(given[KEPT + 4] + 1), None);
    }
}
