//! `kill -9` during concurrent appends: every acknowledged batch is there, no torn batch is visible.
//!
//! A child process appends from eight threads and reports what was acknowledged; it is killed at
//! random moments, again and again on one directory. `SEED=… ROUNDS=…` repeat a run.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::thread;
use std::time::Duration;

use everlog_store::{EmbeddedOptions, EmbeddedStore, Store};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

mod child;
mod payload;

#[tokio::test]
async fn acknowledged_batches_survive_kill() {
    let seed = child::number("SEED").unwrap_or_else(|| rand::rng().random());
    let rounds = child::number("ROUNDS").unwrap_or(25);
    println!("SEED={seed} ROUNDS={rounds}");
    let mut random = StdRng::seed_from_u64(seed);
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = HashMap::new();
    for round in 0..rounds {
        let delay = Duration::from_micros(random.random_range(0..120_000));
        for (worker, last) in killed_after(directory.path(), delay) {
            let known = acknowledged.entry(worker).or_insert(0);
            assert!(last > *known, "round {round}: worker {worker} goes back to {last}");
            *known = last;
        }
        verify(directory.path(), &acknowledged).await;
    }
    let total: u64 = acknowledged.values().sum();
    println!("{total} acknowledged entries survived {rounds} kills");
    assert!(total > rounds, "the child was killed before it did anything");
}

/// Runs the child, kills it `delay` after its first acknowledgement, and returns the last index it
/// reported for each worker.
fn killed_after(directory: &Path, delay: Duration) -> HashMap<u64, u64> {
    let mut child = child::start(&mut child::command(directory));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().as_deref(), Some("ready"));
    let mut acknowledged = HashMap::new();
    // A thread of its own, so that a full pipe does not hold the child back.
    let reader = thread::spawn({
        let first = lines.next().expect("the child acknowledges something");
        move || {
            for line in std::iter::once(first).chain(lines) {
                let (worker, last) = child::acknowledgement(&line)
                    .unwrap_or_else(|| panic!("the child says: {line}"));
                acknowledged.insert(worker, last);
            }
            acknowledged
        }
    });
    thread::sleep(delay);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

async fn verify(directory: &Path, acknowledged: &HashMap<u64, u64>) {
    let store = EmbeddedStore::open(&EmbeddedOptions::new(directory)).unwrap();
    for (&number, &last) in acknowledged {
        let worker = payload::worker(number);
        let stored = store.last_index(&worker).await.unwrap().unwrap();
        assert!(stored >= last, "{worker}: {last} was acknowledged, {stored} is stored");
        let head = store.get(payload::HEADS, worker.as_bytes()).await.unwrap().unwrap();
        assert_eq!(head, stored.to_be_bytes(), "{worker}: a batch is torn");
        for number in [number, payload::twin(number)] {
            let mut next = 1;
            for record in store.read_log(&payload::worker(number), 1, usize::MAX).await.unwrap() {
                assert_eq!(record.first, next, "{worker}");
                assert!(record.bytes == payload::entries(number, next, record.last), "{worker}");
                next = record.last + 1;
            }
            assert_eq!(next, stored + 1, "{worker}: a batch is torn");
        }
    }
}
