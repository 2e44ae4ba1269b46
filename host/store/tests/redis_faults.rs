//! What the engine on Redis does when something fails between it and a real server: nothing that
//! was acknowledged is lost, nothing is done twice, and who lost the right to write cannot.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use everlog_store::{
    Append, Batch, Change, Health, RedisOptions, RedisStore, Space, Store, StoreError, WorkerKey,
    commit,
};
use tempfile::TempDir;

#[expect(dead_code, unreachable_pub, reason = "shared with the tests of the whole server")]
#[path = "../../../tests/src/redis.rs"]
mod redis;
#[expect(dead_code, unreachable_pub, reason = "shared with the tests of the whole server")]
#[path = "../../../tests/src/wait.rs"]
mod wait;

use redis::RedisServer;

const COUNTS: Space = Space::new(1);
/// Enough for several pipelines on their way at once.
const WRITERS: u64 = 16;

async fn open(server: &RedisServer, directory: &TempDir) -> Result<RedisStore, StoreError> {
    RedisStore::open(&RedisOptions::new(server.url(), directory.path())).await
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn worker(number: u64) -> WorkerKey {
    WorkerKey::new(format!("worker-{number}").into_bytes()).expect("a short name")
}

/// Entry `index` of a worker, with a record that counts along.
fn step(number: u64, index: u64) -> Batch {
    let bytes = format!("{number}:{index}").into_bytes();
    let (key, value) = (number.to_string().into_bytes(), index.to_string().into_bytes());
    Batch {
        appends: vec![Append::new(worker(number), index, index, bytes)],
        changes: vec![Change::Put { space: COUNTS, key, value }],
        ..Batch::default()
    }
}

/// Writers that append one entry after the other until they are stopped. Since each append must
/// continue its oplog, a batch that is done twice or left out fails the next one.
struct Load {
    stop: Arc<AtomicBool>,
    steps: Arc<AtomicU64>,
    writers: Vec<tokio::task::JoinHandle<u64>>,
}

impl Load {
    fn start(store: &Arc<RedisStore>) -> Self {
        let (stop, steps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let writers = (0..WRITERS).map(|number| {
            let (store, stop, steps) = (Arc::clone(store), Arc::clone(&stop), Arc::clone(&steps));
            tokio::spawn(async move {
                let mut index = 0;
                while !stop.load(Ordering::Relaxed) {
                    index += 1;
                    commit(&*store, step(number, index)).await.expect("every step is stored");
                    steps.fetch_add(1, Ordering::Relaxed);
                }
                index
            })
        });
        let writers = writers.collect();
        Self { stop, steps, writers }
    }

    /// Waits until so many further steps were acknowledged.
    async fn advance(&self, steps: u64) {
        let goal = self.steps.load(Ordering::Relaxed) + steps;
        wait::until("the writers have made steps", async || {
            (self.steps.load(Ordering::Relaxed) >= goal).then_some(())
        })
        .await;
    }

    /// Stops, and compares what was acknowledged with what is stored.
    async fn verify(self, store: &RedisStore) {
        self.stop.store(true, Ordering::Relaxed);
        for (number, writer) in (0..).zip(self.writers) {
            let acknowledged = writer.await.expect("the writer succeeds");
            let log = store.read_log(&worker(number), 1, usize::MAX).await.expect("readable");
            let indices: Vec<u64> = log.iter().map(|record| record.first).collect();
            assert_eq!(indices, (1..=acknowledged).collect::<Vec<_>>(), "worker {number}");
            let record = store.get(COUNTS, number.to_string().as_bytes()).await.expect("readable");
            assert_eq!(record, Some(acknowledged.to_string().into_bytes()), "worker {number}");
        }
    }
}

async fn becomes(store: &RedisStore, what: &str, is_it: impl Fn(&Health) -> bool) {
    wait::until(what, async || is_it(&store.health()).then_some(())).await;
}

/// A connection that breaks may have carried a batch or not: asked again, the server knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_connections_lose_and_double_nothing() {
    let (server, directory) = (RedisServer::start(), directory());
    let store = Arc::new(open(&server, &directory).await.expect("it opens"));
    let load = Load::start(&store);
    for _ in 0..40 {
        load.advance(50).await;
        server.ask("CLIENT KILL TYPE normal");
    }
    load.verify(&store).await;
    becomes(&store, "it is reachable", |health| *health == Health::Ok).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_that_comes_back_has_everything() {
    let (mut server, directory) = (RedisServer::start(), directory());
    let store = Arc::new(open(&server, &directory).await.expect("it opens"));
    let load = Load::start(&store);
    for _ in 0..3 {
        load.advance(300).await;
        server.kill();
        becomes(&store, "the loss is noticed", |health| {
            matches!(health, Health::Unreachable { .. })
        })
        .await;
        server.start_again();
        load.advance(300).await;
    }
    load.verify(&store).await;
}

/// A stopped process keeps its connections and answers nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_waited_for() {
    let (server, directory) = (RedisServer::start(), directory());
    let store = Arc::new(open(&server, &directory).await.expect("it opens"));
    let load = Load::start(&store);
    load.advance(100).await;
    server.signal("STOP");
    becomes(&store, "the silence is noticed", |health| {
        matches!(health, Health::Unreachable { .. })
    })
    .await;
    server.signal("CONT");
    load.advance(300).await;
    load.verify(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_refuses_for_now_is_done_later() {
    let (server, directory) = (RedisServer::start(), directory());
    let store = Arc::new(open(&server, &directory).await.expect("it opens"));
    let load = Load::start(&store);
    load.advance(100).await;
    server.ask("SCRIPT FLUSH");
    load.advance(100).await;
    server.ask("CONFIG SET maxmemory 1");
    becomes(
        &store,
        "it is full",
        |health| matches!(health, Health::Unreachable { reason } if reason.contains("maxmemory")),
    )
    .await;
    server.ask("CONFIG SET maxmemory 0");
    load.advance(100).await;
    let refusals = [
        ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0", "NOREPLICAS"),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "READONLY"),
    ];
    for (order, relief, code) in refusals {
        println!("{order}");
        server.ask(order);
        becomes(
            &store,
            "it refuses",
            |health| matches!(health, Health::Unreachable { reason } if reason.contains(code)),
        )
        .await;
        server.ask(relief);
        load.advance(100).await;
    }
    load.verify(&store).await;
}

/// While Redis is away the queue fills up, and whoever submits more waits; nobody else does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_holds_up_its_submitters_only() {
    let (server, directory) = (RedisServer::start(), directory());
    let store = Arc::new(open(&server, &directory).await.expect("it opens"));
    server.signal("STOP");
    let submitting = Arc::new(AtomicU64::new(0));
    let writers = (0..6).map(|number| {
        let (store, submitting) = (Arc::clone(&store), Arc::clone(&submitting));
        tokio::spawn(async move {
            let append = Append::new(worker(number), 1, 1, vec![7; 40 << 20]);
            submitting.fetch_add(1, Ordering::SeqCst);
            commit(&*store, Batch { appends: vec![append], ..Batch::default() }).await
        })
    });
    let writers: Vec<_> = writers.collect();
    // Each runs on its own, although more of them than there are threads wait for room.
    wait::until("all of them have begun", async || {
        (submitting.load(Ordering::SeqCst) == 6).then_some(())
    })
    .await;
    tokio::spawn(async {}).await.expect("others go on");
    server.signal("CONT");
    for writer in writers {
        writer.await.expect("no panic").expect("it is stored");
    }
}

/// Whoever forgot what it acknowledged is not written to: workers in memory know more than it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_lost_its_data_is_refused() {
    let (mut server, directory) = (RedisServer::start_with(&["--appendonly", "no"]), directory());
    let store = open(&server, &directory).await.expect("it opens");
    commit(&store, step(1, 1)).await.expect("stored");
    server.kill();
    server.start_again();
    let refusal = commit(&store, step(1, 2)).await.expect_err("it would begin at entry 2");
    assert!(matches!(refusal, StoreError::Poisoned { .. }), "{refusal}");
    assert!(refusal.to_string().contains("lost what it had acknowledged"), "{refusal}");
    becomes(&store, "it is poisoned", |health| matches!(health, Health::Poisoned { .. })).await;
    assert!(store.put_blob(vec![1]).await.is_err());
    assert_eq!(server.ask("EXISTS everlog:log:worker-1"), ":0\r\n+OK\r\n");
}

/// The one whose lease has ended is fenced off, whatever it believes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_session_cannot_write() {
    let (server, old, new) = (RedisServer::start(), directory(), directory());
    let stale = open(&server, &old).await.expect("it opens");
    commit(&stale, step(1, 1)).await.expect("stored");
    // As if it had been away for longer than its lease.
    server.ask("DEL everlog:lease:1");
    let owner = open(&server, &new).await.expect("the lease is free");
    let refusal = commit(&stale, step(1, 2)).await.expect_err("it lost the fence");
    assert!(matches!(refusal, StoreError::Fenced { session: 1, .. }), "{refusal}");
    assert_eq!(owner.last_index(&worker(1)).await.expect("readable"), Some(1));
    commit(&owner, step(1, 2)).await.expect("the owner writes");
    assert!(matches!(stale.health(), Health::Poisoned { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_node_is_refused_and_the_same_node_comes_back_at_once() {
    let (server, first, second) = (RedisServer::start(), directory(), directory());
    let store = open(&server, &first).await.expect("it opens");
    let refusal = open(&server, &second).await.err().expect("the first one is alive");
    assert!(matches!(refusal, StoreError::Taken { .. }), "{refusal}");
    assert!(refusal.to_string().contains("node 1"), "{refusal}");
    let locked = open(&server, &first).await.err().expect("its directory is locked");
    assert!(matches!(locked, StoreError::Locked { .. }), "{locked}");
    commit(&store, step(1, 1)).await.expect("the first one is not disturbed");
    drop(store);
    // A node that leaves gives its lease back.
    let store = open(&server, &second).await.expect("the lease is free");
    assert_eq!(store.last_index(&worker(1)).await.expect("readable"), Some(1));
}

#[tokio::test]
async fn a_server_that_cannot_be_used_says_why() {
    let (mut server, directory) = (RedisServer::start(), directory());
    server.ask("REPLICAOF 127.0.0.1 1");
    let refusal = open(&server, &directory).await.err().expect("it is a replica").to_string();
    assert!(refusal.contains("replica") && refusal.contains(&server.url()), "{refusal}");
    server.kill();
    let refusal = open(&server, &directory).await.err().expect("nobody is there").to_string();
    assert!(refusal.contains("refused"), "{refusal}");
}
