//! How long a copy from files to Redis and back takes, checked, and how much memory.
//!
//! `cargo run --release -p everlog-store --example copy_rate [workers]`

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time and reads /proc")]

use std::sync::OnceLock;
use std::time::Instant;

use everlog_store::copy::{Job, Progress, Selection, Side, Stage, copy};
use everlog_store::{
    Append, Batch, Change, EmbeddedOptions, EmbeddedStore, RedisOptions, RedisStore, Space, Store,
    WorkerKey,
};

#[expect(dead_code, unreachable_pub, reason = "shared with the tests")]
#[path = "../../../tests/src/redis.rs"]
mod redis;

use redis::RedisServer;

/// Of each worker: oplog entries, each a record of its own, and records in two spaces.
const ENTRIES: u64 = 10;
const ENTRY_BYTES: usize = 120;
const STATUS_BYTES: usize = 80;

/// The entries of one worker with much history.
const LONG: u64 = 200_000;

const BLOBS: u64 = 200;
const BLOB_BYTES: usize = 300 << 10;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let workers = std::env::args().nth(1).map_or(20_000, |text| text.parse().expect("workers"));
    let directories = [(); 3].map(|()| tempfile::tempdir().expect("a directory"));
    let server = RedisServer::start();
    let open = |place: &tempfile::TempDir| EmbeddedStore::open(&EmbeddedOptions::new(place.path()));
    let source = open(&directories[0]).expect("it opens");
    fill(&source, workers).await;
    let options = RedisOptions::new(server.url(), directories[1].path());
    let redis = RedisStore::open(&options).await.expect("it opens");
    let back = open(&directories[2]).expect("it opens");
    println!(
        "{:<16} {:>8} {:>10} {:>6} {:>6} {:>8} {:>9} {:>10}",
        "", "workers", "records", "blobs", "MiB", "copied s", "checked s", "peak MiB"
    );
    measure("files to Redis", &source, &redis).await;
    measure("Redis to files", &redis, &back).await;
}

async fn fill(store: &EmbeddedStore, workers: u64) {
    let append = |worker: u64, first: u64| {
        let worker = WorkerKey::new(format!("worker-{worker}").into_bytes()).expect("short");
        Append::new(worker, first, first, vec![first as u8; ENTRY_BYTES])
    };
    for worker in 0..=workers {
        for first in 1..=if worker == 0 { LONG } else { ENTRIES } {
            let appends = vec![append(worker, first)];
            store.submit(Batch { appends, ..Batch::default() }, Box::new(drop));
        }
        let put = |space| {
            let (key, value) = (format!("worker-{worker}").into_bytes(), vec![1; STATUS_BYTES]);
            Change::Put { space: Space::new(space), key, value }
        };
        let changes = vec![put(2), put(3)];
        store.submit(Batch { changes, ..Batch::default() }, Box::new(drop));
    }
    for blob in 0..BLOBS {
        let bytes = blob.to_le_bytes().repeat(BLOB_BYTES / 8);
        store.put_blob(bytes).await.expect("it is stored");
    }
}

async fn measure(what: &str, source: &dyn Store, target: &dyn Store) {
    let before = peak_mib();
    let start = Instant::now();
    let copied_after = OnceLock::new();
    let progress = |progress: &Progress| {
        if progress.stage == Stage::Checking {
            copied_after.get_or_init(|| start.elapsed().as_secs_f64());
        }
    };
    let copied = copy(Job {
        source: Side { store: source, name: "source" },
        target: Side { store: target, name: "target" },
        selection: &Selection::Whole,
        inspect: &|_, _| Ok(Vec::new()),
        name_of: &|worker| worker.to_string(),
        progress: &progress,
    });
    let Progress { logs, records, blobs, bytes, .. } = copied.await.expect("it is copied");
    let seconds = start.elapsed().as_secs_f64();
    let (mib, peak) = (bytes >> 20, peak_mib());
    let copying = copied_after.get().copied().unwrap_or(seconds);
    let checking = seconds - copying;
    println!(
        "{what:<16} {logs:>8} {records:>10} {blobs:>6} {mib:>6} {copying:>8.1} {checking:>9.1} \
         {before:>4}…{peak}"
    );
}

/// The most memory that this process had so far.
fn peak_mib() -> u64 {
    let status = std::fs::read("/proc/self/status").unwrap_or_default();
    let text = String::from_utf8_lossy(&status);
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) >> 10
}
