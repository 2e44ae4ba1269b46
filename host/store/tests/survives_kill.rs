//! `kill -9` during concurrent appends: every acknowledged batch is there with all that were handed
//! over before it, by whichever thread; no torn batch is visible.
//!
//! A child process appends from eight threads and reports what was acknowledged; it is killed at
//! random moments, several times on one directory. With little in memory it is also killed while
//! tables are written, merged and, where they are damaged, replaced. `SEED=… ROUNDS=…` repeat a
//! run.

#![expect(clippy::disallowed_methods, reason = "damages files on purpose")]

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::thread;
use std::time::Duration;

use everlog_store::{EmbeddedOptions, EmbeddedStore, Health, Store, StoreError, WorkerKey};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

mod child;
#[allow(dead_code, reason = "shared, and not every test needs all of it")]
mod payload;

/// How often a directory is killed before the next round takes a new one: all of it is read after
/// each kill.
const KILLS: u64 = 4;

/// So little that tables are written and merged all the time.
const SMALL: u64 = 32 * 1024;

/// One test at a time: a child that is being started holds, for a moment, the locks of all stores
/// that are open in this process.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test]
async fn acknowledged_batches_survive_kill() {
    let _alone = ALONE.lock().await;
    let (mut random, rounds) = start(6);
    let mut total = 0;
    for round in 0..rounds {
        let directory = tempfile::tempdir().unwrap();
        let mut options = EmbeddedOptions::new(directory.path());
        if round % 2 == 0 {
            options.memtable_bytes = SMALL;
        }
        let mut acknowledged = HashMap::new();
        for _ in 0..KILLS {
            kill(&options, &mut random, &mut acknowledged);
            assert_eq!(verify(&options, &acknowledged).await, [] as [String; 0]);
            let store = EmbeddedStore::open(&options).unwrap();
            let places = payload::places(&store).await.unwrap();
            assert!(places.iter().copied().eq(1..=places.len() as u64), "a batch overtook another");
        }
        total += acknowledged.values().sum::<u64>();
    }
    println!("{total} acknowledged entries survived {} kills", rounds * KILLS);
    assert!(total > rounds * KILLS, "the child was killed before it did anything");
}

#[tokio::test]
async fn others_survive_kill_beside_damage() {
    let _alone = ALONE.lock().await;
    let (mut random, rounds) = start(4);
    let mut named = 0;
    for _ in 0..rounds {
        let directory = tempfile::tempdir().unwrap();
        let options =
            EmbeddedOptions { memtable_bytes: SMALL, ..EmbeddedOptions::new(directory.path()) };
        let mut acknowledged = HashMap::new();
        for flips in 0..KILLS {
            kill(&options, &mut random, &mut acknowledged);
            let damaged = verify(&options, &acknowledged).await;
            // Nothing but the bits that were flipped, each in one value at most.
            assert!(damaged.len() as u64 <= flips, "{damaged:?}");
            named += damaged.len();
            flip_in_a_table(directory.path(), &mut random);
        }
    }
    println!("{named} times damage was named");
}

/// The random numbers and rounds of a run.
fn start(rounds: u64) -> (StdRng, u64) {
    let seed = number("SEED").unwrap_or_else(|| rand::rng().random());
    let rounds = number("ROUNDS").unwrap_or(rounds);
    println!("SEED={seed} ROUNDS={rounds}");
    (StdRng::seed_from_u64(seed), rounds)
}

fn flip_in_a_table(directory: &Path, random: &mut StdRng) {
    let files = std::fs::read_dir(directory.join("tables")).unwrap();
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "table"));
    files.sort();
    if let Some(file) = files.choose(random) {
        let mut bytes = std::fs::read(file).unwrap();
        let bit = random.random_range(0..bytes.len() * 8);
        println!("bit {bit} of {}", file.display());
        bytes[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(file, bytes).unwrap();
    }
}

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// Runs the child, kills it some time after its first acknowledgement, and notes the last index it
/// reported for each worker.
fn kill(options: &EmbeddedOptions, random: &mut StdRng, acknowledged: &mut HashMap<u64, u64>) {
    let delay = Duration::from_micros(random.random_range(0..120_000));
    for (worker, last) in killed_after(options, delay) {
        let known = acknowledged.entry(worker).or_insert(0);
        assert!(last > *known, "worker {worker} goes back to {last}");
        *known = last;
    }
}

fn killed_after(options: &EmbeddedOptions, delay: Duration) -> HashMap<u64, u64> {
    let mut command = child::command(&options.directory);
    let mut child = child::start(command.arg(options.memtable_bytes.to_string()));
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

/// Compares the store with what was acknowledged; returns which workers are reported as damaged.
async fn verify(options: &EmbeddedOptions, acknowledged: &HashMap<u64, u64>) -> Vec<String> {
    let store = EmbeddedStore::open(options).unwrap();
    let mut damaged = Vec::new();
    for (&number, &last) in acknowledged {
        let worker = payload::worker(number);
        let mut stored = Vec::new();
        for number in [number, payload::twin(number)] {
            match read(&store, number).await {
                Ok(last) => stored.push(last),
                Err(report) => damaged.push(report),
            }
        }
        match store.get(payload::HEADS, worker.as_bytes()).await {
            Ok(head) => stored.push(u64::from_be_bytes(head.unwrap().try_into().unwrap())),
            Err(error) => damaged.push(named(&error, &worker)),
        }
        for found in &stored {
            assert!(*found >= last, "{worker}: {last} was acknowledged, {found} is stored");
        }
        assert!(stored.windows(2).all(|pair| pair[0] == pair[1]), "{worker}: a batch is torn");
    }
    assert_eq!(store.health(), Health::Ok);
    damaged
}

/// The last index of a worker whose entries are as they were written, or what is reported.
async fn read(store: &EmbeddedStore, number: u64) -> Result<u64, String> {
    let worker = payload::worker(number);
    let records = store.read_log(&worker, 1, usize::MAX).await;
    let mut next = 1;
    for record in records.map_err(|error| named(&error, &worker))? {
        assert_eq!(record.first, next, "{worker}");
        assert!(record.bytes == payload::entries(number, next, record.last), "{worker}");
        next = record.last + 1;
    }
    Ok(next - 1)
}

fn named(error: &StoreError, worker: &WorkerKey) -> String {
    let report = error.to_string();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{report}");
    assert!(report.contains(&worker.to_string()), "{report}");
    report
}
