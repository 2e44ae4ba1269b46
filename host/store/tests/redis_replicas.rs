//! What waiting for replicas means: on real servers, one of them the primary.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use everlog_store::{
    Append, Batch, Health, RedisOptions, RedisStore, Store, StoreError, WorkerKey, commit,
};
use futures::FutureExt as _;
use tempfile::TempDir;

#[expect(dead_code, unreachable_pub, reason = "shared with the tests of the whole server")]
#[path = "../../../tests/src/redis.rs"]
mod redis;
#[expect(dead_code, unreachable_pub, reason = "shared with the tests of the whole server")]
#[path = "../../../tests/src/wait.rs"]
mod wait;

use redis::RedisServer;

fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

async fn open(server: &RedisServer, directory: &TempDir, min_replicas: u32) -> Arc<RedisStore> {
    let mut options = RedisOptions::new(server.url(), directory.path());
    options.min_replicas = min_replicas;
    Arc::new(RedisStore::open(&options).await.expect("it opens"))
}

fn worker(number: u64) -> WorkerKey {
    WorkerKey::new(format!("worker-{number}").into_bytes()).expect("a short name")
}

fn step(number: u64, index: u64) -> Batch {
    let append = Append::new(worker(number), index, index, index.to_string().into_bytes());
    Batch { appends: vec![append], ..Batch::default() }
}

async fn has_replicas(store: &RedisStore, count: u32) {
    wait::until("the replicas are there", async || {
        (store.replication().replicas == count).then_some(())
    })
    .await;
}

/// How many rounds of waiting there were: each writes a mark.
fn rounds(server: &RedisServer) -> u64 {
    let answer = server.ask("HGET everlog:writer:1 marks");
    answer.lines().nth(1).and_then(|line| line.trim().parse().ok()).unwrap_or(0)
}

/// Waits until it was looked again and again whether the replicas have everything.
async fn look_some_times(server: &RedisServer) {
    let before = rounds(server);
    wait::until("it was looked again", async || (rounds(server) >= before + 3).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_for_more_than_there_are_means_all_of_them() {
    let (primary, directory) = (RedisServer::start(), directory());
    let store = open(&primary, &directory, 0).await;
    commit(&*store, step(1, 1)).await.expect("stored");
    store.wait_replicas(2).await.expect("there are none");
    let first = RedisServer::start_replica(&primary);
    has_replicas(&store, 1).await;
    store.wait_replicas(2).await.expect("there is one");
    assert_eq!(first.ask("XLEN everlog:log:worker-1"), ":1\r\n+OK\r\n");
    let second = RedisServer::start_replica(&primary);
    has_replicas(&store, 2).await;
    commit(&*store, step(1, 2)).await.expect("stored");
    store.wait_replicas(2).await.expect("there are two");
    for replica in [&first, &second] {
        assert_eq!(replica.ask("XLEN everlog:log:worker-1"), ":2\r\n+OK\r\n");
    }
}

/// A replica that hangs is waited for as long as the primary counts on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hangs_is_waited_for_and_who_is_gone_is_not() {
    let (primary, directory) = (RedisServer::start(), directory());
    let store = open(&primary, &directory, 0).await;
    let mut replica = RedisServer::start_replica(&primary);
    has_replicas(&store, 1).await;
    replica.signal("STOP");
    commit(&*store, step(1, 1)).await.expect("the primary has it");
    let mut waiting = store.wait_replicas(1);
    assert!(waiting.as_mut().now_or_never().is_none());
    look_some_times(&primary).await;
    assert!(waiting.as_mut().now_or_never().is_none(), "the replica does not have it");
    replica.signal("CONT");
    waiting.await.expect("it has it now");

    replica.signal("STOP");
    commit(&*store, step(1, 2)).await.expect("the primary has it");
    // Somebody who gave up stands in nobody's way.
    assert!(store.wait_replicas(1).now_or_never().is_none());
    let waiting = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.wait_replicas(1).await }
    });
    look_some_times(&primary).await;
    assert!(!waiting.is_finished(), "the replica does not have it");
    replica.kill();
    waiting.await.expect("no panic").expect("nobody is left to wait for");
}

/// With `min_replicas` an acknowledgement survives the primary.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_replicas_acknowledged_survives_the_primary() {
    let (mut primary, old, new) = (RedisServer::start(), directory(), directory());
    let store = open(&primary, &old, 1).await;
    let replica = RedisServer::start_replica(&primary);
    has_replicas(&store, 1).await;
    let acknowledged: Arc<[AtomicU64]> = (0..16).map(|_| AtomicU64::new(0)).collect();
    let writers = (0..16).map(|number| {
        let (store, acknowledged) = (Arc::clone(&store), Arc::clone(&acknowledged));
        tokio::spawn(async move {
            let mine = &acknowledged[number as usize];
            // The last step is never answered: the primary is gone.
            for index in 1.. {
                commit(&*store, step(number, index)).await.expect("stored");
                mine.store(index, Ordering::SeqCst);
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let sum = || acknowledged.iter().map(|mine| mine.load(Ordering::SeqCst)).sum::<u64>();
    wait::until("steps are made", async || (sum() > 500).then_some(())).await;
    primary.kill();
    replica.ask("REPLICAOF NO ONE");
    // The old node is not heard of again; its lease ends.
    let promoted = open(&replica, &new, 0).await;
    for (number, mine) in (0..).zip(acknowledged.iter()) {
        let acknowledged = mine.load(Ordering::SeqCst);
        let last = promoted.last_index(&worker(number)).await.expect("readable").unwrap_or(0);
        let found = format!("worker {number}: {acknowledged} acknowledged, {last} stored");
        assert!(acknowledged <= last && last <= acknowledged + 1, "{found}");
    }
    assert_eq!(promoted.health(), Health::Ok);
    writers.iter().for_each(tokio::task::JoinHandle::abort);
}

/// Whoever waits when the fence is lost hears of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_ends_when_another_takes_over() {
    let (primary, old, new) = (RedisServer::start(), directory(), directory());
    let stale = open(&primary, &old, 1).await;
    let replica = RedisServer::start_replica(&primary);
    has_replicas(&stale, 1).await;
    replica.signal("STOP");
    let committing = tokio::spawn({
        let stale = Arc::clone(&stale);
        async move { commit(&*stale, step(1, 1)).await }
    });
    look_some_times(&primary).await;
    assert!(!committing.is_finished(), "the replica does not have it");
    primary.ask("DEL everlog:lease:1");
    let _owner = open(&primary, &new, 0).await;
    let refusal = committing.await.expect("no panic").expect_err("it lost the fence");
    assert!(matches!(refusal, StoreError::Fenced { .. }), "{refusal}");
    replica.signal("CONT");
}
