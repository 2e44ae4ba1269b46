//! What has to be true of every engine, as tests. A crate with an engine writes:
//!
//! ```ignore
//! async fn open() -> (TempDir, Arc<dyn Store>) { … }
//! everlog_store::conformance_suite!(open);
//! ```
//!
//! Each test gets a store of its own, empty, and whatever keeps it alive.

use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::Arc;
use std::sync::mpsc;

use futures::channel::oneshot;
use futures::future::join_all;

use crate::{
    Append, Batch, Change, Digest, Expectation, Health, KeyRange, KeyValue, LogRecord,
    MAX_BATCH_BYTES, MAX_RECORD_KEY_BYTES, Order, Space, Store, StoreError, WorkerKey, commit,
};

mod expectations;
mod listings;
mod order;

pub use expectations::*;
pub use listings::*;
pub use order::*;

/// Makes a `#[tokio::test]` of each function in this module. `$open` is the path of an
/// `async fn() -> (Guard, Arc<dyn Store>)`.
#[macro_export]
macro_rules! conformance_suite {
    ($open:path) => {
        $crate::conformance_suite!(@tests $open:
            an_append_must_continue_its_oplog
            a_refused_batch_changes_nothing
            an_expectation_must_hold
            expectations_see_what_waits_before_them
            of_many_that_expect_the_same_one_wins
            a_contradictory_batch_is_refused
            batches_of_one_thread_take_effect_in_order
            batches_that_wait_together_see_each_other
            readers_see_a_batch_whole
            whoever_sees_a_batch_sees_those_before_it
            an_oplog_is_read_from_any_index
            reading_stops_at_the_limit
            a_deleted_oplog_is_gone_and_starts_again
            names_that_begin_alike_are_apart
            of_two_changes_the_later_counts
            scans_go_both_ways
            scans_keep_to_their_range
            spaces_are_apart
            blobs_are_found_by_their_digest
            oplogs_and_blobs_are_listed
            concurrent_writers_lose_nothing
            a_batch_may_be_large
            empty_things_are_stored
            an_engine_without_trouble_says_so
        );
    };
    (@tests $open:path: $($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let (_guard, store) = $open().await;
                $crate::conformance::$name(store).await;
            }
        )*
    };
}

const RED: Space = Space::new(1);
const BLUE: Space = Space::new(2);

fn worker(name: &str) -> WorkerKey {
    WorkerKey::new(name.as_bytes()).expect("names in this file are short")
}

fn append(name: &str, first: u64, last: u64) -> Append {
    Append::new(worker(name), first, last, entries(name, first, last))
}

/// Bytes that tell where they belong.
fn entries(name: &str, first: u64, last: u64) -> Vec<u8> {
    format!("{name} {first}..={last}").into_bytes()
}

fn appends(appends: Vec<Append>) -> Batch {
    Batch { appends, ..Batch::default() }
}

fn changes(changes: Vec<Change>) -> Batch {
    Batch { changes, ..Batch::default() }
}

fn put(space: Space, key: &str, value: &str) -> Change {
    Change::Put { space, key: key.into(), value: value.into() }
}

fn delete(space: Space, key: &str) -> Change {
    Change::Delete { space, key: key.into() }
}

fn expect(space: Space, key: &str, value: Option<&str>) -> Expectation {
    Expectation { space, key: key.into(), value: value.map(Into::into) }
}

async fn store_all(store: &dyn Store, batches: Vec<Batch>) {
    for batch in batches {
        commit(store, batch).await.expect("a good batch is stored");
    }
}

/// Submits without waiting in between, so that the batches share groups.
async fn submit_all(store: &dyn Store, batches: Vec<Batch>) -> Vec<Result<(), StoreError>> {
    let submit = |batch| {
        let (sender, receiver) = oneshot::channel();
        store.submit(batch, Box::new(|outcome| sender.send(outcome).expect("the test waits")));
        receiver
    };
    let answers: Vec<_> = batches.into_iter().map(submit).collect();
    join_all(answers).await.into_iter().map(|answer| answer.expect("an answer comes")).collect()
}

