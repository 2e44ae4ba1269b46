//! `kill -9` during concurrent appends: every acknowledged batch is there, no torn batch is
//! visible.
//!
//! A child process appends from eight threads and reports what was acknowledged; it is killed at
//! random moments, several times on one directory. `SEED=… ROUNDS=…` repeat a run.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::thread;
use std::time::Duration;

use everlog_store::{EmbeddedOptions, EmbeddedStore, Store};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

mod child;
#[allow(dead_code, reason = "shared, and not every test needs all of it")]
mod payload;

/// How often a directory is killed before the next round takes a new one: all of it is read after
/// each kill.
const KILLS: u64 = 4;

#[tokio::test]
async fn acknowledged_batches_survive_kill() {
    let seed = number("SEED").unwrap_or_else(|| rand::rng().random());
    let rounds = number("ROUNDS").unwrap_or(6);
    println!("SEED={seed} ROUNDS={rounds}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut total = 0;
    for _ in 0..rounds {
        let directory = tempfile::tempdir().unwrap();
        let mut acknowledged = HashMap::new();
        for kill in 0..KILLS {
            let delay = Duration::from_micros(random.random_range(0..120_000));
            for (worker, last) in killed_after(directory.path(), delay) {
                let known = acknowledged.entry(worker).or_insert(0);
                assert!(last > *known, "kill {kill}: worker {worker} goes back to {last}");
                *known = last;
            }
            verify(directory.path(), &acknowledged).await;
        }
        total += acknowledged.values().sum::<u64>();
    }
    println!("{total} acknowledged entries survived {} kills", rounds * KILLS);
    assert!(total > rounds * KILLS, "the child was killed before it did anything");
}

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
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
