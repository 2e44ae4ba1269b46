//! A copy of a store is the same on either engine, wherever it was broken off; what is not the same
//! is found.

use std::sync::Arc;

use everlog_store::copy::{
    CopyError, Inspect, Job, Parts, Progress, Selection, Side, copy, discard,
};
use everlog_store::{
    Batch, Change, EmbeddedOptions, EmbeddedStore, KeyRange, RedisOptions, RedisStore, Space,
    Store, StoreError, WorkerKey, commit,
};
use futures::stream::TryStreamExt as _;
use tempfile::TempDir;

mod faulty;
mod filled;
#[expect(dead_code, unreachable_pub, reason = "shared with the tests of the whole server")]
#[path = "../../../tests/src/redis.rs"]
mod redis;

use faulty::{Fault, Faulty};
use filled::{Content, content, fill, generator, worker};
use redis::RedisServer;

/// How many broken copies are made of one store.
const TRIES: u64 = 30;

fn embedded() -> (TempDir, Arc<dyn Store>) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let store = EmbeddedStore::open(&EmbeddedOptions::new(directory.path()));
    (directory, Arc::new(store.expect("an empty directory opens")))
}

async fn on_redis(server: &RedisServer, prefix: &str) -> (TempDir, Arc<dyn Store>) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut options = RedisOptions::new(server.url(), directory.path());
    prefix.clone_into(&mut options.prefix);
    let store = RedisStore::open(&options).await.expect("an empty server opens");
    (directory, Arc::new(store))
}

async fn copy_of(
    selection: &Selection,
    source: &dyn Store,
    target: &dyn Store,
) -> Result<Progress, CopyError> {
    let source = Side { store: source, name: "source" };
    let target = Side { store: target, name: "target" };
    let inspect = |_: &_, _: &_| Ok(Vec::new());
    copy(job(source, target, selection, &inspect)).await
}

fn job<'a>(
    source: Side<'a>,
    target: Side<'a>,
    selection: &'a Selection,
    inspect: &'a Inspect,
) -> Job<'a> {
    let name_of = &|worker: &WorkerKey| worker.to_string();
    Job { source, target, selection, inspect, name_of, progress: &|_| {} }
}

async fn copy_all(source: &dyn Store, target: &dyn Store) -> Result<Progress, CopyError> {
    copy_of(&Selection::Whole, source, target).await
}