async fn read(store: &dyn Store, name: &str, from: u64) -> Vec<LogRecord> {
    store.read_log(&worker(name), from, usize::MAX).await.expect("the oplog is readable")
}

async fn ranges(store: &dyn Store, name: &str, from: u64) -> Vec<(u64, u64)> {
    read(store, name, from).await.iter().map(|record| (record.first, record.last)).collect()
}

async fn get(store: &dyn Store, space: Space, key: &str) -> Option<String> {
    let value = store.get(space, key.as_bytes()).await.expect("the record is readable");
    value.map(|value| String::from_utf8(value).expect("values in this file are text"))
}

async fn scan(store: &dyn Store, range: KeyRange, order: Order, limit: usize) -> Vec<String> {
    let found = store.scan(RED, range, order, limit).await.expect("the records are readable");
    found.into_iter().map(|(key, _)| String::from_utf8(key).expect("keys are text")).collect()
}

/// The guard of [`Append::first`].
pub async fn an_append_must_continue_its_oplog(store: Arc<dyn Store>) {
    let conflict =
        async |first, wanted| match commit(&*store, appends(vec![append("mary", first, first)]))
            .await
        {
            Err(StoreError::Conflict { expected, found, worker: name }) => {
                assert_eq!((expected, found, name), (wanted, first, worker("mary")));
            }
            other => panic!("expected a conflict, found {other:?}"),
        };
    conflict(2, 1).await;
    store_all(&*store, vec![appends(vec![append("mary", 1, 3)])]).await;
    conflict(1, 4).await;
    conflict(3, 4).await;
    conflict(5, 4).await;
    store_all(&*store, vec![appends(vec![append("mary", 4, 4)])]).await;
    assert_eq!(ranges(&*store, "mary", 1).await, [(1, 3), (4, 4)]);
    assert_eq!(store.last_index(&worker("mary")).await.unwrap(), Some(4));
    assert_eq!(store.last_index(&worker("peter")).await.unwrap(), None);
}

/// One bad append keeps the whole batch out.
pub async fn a_refused_batch_changes_nothing(store: Arc<dyn Store>) {
    store_all(&*store, vec![appends(vec![append("old", 1, 1)])]).await;
    let batch = Batch {
        appends: vec![append("new", 1, 1), append("old", 7, 7)],
        changes: vec![put(RED, "key", "value")],
        delete_logs: vec![worker("other")],
        ..Batch::default()
    };
    assert!(matches!(commit(&*store, batch).await, Err(StoreError::Conflict { .. })));
    assert_eq!(store.last_index(&worker("new")).await.unwrap(), None);
    assert_eq!(store.last_index(&worker("old")).await.unwrap(), Some(1));
    assert_eq!(get(&*store, RED, "key").await, None);
    store_all(&*store, vec![appends(vec![append("new", 1, 1)])]).await;
}

/// Batches that contradict themselves, and the limits.
pub async fn a_contradictory_batch_is_refused(store: Arc<dyn Store>) {
    let both = Batch {
        appends: vec![append("a", 1, 1)],
        delete_logs: vec![worker("a")],
        ..Batch::default()
    };
    let invalid = [
        appends(vec![append("a", 0, 0)]),
        appends(vec![append("a", 2, 1)]),
        appends(vec![append("a", 1, 1), append("a", 2, 2)]),
        changes(vec![put(Space::RESERVED, "key", "value")]),
        Batch { expectations: vec![expect(Space::RESERVED, "key", None)], ..Batch::default() },
        both,
    ];
    for batch in invalid {
        let outcome = commit(&*store, batch.clone()).await;
        assert!(matches!(outcome, Err(StoreError::InvalidBatch { .. })), "{batch:?}: {outcome:?}");
    }
    let long_key = "k".repeat(MAX_RECORD_KEY_BYTES + 1);
    let huge = Append::new(worker("a"), 1, 1, vec![0; MAX_BATCH_BYTES]);
    let expectations = vec![expect(RED, &long_key, None)];
    let long_expectation = Batch { expectations, ..Batch::default() };
    for batch in [changes(vec![put(RED, &long_key, "")]), appends(vec![huge]), long_expectation] {
        let outcome = commit(&*store, batch).await;
        assert!(matches!(outcome, Err(StoreError::Limit { .. })), "{outcome:?}");
    }
    assert_eq!(store.last_index(&worker("a")).await.unwrap(), None);
}

