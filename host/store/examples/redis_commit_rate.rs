//! How many synced commits a second the store on Redis makes, beside what `redis-benchmark` gets for
//! a script that writes the same and checks nothing, in the same run and on the same server.
//!
//! `cargo run --release -p everlog-store --example redis_commit_rate [seconds]`

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use everlog_store::{Append, Batch, Change, RedisOptions, RedisStore, Space, WorkerKey, commit};

#[expect(dead_code, unreachable_pub, reason = "shared with the tests")]
#[path = "../../../tests/src/redis.rs"]
mod redis;

use redis::RedisServer;

const ENTRY_BYTES: usize = 120;
const STATUS_BYTES: usize = 80;

fn main() {
    let seconds = std::env::args().nth(1).map_or(3, |text| text.parse().expect("seconds"));
    let duration = Duration::from_secs(seconds);
    println!("{:<34} {:>8} {:>10} {:>8}", "each commit synced", "writers", "commits/s", "ratio");
    for writers in [1, 8, 64, 256] {
        let server = RedisServer::start();
        let bare = server.benchmark(writers, (ENTRY_BYTES, STATUS_BYTES));
        println!("{:<34} {writers:>8} {bare:>10.0}", "redis-benchmark, a script like it");
        let store = store_rate(&server, writers, duration);
        let ratio = store / bare;
        println!("{:<34} {writers:>8} {store:>10.0} {ratio:>8.2}", "store, 1 append + 1 record");
    }
}

fn store_rate(server: &RedisServer, writers: usize, duration: Duration) -> f64 {
    let directory = tempfile::tempdir().expect("a directory");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let options = RedisOptions::new(server.url(), directory.path());
    let store = Arc::new(runtime.block_on(RedisStore::open(&options)).expect("it opens"));
    let start = Instant::now();
    let tasks = (0..writers).map(|number| {
        let store = Arc::clone(&store);
        runtime.spawn(async move {
            let mut commits = 0;
            while start.elapsed() < duration {
                commits += 1;
                commit(&*store, batch(number, commits)).await.expect("it is stored");
            }
            commits
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let commits: u64 =
        tasks.into_iter().map(|task| runtime.block_on(task).expect("a writer")).sum();
    commits as f64 / start.elapsed().as_secs_f64()
}

fn batch(number: usize, index: u64) -> Batch {
    let worker = WorkerKey::new(format!("worker-{number}").into_bytes()).expect("short");
    let key = worker.as_bytes().to_vec();
    let append = Append::new(worker, index, index, vec![7; ENTRY_BYTES]);
    let put = Change::Put { space: Space::new(1), key, value: vec![7; STATUS_BYTES] };
    Batch { appends: vec![append], changes: vec![put], ..Batch::default() }
}
