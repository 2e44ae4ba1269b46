//! What was committed lately, in memory, with all its versions since readers may still look at an
//! older moment.

use std::cmp::Reverse;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering as Atomic};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_skiplist::SkipMap;

use super::meta::{Range, successor};
use super::{Found, Item};
use crate::embedded::files::io_error;
use crate::{Order, StoreError};

/// What an item takes in memory beside its key and value, roughly.
const ITEM_OVERHEAD_BYTES: usize = 64;

/// Newer versions of a key come first.
type VersionedKey = (Box<[u8]>, Reverse<u64>);

pub(super) struct Memtable {
    items: SkipMap<VersionedKey, Option<Box<[u8]>>>,
    bytes: AtomicU64,
    /// The last group in it; 0 if there is none.
    group: AtomicU64,
    /// The journal's segments that hold it, to be removed when it is in a table.
    segments: Mutex<Vec<PathBuf>>,
}

impl Memtable {
    pub(super) fn new(segments: Vec<PathBuf>) -> Self {
        Self {
            items: SkipMap::new(),
            bytes: AtomicU64::new(0),
            group: AtomicU64::new(0),
            segments: Mutex::new(segments),
        }
    }

    pub(super) fn add_segment(&self, segment: PathBuf) {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner).push(segment);
    }

    /// Removes its part of the journal, the oldest first.
    #[expect(clippy::disallowed_methods, reason = "host/store owns the state directory")]
    pub(super) fn remove_segments(&self) -> Result<(), StoreError> {
        let mut segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        for path in segments.drain(..) {
            std::fs::remove_file(&path).map_err(io_error("remove", &path))?;
        }
        Ok(())
    }

    /// Adds an item of `group`; each key occurs once in a group.
    pub(super) fn insert(&self, group: u64, key: Vec<u8>, value: Option<Vec<u8>>) {
        let bytes = key.len() + value.as_ref().map_or(0, Vec::len) + ITEM_OVERHEAD_BYTES;
        self.bytes.fetch_add(bytes as u64, Atomic::Relaxed);
        self.group.fetch_max(group, Atomic::Relaxed);
        self.items.insert((key.into(), Reverse(group)), value.map(Vec::into_boxed_slice));
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Atomic::Relaxed)
    }

    pub(super) fn last_group(&self) -> u64 {
        self.group.load(Atomic::Relaxed)
    }

    /// The newest version of `key` up to `group`.
    pub(super) fn get(&self, key: &[u8], group: u64) -> Found {
        let bound = (key.into(), Reverse(group));
        match self.items.lower_bound(Bound::Included(&bound)) {
            Some(entry) if *entry.key().0 == *key => match entry.value() {
                Some(value) => Found::Value(value.to_vec()),
                None => Found::Removed,
            },
            _ => Found::Nothing,
        }
    }

    /// The newest version of every key, in order. Nobody may write meanwhile.
    pub(super) fn newest(&self) -> impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)> {
        let mut last: Option<Box<[u8]>> = None;
        self.items.iter().filter_map(move |entry| {
            let key = &entry.key().0;
            if last.as_ref() == Some(key) {
                return None;
            }
            last = Some(key.clone());
            Some((key.to_vec(), entry.value().as_ref().map(|value| value.to_vec())))
        })
    }
}

/// Walks through the keys of a memtable as they were at `group`. Looks its place up at each step,
/// so that it borrows nothing.
pub(super) struct MemoryCursor {
    memtable: Arc<Memtable>,
    group: u64,
    rest: Range,
    order: Order,
}

impl MemoryCursor {
    pub(super) fn new(memtable: Arc<Memtable>, group: u64, range: Range, order: Order) -> Self {
        Self { memtable, group, rest: range, order }
    }

    pub(super) fn next(&mut self) -> Option<Item> {
        match self.order {
            Order::Forward => self.next_forward(),
            Order::Backward => self.next_backward(),
        }
    }

    fn next_forward(&mut self) -> Option<Item> {
        let start = (self.rest.start.as_slice().into(), Reverse(u64::MAX));
        let mut entry = self.memtable.items.lower_bound(Bound::Included(&start))?;
        while entry.key().1.0 > self.group {
            entry = entry.next()?;
        }
        let key = entry.key().0.to_vec();
        if !self.rest.is_before_end(&key) {
            return None;
        }
        self.rest.start = successor(&key);
        Some(Item { key, value: entry.value().as_ref().map(|value| value.to_vec()) })
    }

    fn next_backward(&mut self) -> Option<Item> {
        loop {
            let bound = self.rest.end.take().map(|end| (end.into_boxed_slice(), Reverse(u64::MAX)));
            let bound = bound.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
            // The oldest version of the last key below the bound.
            let key = self.memtable.items.upper_bound(bound)?.key().0.to_vec();
            self.rest.end = Some(key.clone());
            if key < self.rest.start {
                return None;
            }
            let value = match self.memtable.get(&key, self.group) {
                Found::Value(value) => Some(value),
                Found::Removed => None,
                Found::Nothing | Found::Hole(_) => continue,
            };
            return Some(Item { key, value });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memtable() -> Arc<Memtable> {
        let memtable = Memtable::new(Vec::new());
        for (group, key, value) in [
            (1, "a", Some("1")),
            (1, "b", Some("1")),
            (2, "b", None),
            (3, "a", Some("3")),
            (3, "c", Some("3")),
        ] {
            memtable.insert(group, key.into(), value.map(Into::into));
        }
        Arc::new(memtable)
    }

    fn walk(group: u64, range: Range, order: Order) -> Vec<String> {
        let mut cursor = MemoryCursor::new(memtable(), group, range, order);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        std::iter::from_fn(|| cursor.next())
            .map(|item| text(item.key) + "=" + &item.value.map_or("-".into(), text))
            .collect()
    }

    #[test]
    fn a_reader_sees_its_own_moment() {
        let expected: [&[&str]; 4] =
            [&[], &["a=1", "b=1"], &["a=1", "b=-"], &["a=3", "b=-", "c=3"]];
        for (group, expected) in (0..).zip(expected) {
            assert_eq!(walk(group, Range::all(), Order::Forward), expected);
            let mut backward = walk(group, Range::all(), Order::Backward);
            backward.reverse();
            assert_eq!(backward, expected);
        }
        assert!(matches!(memtable().get(b"b", 1), Found::Value(value) if value == b"1"));
        assert!(matches!(memtable().get(b"b", 9), Found::Removed));
        assert!(matches!(memtable().get(b"c", 2), Found::Nothing));
    }

    #[test]
    fn ranges_are_kept() {
        let range = Range { start: b"b".into(), end: Some(b"c".into()) };
        assert_eq!(walk(3, range.clone(), Order::Forward), ["b=-"]);
        assert_eq!(walk(3, range, Order::Backward), ["b=-"]);
    }

    #[test]
    fn only_the_newest_versions_go_to_a_table() {
        let memtable = memtable();
        let keys = memtable.newest().map(|(key, value)| (key, value.is_some()));
        let expected = [(b"a".to_vec(), true), (b"b".to_vec(), false), (b"c".to_vec(), true)];
        assert!(keys.eq(expected));
        assert_eq!(memtable.last_group(), 3);
    }
}