/// The record that holds the index comes first, and everything after it.
pub async fn an_oplog_is_read_from_any_index(store: Arc<dyn Store>) {
    let batches =
        [(1, 1), (2, 5), (6, 300)].map(|(first, last)| appends(vec![append("mary", first, last)]));
    store_all(&*store, batches.to_vec()).await;
    assert_eq!(read(&*store, "mary", 0).await[0].bytes, entries("mary", 1, 1));
    assert_eq!(ranges(&*store, "mary", 0).await, [(1, 1), (2, 5), (6, 300)]);
    assert_eq!(ranges(&*store, "mary", 1).await, [(1, 1), (2, 5), (6, 300)]);
    assert_eq!(ranges(&*store, "mary", 2).await, [(2, 5), (6, 300)]);
    assert_eq!(ranges(&*store, "mary", 5).await, [(2, 5), (6, 300)]);
    assert_eq!(ranges(&*store, "mary", 299).await, [(6, 300)]);
    assert_eq!(ranges(&*store, "mary", 301).await, []);
    assert_eq!(ranges(&*store, "mary", u64::MAX).await, []);
    assert_eq!(ranges(&*store, "peter", 1).await, []);
}

/// Whole records only, and never none.
pub async fn reading_stops_at_the_limit(store: Arc<dyn Store>) {
    let record = |index| Append::new(worker("mary"), index, index, vec![0; 10]);
    store_all(&*store, (1..=5).map(|index| appends(vec![record(index)])).collect()).await;
    let counts = [(0, 1), (9, 1), (10, 1), (19, 1), (20, 2), (49, 4), (50, 5), (999, 5)];
    for (limit, expected) in counts {
        let found = store.read_log(&worker("mary"), 1, limit).await.unwrap();
        assert_eq!(found.len(), expected, "limit {limit}");
    }
}

/// Deleting is part of the batch, and the guard starts over.
pub async fn a_deleted_oplog_is_gone_and_starts_again(store: Arc<dyn Store>) {
    let batches = [append("mary", 1, 2), append("mary", 3, 3), append("peter", 1, 1)];
    store_all(&*store, batches.map(|append| appends(vec![append])).to_vec()).await;
    let deletion = Batch {
        changes: vec![put(RED, "deleted", "mary")],
        delete_logs: vec![worker("mary"), worker("mary"), worker("nobody")],
        ..Batch::default()
    };
    store_all(&*store, vec![deletion]).await;
    assert_eq!(ranges(&*store, "mary", 1).await, []);
    assert_eq!(store.last_index(&worker("mary")).await.unwrap(), None);
    assert_eq!(get(&*store, RED, "deleted").await.as_deref(), Some("mary"));
    assert_eq!(ranges(&*store, "peter", 1).await, [(1, 1)]);
    store_all(&*store, vec![appends(vec![append("mary", 1, 1)])]).await;
    assert_eq!(ranges(&*store, "mary", 1).await, [(1, 1)]);
}

/// Also where one name continues the other with bytes that look like an index.
pub async fn names_that_begin_alike_are_apart(store: Arc<dyn Store>) {
    let names = ["w", "w\0", "w\0\0\0\0\0\0\0\u{1}", "v", "ww"];
    for name in names {
        store_all(&*store, vec![appends(vec![append(name, 1, 1), append("x", 1, 1)])]).await;
        let deletion = Batch { delete_logs: vec![worker("x")], ..Batch::default() };
        store_all(&*store, vec![deletion]).await;
    }
    for name in names {
        let found = read(&*store, name, 1).await;
        assert_eq!(found.len(), 1, "{name:?}");
        assert_eq!(found[0].bytes, entries(name, 1, 1));
    }
    let deletion = Batch { delete_logs: vec![worker("w")], ..Batch::default() };
    store_all(&*store, vec![deletion]).await;
    assert_eq!(ranges(&*store, "w", 1).await, []);
    assert_eq!(ranges(&*store, "w\0", 1).await, [(1, 1)]);
}

