//! Stores with something in them, and all that a store holds.

use std::collections::{BTreeMap, BTreeSet};

use everlog_store::{
    Append, Batch, Change, Digest, KeyRange, LogRecord, Order, Space, Store, WorkerKey, commit,
};
use futures::stream::TryStreamExt as _;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// Everything that can be read from a store.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) logs: BTreeMap<WorkerKey, Vec<LogRecord>>,
    pub(crate) records: BTreeMap<(u8, Vec<u8>), Vec<u8>>,
    pub(crate) blobs: BTreeSet<Digest>,
}

pub(crate) async fn content(store: &dyn Store) -> Content {
    let mut content = Content::default();
    let workers: Vec<WorkerKey> = store.logs().try_collect().await.expect("logs are listed");
    for worker in workers {
        let log = store.read_log(&worker, 1, usize::MAX).await.expect("a log is readable");
        content.logs.insert(worker, log);
    }
    for number in 0..254 {
        let space = Space::new(number);
        let records = store.scan(space, KeyRange::all(), Order::Forward, usize::MAX).await;
        for (key, value) in records.expect("records are readable") {
            content.records.insert((number, key), value);
        }
    }
    content.blobs = store.blobs().try_collect().await.expect("blobs are listed");
    content
}

/// A generator whose seed is printed.
pub(crate) fn generator() -> StdRng {
    let seed = match std::env::var("SEED") {
        Ok(text) => text.parse().expect("SEED is a number"),
        Err(_) => rand::random(),
    };
    println!("SEED={seed}");
    StdRng::seed_from_u64(seed)
}

fn bytes(random: &mut StdRng, most: usize) -> Vec<u8> {
    let length = random.random_range(0..=most);
    (0..length).map(|_| random.random()).collect()
}

pub(crate) fn worker(number: u64) -> WorkerKey {
    WorkerKey::new([b"worker-", number.to_string().as_bytes(), &[0]].concat()).expect("short")
}

/// Puts random things into a store: at most `most` of each kind, behind what is there.
pub(crate) async fn fill(store: &dyn Store, random: &mut StdRng, most: u64) {
    for number in 0..random.random_range(1..=most) {
        let worker = worker(number);
        let last = store.last_index(&worker).await.expect("readable");
        let mut first = last.map_or(1, |last| last + 1);
        for _ in 0..random.random_range(1..=most) {
            let last = first + random.random_range(0..3);
            let append = Append::new(worker.clone(), first, last, bytes(random, 400));
            let batch = Batch { appends: vec![append], ..Batch::default() };
            commit(store, batch).await.expect("it continues");
            first = last + 1;
        }
    }
    for _ in 0..random.random_range(most..=most * 3) {
        let space = Space::new([0, 1, 7, 253][random.random_range(0..4)]);
        let (key, value) = (bytes(random, 3), bytes(random, 300));
        let change = match random.random_bool(0.8) {
            true => Change::Put { space, key, value },
            false => Change::Delete { space, key },
        };
        let batch = Batch { changes: vec![change], ..Batch::default() };
        commit(store, batch).await.expect("records have no conditions");
    }
    for _ in 0..random.random_range(1..=most) {
        store.put_blob(bytes(random, 2_000)).await.expect("a small blob");
    }
}
