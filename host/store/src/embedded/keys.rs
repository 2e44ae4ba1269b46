//! How keys look in the tables, and what they are called in messages.
//!
//! ```text
//! logs:    length of the worker key: u16 | worker key | first index: u64   (big-endian)
//! records: space: u8 | key
//! ```
//! The length in front makes one worker's keys a range of their own whatever the other keys are.

use std::ops::Bound;

use crate::store::KeyRange;
use crate::{Space, WorkerKey};

/// Where a scan starts and ends in its table.
pub(super) type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// The key of the log record that starts at `first`.
pub(super) fn log_key(worker: &WorkerKey, first: u64) -> Vec<u8> {
    let name = worker.as_bytes();
    // A worker key has at most 1,024 bytes.
    let length = name.len() as u16;
    [&length.to_be_bytes(), name, &first.to_be_bytes()].concat()
}

/// The key of a record in its table.
pub(super) fn record_key(space: Space, key: &[u8]) -> Vec<u8> {
    [&[space.number()], key].concat()
}

/// What a record is called in messages; `key` as [`record_key`] makes it.
pub(super) fn record_place(key: &[u8]) -> String {
    let (space, key) = key.split_first().unwrap_or((&0, &[]));
    format!("record {} of space {space}", key.escape_ascii())
}

/// What a log record is called in messages.
pub(super) fn log_place(worker: &WorkerKey, index: Option<u64>) -> String {
    match index {
        Some(index) => format!("worker {worker}, entry {index}"),
        None => format!("worker {worker}, end of its oplog"),
    }
}

/// Where in the table `range` of `space` lies; `None` if it holds no key.
pub(super) fn record_bounds(space: Space, range: KeyRange) -> Option<Bounds> {
    let inverted = match (&range.start, &range.end) {
        (Bound::Included(start), Bound::Included(end)) => start > end,
        (Bound::Included(start) | Bound::Excluded(start), Bound::Excluded(end))
        | (Bound::Excluded(start), Bound::Included(end)) => start >= end,
        _ => false,
    };
    if inverted {
        return None;
    }
    let start = match range.start {
        Bound::Unbounded => Bound::Included(vec![space.number()]),
        bound => bound.map(|key| record_key(space, &key)),
    };
    let end = match range.end {
        // The largest space has no successor, but no successor is needed where nothing follows.
        Bound::Unbounded => space
            .number()
            .checked_add(1)
            .map_or(Bound::Unbounded, |next| Bound::Excluded(vec![next])),
        bound => bound.map(|key| record_key(space, &key)),
    };
    Some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_one_worker_are_in_the_order_of_their_indices() {
        let worker = WorkerKey::new(*b"w").unwrap();
        assert!(log_key(&worker, 1) < log_key(&worker, 2));
        assert!(log_key(&worker, 255) < log_key(&worker, 256));
    }

    #[test]
    fn no_key_of_another_worker_lies_between_them() {
        let short = WorkerKey::new(*b"w").unwrap();
        let range = log_key(&short, 0)..=log_key(&short, u64::MAX);
        // Also where one name begins with the other, index bytes and all.
        for name in [&b"w\0"[..], b"w\0\0\0\0\0\0\0\x01", b"v", b"x"] {
            let other = WorkerKey::new(name.to_vec()).unwrap();
            assert!(!range.contains(&log_key(&other, 1)), "{other}");
        }
    }

    #[test]
    fn inverted_and_empty_ranges_have_no_bounds() {
        let range = |start: Bound<&[u8]>, end: Bound<&[u8]>| KeyRange {
            start: start.map(<[u8]>::to_vec),
            end: end.map(<[u8]>::to_vec),
        };
        let bounds = |start, end| record_bounds(Space::new(0), range(start, end));
        use Bound::{Excluded, Included};
        assert_eq!(bounds(Included(b"b"), Included(b"a")), None);
        assert_eq!(bounds(Excluded(b"a"), Excluded(b"a")), None);
        assert_eq!(bounds(Included(b"a"), Excluded(b"a")), None);
        assert!(bounds(Included(b"a"), Included(b"a")).is_some());
    }
}