/// In one batch, and in batches that are stored together.
pub async fn of_two_changes_the_later_counts(store: Arc<dyn Store>) {
    let both = [put(RED, "a", "1"), delete(RED, "a"), put(RED, "a", "2"), put(RED, "b", "1")];
    store_all(&*store, vec![changes(both.to_vec())]).await;
    assert_eq!(get(&*store, RED, "a").await.as_deref(), Some("2"));
    store_all(&*store, vec![changes(vec![put(RED, "b", "2"), delete(RED, "b")])]).await;
    assert_eq!(get(&*store, RED, "b").await, None);
    let rounds = (0..100).map(|round| changes(vec![put(RED, "c", &round.to_string())]));
    for outcome in submit_all(&*store, rounds.collect()).await {
        outcome.expect("stored");
    }
    assert_eq!(get(&*store, RED, "c").await.as_deref(), Some("99"));
}

/// From either end, up to a limit.
pub async fn scans_go_both_ways(store: Arc<dyn Store>) {
    store_all(&*store, vec![changes(["b", "a", "c"].map(|key| put(RED, key, key)).to_vec())]).await;
    assert_eq!(scan(&*store, KeyRange::all(), Order::Forward, 9).await, ["a", "b", "c"]);
    assert_eq!(scan(&*store, KeyRange::all(), Order::Backward, 9).await, ["c", "b", "a"]);
    assert_eq!(scan(&*store, KeyRange::all(), Order::Forward, 2).await, ["a", "b"]);
    assert_eq!(scan(&*store, KeyRange::all(), Order::Backward, 1).await, ["c"]);
    assert!(scan(&*store, KeyRange::all(), Order::Forward, 0).await.is_empty());
    store_all(&*store, vec![changes(vec![delete(RED, "b"), delete(RED, "nothing")])]).await;
    assert_eq!(scan(&*store, KeyRange::all(), Order::Forward, 9).await, ["a", "c"]);
}

/// Included, excluded, open, inverted, prefixed.
pub async fn scans_keep_to_their_range(store: Arc<dyn Store>) {
    let keys = ["a", "ab", "abc", "b"].map(|key| put(RED, key, key));
    store_all(&*store, vec![changes(keys.to_vec())]).await;
    let key = |key: &str| key.as_bytes().to_vec();
    let cases = [
        (Included(key("ab")), Included(key("b")), &["ab", "abc", "b"][..]),
        (Excluded(key("ab")), Excluded(key("b")), &["abc"]),
        (Unbounded, Excluded(key("ab")), &["a"]),
        (Excluded(key("abc")), Unbounded, &["b"]),
        (Included(key("b")), Included(key("a")), &[]),
        (Excluded(key("a")), Excluded(key("a")), &[]),
        (Included(key("a")), Excluded(key("a")), &[]),
        (Included(key("x")), Unbounded, &[]),
    ];
    for (start, end, expected) in cases {
        let range = KeyRange { start, end };
        assert_eq!(scan(&*store, range.clone(), Order::Forward, 9).await, expected, "{range:?}");
        let mut backward = scan(&*store, range.clone(), Order::Backward, 9).await;
        backward.reverse();
        assert_eq!(backward, expected, "{range:?} backward");
    }
    assert_eq!(scan(&*store, KeyRange::prefix(b"ab"), Order::Forward, 9).await, ["ab", "abc"]);
}

/// The same key in two spaces is two records.
pub async fn spaces_are_apart(store: Arc<dyn Store>) {
    let both = vec![put(RED, "key", "red"), put(BLUE, "key", "blue")];
    store_all(&*store, vec![changes(both)]).await;
    assert_eq!(get(&*store, RED, "key").await.as_deref(), Some("red"));
    assert_eq!(get(&*store, BLUE, "key").await.as_deref(), Some("blue"));
    assert_eq!(scan(&*store, KeyRange::all(), Order::Forward, 9).await, ["key"]);
    store_all(&*store, vec![changes(vec![delete(RED, "key")])]).await;
    assert_eq!(get(&*store, RED, "key").await, None);
    assert_eq!(get(&*store, BLUE, "key").await.as_deref(), Some("blue"));
    let last = Space::new(253);
    store_all(&*store, vec![changes(vec![put(last, "key", "last")])]).await;
    let found = store.scan(last, KeyRange::all(), Order::Backward, 9).await.unwrap();
    assert_eq!(found, [(b"key".to_vec(), b"last".to_vec())] as [KeyValue; 1]);
}