async fn put(store: &dyn Store, space: u8, key: &[u8], value: &[u8]) {
    let (space, key, value) = (Space::new(space), key.to_vec(), value.to_vec());
    let changes = vec![Change::Put { space, key, value }];
    commit(store, Batch { changes, ..Batch::default() }).await.expect("it is stored");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_files_to_redis_and_back_all_is_the_same() {
    let mut random = generator();
    let server = RedisServer::start();
    let (_one, source) = embedded();
    let (_two, redis) = on_redis(&server, "odd[*]?:").await;
    let (_three, neighbour) = on_redis(&server, "odd").await;
    let (_four, back) = embedded();
    fill(&*neighbour, &mut random, 5).await;
    fill(&*source, &mut random, 40).await;
    let expected = content(&*source).await;
    let stammering = Faulty::new(&source, Fault::Stammers, 0);
    let copied = copy_all(&stammering, &*redis).await.expect("it is copied");
    assert_eq!(content(&*redis).await, expected);
    assert_eq!(copied.logs, expected.logs.len() as u64);
    assert_eq!(copied.records, expected.records.len() as u64);
    assert_eq!(copied.blobs, expected.blobs.len() as u64);
    copy_all(&*redis, &*back).await.expect("it is copied");
    assert_eq!(content(&*back).await, expected);
    assert_eq!(content(&*source).await, expected, "the source is as it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wherever_it_was_broken_off_it_goes_on() {
    let mut random = generator();
    let server = RedisServer::start();
    let (_one, source) = embedded();
    fill(&*source, &mut random, 6).await;
    let expected = content(&*source).await;
    let whole = {
        let (_guard, target) = embedded();
        let counted = Faulty::new(&target, Fault::Stopped, u64::MAX);
        copy_all(&*source, &counted).await.expect("it is copied");
        counted.writes()
    };
    for good in 0..whole {
        let (_guard, target) = match good % 4 {
            0 => on_redis(&server, &format!("{good}:")).await,
            _ => embedded(),
        };
        let stopped = Faulty::new(&target, Fault::Stopped, good);
        let error = copy_all(&*source, &stopped).await.expect_err("it is stopped");
        assert!(matches!(error, CopyError::Store(StoreError::Closed)), "after {good}: {error}");
        let refused = everlog_store::copy::refuse_unfinished(&*target, "target").await;
        assert_eq!(refused.is_err(), good > 0, "after {good} of {whole} writes");
        copy_all(&*source, &*target).await.expect("it goes on");
        assert_eq!(content(&*target).await, expected, "after {good} of {whole} writes");
        everlog_store::copy::refuse_unfinished(&*target, "target").await.expect("it is finished");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_becomes_durable_after_it_gave_up() {
    let mut random = generator();
    let ((_one, source), (_two, target)) = (embedded(), embedded());
    fill(&*source, &mut random, 6).await;
    // The first write says that a copy is begun.
    let slow = Faulty::new(&target, Fault::Withheld, 1);
    let error = copy_all(&*source, &slow).await.expect_err("it is refused a blob");
    assert_eq!(slow.under_way(), 0, "of {} writes: {error}", slow.writes());
    discard(&*target, "target").await.expect("it is given up");
    assert_eq!(content(&*target).await, Content::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_in_between_is_made_good() {
    let mut random = generator();
    for good in 0..TRIES {
        let (_one, source) = embedded();
        let (_two, target) = embedded();
        fill(&*source, &mut random, 8).await;
        let stopped = Faulty::new(&target, Fault::Stopped, good);
        if copy_all(&*source, &stopped).await.is_ok() {
            continue;
        }
        // A worker goes on, one is made anew, one is deleted, records come and go.
        let gone = Batch { delete_logs: vec![worker(0), worker(1)], ..Batch::default() };
        commit(&*source, gone).await.expect("deleted");
        fill(&*source, &mut random, 3).await;
        copy_all(&*source, &*target).await.expect("it goes on");
        let mut copied = content(&*target).await;
        let expected = content(&*source).await;
        assert!(copied.blobs.is_superset(&expected.blobs), "after {good}");
        copied.blobs.clone_from(&expected.blobs);
        assert_eq!(copied, expected, "after {good}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_did_not_happen_is_found() {
    let mut random = generator();
    let (_one, source) = embedded();
    fill(&*source, &mut random, 6).await;
    let expected = content(&*source).await;
    // The first write says that a copy is begun.
    for good in 1..TRIES {
        let (_two, target) = embedded();
        let liar = Faulty::new(&target, Fault::Swallows, good);
        match copy_all(&*source, &liar).await {
            // It was the one that says that the copy is finished, or none.
            Ok(_) => assert!(liar.writes() <= good + 1, "write {good} is missed by nobody"),
            Err(CopyError::Differs { what, .. }) => {
                let kinds = ["worker ", "record ", "blob "];
                assert!(kinds.iter().any(|kind| what.starts_with(kind)), "{what}");
            }
            Err(CopyError::Store(StoreError::Conflict { .. })) => {}
            Err(other) => panic!("write {good}: {other}"),
        }
        copy_all(&*source, &*target).await.ok();
        assert_eq!(content(&*target).await, expected, "it is mended after {good}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_entry_stops_it() {
    let mut random = generator();
    let ((_one, source), (_two, target)) = (embedded(), embedded());
    fill(&*source, &mut random, 3).await;
    let inspect = |of: &_, record: &everlog_store::LogRecord| match *of == worker(0) {
        true if record.first > 0 => Err("its checksum is wrong".to_owned()),
        _ => Ok(Vec::new()),
    };
    let source = Side { store: &*source, name: "source" };
    let target = Side { store: &*target, name: "target" };
    let job = job(source, target, &Selection::Whole, &inspect);
    let error = copy(job).await.expect_err("it is damaged").to_string();
    assert!(error.starts_with(r"worker worker-0\x00, entries 1 to"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_an_empty_place_is_copied_into() {
    let mut random = generator();
    let ((_one, source), (_two, target), (_three, empty)) = (embedded(), embedded(), embedded());
    let nothing = copy_all(&*source, &*target).await.expect_err("nothing").to_string();
    assert!(nothing.starts_with("source holds nothing"), "{nothing}");
    fill(&*source, &mut random, 3).await;
    put(&*target, 7, b"key", b"value").await;
    let full = copy_all(&*source, &*target).await.expect_err("it is full").to_string();
    assert!(full.contains("already holds record key of space 7"), "{full}");
    assert_eq!(content(&*target).await.records.len(), 1, "nothing was changed");

    let stopped = Faulty::new(&empty, Fault::Stopped, 2);
    copy_all(&*source, &stopped).await.expect_err("it is stopped");
    let error = copy_all(&*empty, &*target).await.expect_err("it is half").to_string();
    assert!(error.contains("source is the target of a copy of everything from source"), "{error}");
    let part = Parts { name: "a part".to_owned(), ..Parts::default() };
    let other = copy_of(&Selection::Parts(part), &*source, &*empty).await.expect_err("another");
    assert!(matches!(other, CopyError::Other { .. }), "{other}");
    discard(&*empty, "empty").await.expect("it is given up");
    assert!(content(&*empty).await.logs.is_empty());
    let error = discard(&*target, "target").await.expect_err("none").to_string();
    assert!(error.contains("no copy into target was begun"), "{error}");
    copy_all(&*source, &*empty).await.expect("it is empty again");
    assert_eq!(content(&*empty).await, content(&*source).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_go_beside_what_is_there() {
    let mut random = generator();
    let ((_one, source), (_two, target)) = (embedded(), embedded());
    fill(&*source, &mut random, 3).await;
    let (red, blue) = (Space::new(100), Space::new(101));
    for (key, value) in [(&b"mary/1"[..], &b"one"[..]), (b"mary/2", b"two"), (b"john/1", b"no")] {
        put(&*source, 100, key, value).await;
    }
    put(&*source, 101, b"shared", b"the same").await;
    let blob = source.put_blob(b"payload".to_vec()).await.expect("stored");
    put(&*target, 100, b"john/1", b"yes").await;
    put(&*target, 101, b"shared", b"the same").await;
    let parts = Parts {
        name: "mary".to_owned(),
        logs: vec![worker(0)],
        records: vec![(red, KeyRange::prefix(b"mary/"))],
        shared: vec![(blue, b"shared".to_vec())],
        blobs: vec![blob],
    };
    let selection = Selection::Parts(parts);
    for good in [0, 1, 3] {
        let stopped = Faulty::new(&target, Fault::Stopped, good);
        copy_of(&selection, &*source, &stopped).await.expect_err("it is stopped");
    }
    discard(&*target, "target").await.expect("it is given up");
    let left = content(&*target).await;
    assert_eq!((left.logs.len(), left.records.len()), (0, 2), "as it was");
    copy_of(&selection, &*source, &*target).await.expect("it is copied");
    let copied = content(&*target).await;
    assert_eq!(copied.logs.keys().collect::<Vec<_>>(), [&worker(0)]);
    assert_eq!(copied.records[&(100, b"mary/2".to_vec())], b"two");
    assert_eq!(copied.records[&(100, b"john/1".to_vec())], b"yes");
    assert_eq!(copied.records.len(), 4);
    let blobs: Vec<_> = target.blobs().try_collect().await.expect("listed");
    assert_eq!(blobs, [blob]);
    let again = copy_of(&selection, &*source, &*target).await.expect_err("it is there").to_string();
    assert!(again.contains(r"target already holds worker worker-0\x00"), "{again}");
}
