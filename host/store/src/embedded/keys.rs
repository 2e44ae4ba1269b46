//! How keys look in the tree, and what they are called in messages.
//!
//! ```text
//! logs:    1 | length of the worker key: u16 | worker key | first index: u64   (big-endian)
//! records: 2 | space: u8 | key
//! ```
//! The length in front makes one worker's keys a range of their own whatever the other keys are.
//! Indices start at 1; what stands at 0 is a *cover*: the mark of an oplog that was deleted
//! although parts of it could not be read. It says that whatever older holes hide was deleted too.

use std::ops::Bound;

use super::envelope;
use super::tree::Range;
use crate::store::KeyRange;
use crate::{Space, WorkerKey};

const LOG: u8 = 1;
const RECORD: u8 = 2;

/// The key of the log record that starts at `first`.
pub(super) fn log_key(worker: &WorkerKey, first: u64) -> Vec<u8> {
    let name = worker.as_bytes();
    // A worker key has at most 1,024 bytes.
    let length = name.len() as u16;
    [&[LOG], &length.to_be_bytes()[..], name, &first.to_be_bytes()].concat()
}

/// The log records of `worker` that start at `first` to `last`.
pub(super) fn log_range(worker: &WorkerKey, first: u64, last: u64) -> Range {
    Range::up_to(log_key(worker, first), &log_key(worker, last))
}

/// All log records behind those of `worker`; without one, all there are.
pub(super) fn logs_behind(worker: Option<&WorkerKey>) -> Range {
    let behind = |worker| [log_key(worker, u64::MAX).as_slice(), &[0]].concat();
    let start = worker.map_or_else(|| vec![LOG], behind);
    Range { start, end: Some(vec![RECORD]) }
}

/// The worker whose log record has this key.
pub(super) fn log_worker(key: &[u8]) -> Option<WorkerKey> {
    parse_log_key(key).map(|(worker, _)| worker)
}

/// The key of a record in the tree.
pub(super) fn record_key(space: Space, key: &[u8]) -> Vec<u8> {
    [&[RECORD, space.number()], key].concat()
}

/// The key of a record without what [`record_key`] put before it.
pub(super) fn bare_key(key: &[u8]) -> &[u8] {
    key.get(2..).unwrap_or_default()
}

/// The cover of the worker that `key` belongs to; `None` for the key of a record.
pub(super) fn cover_key(key: &[u8]) -> Option<Vec<u8>> {
    let (worker, _) = parse_log_key(key)?;
    Some(log_key(&worker, 0))
}

/// The keys that a cover says were deleted; `None` for all other items.
pub(super) fn covered_range(key: &[u8], value: Option<&[u8]>) -> Option<Range> {
    if !key.ends_with(&[0; 8]) {
        return None;
    }
    let (worker, index) = parse_log_key(key)?;
    let is_cover = index == 0 && envelope::open(key, value?).is_ok();
    is_cover.then(|| log_range(&worker, 1, u64::MAX))
}

/// What an item is called in messages; also for keys that are only the border of something.
pub(super) fn describe_key(key: &[u8]) -> String {
    match (parse_log_key(key), key.first()) {
        (Some((worker, index)), _) => log_place(&worker, Some(index)),
        (None, Some(&RECORD)) => record_place(key),
        _ => format!("key {}", key.escape_ascii()),
    }
}

/// What a record is called in messages; `key` as [`record_key`] makes it.
pub(super) fn record_place(key: &[u8]) -> String {
    let space = key.get(1).unwrap_or(&0);
    format!("record {} of space {space}", bare_key(key).escape_ascii())
}

/// Worker and index; tolerates what follows, as in the successor of a key.
fn parse_log_key(key: &[u8]) -> Option<(WorkerKey, u64)> {
    let rest = key.strip_prefix(&[LOG])?;
    let (length, rest) = rest.split_first_chunk()?;
    let (name, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    let index = u64::from_be_bytes(*rest.first_chunk()?);
    Some((WorkerKey::new(name).ok()?, index))
}

/// What a log record is called in messages.
pub(super) fn log_place(worker: &WorkerKey, index: Option<u64>) -> String {
    match index {
        Some(index) => format!("worker {worker}, entry {index}"),
        None => format!("worker {worker}, end of its oplog"),
    }
}

/// Where in the tree `range` of `space` lies; `None` if it holds no key.
pub(super) fn record_range(space: Space, range: KeyRange) -> Option<Range> {
    let key = |key: Vec<u8>| record_key(space, &key);
    let behind = |bare: Vec<u8>| [key(bare).as_slice(), &[0]].concat();
    let start = match range.start {
        Bound::Unbounded => record_key(space, &[]),
        Bound::Included(start) => key(start),
        Bound::Excluded(start) => behind(start),
    };
    let end = match range.end {
        // The largest space is followed by the end of all records.
        Bound::Unbounded => match space.number().checked_add(1) {
            Some(next) => vec![RECORD, next],
            None => vec![RECORD + 1],
        },
        Bound::Included(end) => behind(end),
        Bound::Excluded(end) => key(end),
    };
    (start < end).then_some(Range { start, end: Some(end) })
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
        let range = log_range(&short, 0, u64::MAX);
        let end = range.end.unwrap();
        // Also where one name begins with the other, index bytes and all.
        for name in [&b"w\0"[..], b"w\0\0\0\0\0\0\0\x01", b"v", b"x"] {
            let other = WorkerKey::new(name.to_vec()).unwrap();
            let key = log_key(&other, 1);
            assert!(key < range.start || key >= end, "{other}");
        }
    }

    #[test]
    fn inverted_and_empty_ranges_have_no_place() {
        let range = |start: Bound<&[u8]>, end: Bound<&[u8]>| KeyRange {
            start: start.map(<[u8]>::to_vec),
            end: end.map(<[u8]>::to_vec),
        };
        let place = |start, end| record_range(Space::new(0), range(start, end));
        use Bound::{Excluded, Included};
        assert_eq!(place(Included(b"b"), Included(b"a")), None);
        assert_eq!(place(Excluded(b"a"), Excluded(b"a")), None);
        assert_eq!(place(Included(b"a"), Excluded(b"a")), None);
        assert!(place(Included(b"a"), Included(b"a")).is_some());
    }

    #[test]
    fn keys_say_what_they_are_of() {
        let worker = WorkerKey::new(*b"mary").unwrap();
        assert_eq!(describe_key(&log_key(&worker, 7)), "worker mary, entry 7");
        let record = record_key(Space::new(3), b"status");
        assert_eq!(describe_key(&record), "record status of space 3");
        assert_eq!(bare_key(&record), b"status");
        assert_eq!(describe_key(b"\x07"), r"key \x07");
    }

    #[test]
    fn a_cover_covers_its_worker() {
        let worker = WorkerKey::new(*b"mary").unwrap();
        let cover = cover_key(&log_key(&worker, 7)).unwrap();
        let value = envelope::seal(&cover, &[]).bytes;
        assert_eq!(covered_range(&cover, Some(&value)), Some(log_range(&worker, 1, u64::MAX)));
        assert_eq!(covered_range(&cover, Some(b"damaged")), None);
        assert_eq!(covered_range(&cover, None), None);
        assert_eq!(cover_key(&record_key(Space::new(1), b"key")), None);
    }
}