/// Put twice, put at once from many, empty, unknown.
pub async fn blobs_are_found_by_their_digest(store: Arc<dyn Store>) {
    for bytes in [Vec::new(), b"payload".to_vec(), vec![7; 3_000_000]] {
        let puts = (0..8).map(|_| store.put_blob(bytes.clone()));
        for digest in join_all(puts.collect::<Vec<_>>()).await {
            assert_eq!(digest.expect("stored"), Digest::of(&bytes));
        }
        assert_eq!(store.get_blob(&Digest::of(&bytes)).await.unwrap(), Some(bytes));
    }
    assert_eq!(store.get_blob(&Digest::of(b"unknown")).await.unwrap(), None);
}

/// Sixteen workers at once, each with its own records.
pub async fn concurrent_writers_lose_nothing(store: Arc<dyn Store>) {
    const ENTRIES: u64 = 100;
    let writers = (0..16).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let name = format!("worker-{number}");
            for index in 1..=ENTRIES {
                let batch = Batch {
                    appends: vec![append(&name, index, index)],
                    changes: vec![put(RED, &name, &index.to_string())],
                    ..Batch::default()
                };
                store_all(&*store, vec![batch]).await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("the writer succeeds");
    }
    for number in 0..16 {
        let name = format!("worker-{number}");
        let found = read(&*store, &name, 1).await;
        let expected = (1..=ENTRIES).map(|index| entries(&name, index, index));
        assert!(found.into_iter().map(|record| record.bytes).eq(expected), "{name}");
        assert_eq!(get(&*store, RED, &name).await, Some(ENTRIES.to_string()));
    }
}

/// Just under the limit, as one append and as many records.
pub async fn a_batch_may_be_large(store: Arc<dyn Store>) {
    let bytes: Vec<u8> = (0..MAX_BATCH_BYTES / 2).map(|at| (at / 1000) as u8).collect();
    let large = Append::new(worker("mary"), 1, 1, bytes.clone());
    let many = (0..20_000).map(|number| put(RED, &format!("{number:05}"), &"v".repeat(100)));
    let batch = Batch { appends: vec![large], changes: many.collect(), ..Batch::default() };
    store_all(&*store, vec![batch]).await;
    assert!(read(&*store, "mary", 1).await[0].bytes == bytes, "32 MiB come back as they were");
    let found = scan(&*store, KeyRange::all(), Order::Forward, usize::MAX).await;
    assert_eq!(found.len(), 20_000);
}

/// Batches, keys, values and entries without a byte.
pub async fn empty_things_are_stored(store: Arc<dyn Store>) {
    let nothing = Append::new(worker("mary"), 1, 1, Vec::new());
    store_all(
        &*store,
        vec![
            Batch::default(),
            changes(vec![put(RED, "", "")]),
            appends(vec![nothing]),
            Batch { delete_logs: vec![worker("nobody")], ..Batch::default() },
        ],
    )
    .await;
    assert_eq!(get(&*store, RED, "").await.as_deref(), Some(""));
    assert_eq!(scan(&*store, KeyRange::all(), Order::Forward, 9).await, [""]);
    let found = read(&*store, "mary", 1).await;
    assert_eq!(found, [LogRecord { first: 1, last: 1, bytes: Vec::new() }]);
}

/// Health and replicas of an engine that works.
pub async fn an_engine_without_trouble_says_so(store: Arc<dyn Store>) {
    store_all(&*store, vec![appends(vec![append("mary", 1, 1)])]).await;
    assert_eq!(store.health(), Health::Ok);
    // More than there are means all of them.
    store.wait_replicas(store.replication().replicas + 1).await.expect("replicas follow");
}
