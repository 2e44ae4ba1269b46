//! Damage to any file of the store is reported or harmless, never silent.
//!
//! A store with table files, journals, marks and blobs is built once. Then, again and again, a copy
//! of it gets one flipped bit or one cut tail somewhere, and everything is read and compared with
//! what was written. `SEED=… FLIPS=…` repeat a run.

#![expect(clippy::disallowed_methods, reason = "damages files on purpose")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use everlog_store::{
    Batch, Change, Digest, EmbeddedOptions, EmbeddedStore, Health, KeyRange, LogRecord, Order,
    Store, StoreError, commit,
};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

#[allow(dead_code, reason = "shared, and not every test needs all of it")]
mod payload;

const WORKERS: u64 = 8;
const BATCHES: u64 = 30;

/// Everything that was written.
#[derive(Clone, Default)]
struct Truth {
    logs: BTreeMap<u64, Vec<LogRecord>>,
    heads: BTreeMap<Vec<u8>, Vec<u8>>,
    blobs: Vec<Vec<u8>>,
}

/// What reading everything from a damaged store came to.
#[derive(Debug, Default)]
struct Findings {
    /// Errors, of opening or of reads.
    reported: Vec<StoreError>,
    /// Names of what reads differently without an error.
    silent: Vec<String>,
    /// Workers whose oplogs read as written.
    intact: Vec<u64>,
}

enum Damage {
    Flip { offset: u64, bit: u8 },
    Cut { length: u64 },
}

/// Small tables, so that a small store has many files.
fn options(directory: &Path) -> EmbeddedOptions {
    EmbeddedOptions { memtable_bytes: 24 * 1024, ..EmbeddedOptions::new(directory) }
}

async fn build(directory: &Path) -> Truth {
    let mut truth = Truth::default();
    // Several starts, so that there are several segments of marks, and journals that were reopened.
    for _ in 0..3 {
        let store = EmbeddedStore::open(&options(directory)).unwrap();
        for number in (0..BATCHES).flat_map(|_| 0..WORKERS) {
            write_batch(&store, &mut truth, number).await;
        }
        let blob = vec![truth.blobs.len() as u8; 5000];
        store.put_blob(blob.clone()).await.unwrap();
        truth.blobs.push(blob);
        let forgotten = payload::worker(0).as_bytes().to_vec();
        let delete = Change::Delete { space: payload::HEADS, key: forgotten.clone() };
        commit(&store, Batch { changes: vec![delete], ..Batch::default() }).await.unwrap();
        truth.heads.remove(&forgotten);
    }
    truth
}

async fn write_batch(store: &EmbeddedStore, truth: &mut Truth, number: u64) {
    let next = truth.logs.get(&number).and_then(|log| log.last()).map_or(1, |log| log.last + 1);
    let (batch, last) = payload::batch(number, next);
    truth.heads.insert(payload::worker(number).as_bytes().to_vec(), last.to_be_bytes().into());
    for number in [number, payload::twin(number)] {
        let bytes = payload::entries(number, next, last);
        truth.logs.entry(number).or_default().push(LogRecord { first: next, last, bytes });
    }
    commit(store, batch).await.unwrap();
}

async fn examine(directory: &Path, truth: &Truth) -> Findings {
    let mut findings = Findings::default();
    let store = match EmbeddedStore::open(&options(directory)) {
        Ok(store) => store,
        Err(error) => {
            findings.reported.push(error);
            return findings;
        }
    };
    for (&number, expected) in &truth.logs {
        let worker = payload::worker(number);
        match store.read_log(&worker, 1, usize::MAX).await {
            Ok(found) if found == *expected => findings.intact.push(number),
            Ok(_) => findings.silent.push(worker.to_string()),
            Err(error) => findings.report(error, &worker.to_string()),
        }
    }
    match store.scan(payload::HEADS, KeyRange::all(), Order::Forward, usize::MAX).await {
        Ok(found) if found.iter().map(|(key, value)| (key, value)).eq(&truth.heads) => {}
        Ok(_) => findings.silent.push("scan".into()),
        Err(error) => findings.report(error, "record"),
    }
    for number in 0..WORKERS {
        let key = payload::worker(number);
        match store.get(payload::HEADS, key.as_bytes()).await {
            Ok(found) if found.as_ref() == truth.heads.get(key.as_bytes()) => {}
            Ok(_) => findings.silent.push(format!("record {key}")),
            Err(error) => findings.report(error, &key.to_string()),
        }
    }
    for blob in &truth.blobs {
        let digest = Digest::of(blob);
        match store.get_blob(&digest).await {
            Ok(found) if found.as_ref() == Some(blob) => {}
            Ok(_) => findings.silent.push(format!("blob {digest}")),
            Err(error) => findings.report(error, &digest.to_string()),
        }
    }
    findings
}

impl Findings {
    /// Takes an error of a read; it must name what was read.
    fn report(&mut self, error: StoreError, name: &str) {
        if !error.to_string().contains(name) {
            self.silent.push(format!("an error that does not name {name}: {error}"));
        }
        self.reported.push(error);
    }
}

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { directories.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

fn is_table(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "table")
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file, target).unwrap();
    }
    // Directories without files count too.
    for directory in ["blobs/incoming", "marks", "journal"] {
        fs::create_dir_all(to.join(directory)).unwrap();
    }
}

fn damage(file: &Path, random: &mut StdRng) -> Damage {
    let mut bytes = fs::read(file).unwrap();
    // The space that a journal takes ahead is blank: damage in there is harmless, and no test.
    let blank = bytes.iter().rev().take_while(|byte| **byte == 0).count();
    let length = (bytes.len() - blank).max(1) as u64;
    if random.random_ratio(1, 4) {
        let length = random.random_range(0..length);
        fs::write(file, &bytes[..length as usize]).unwrap();
        return Damage::Cut { length };
    }
    let (offset, bit) = (random.random_range(0..length), random.random_range(0..8));
    bytes[offset as usize] ^= 1 << bit;
    fs::write(file, bytes).unwrap();
    Damage::Flip { offset, bit }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_flip_and_no_cut_is_silent() {
    let seed = number("SEED").unwrap_or_else(|| rand::rng().random());
    let flips = number("FLIPS").unwrap_or(200);
    println!("SEED={seed} FLIPS={flips}");
    let mut random = StdRng::seed_from_u64(seed);
    let original = tempfile::tempdir().unwrap();
    let truth = build(original.path()).await;
    let untouched = tempfile::tempdir().unwrap();
    copy(original.path(), untouched.path());
    let findings = examine(untouched.path(), &truth).await;
    assert!(findings.reported.is_empty() && findings.silent.is_empty(), "{findings:?}");

    let candidates = files(original.path());
    let tables = candidates.iter().filter(|path| is_table(path));
    assert!(tables.count() > 4, "the store must have table files: {candidates:?}");
    let (mut reported, mut refused) = (0, 0);
    let mut silent = Vec::new();
    for round in 0..flips {
        let directory = tempfile::tempdir().unwrap();
        copy(original.path(), directory.path());
        let file = candidates.choose(&mut random).unwrap().strip_prefix(original.path()).unwrap();
        if fs::metadata(directory.path().join(file)).unwrap().len() == 0 {
            continue;
        }
        let damage = damage(&directory.path().join(file), &mut random);
        let what = match damage {
            Damage::Flip { offset, bit } => format!("bit {bit} of byte {offset} flipped"),
            Damage::Cut { length } => format!("cut to {length} bytes"),
        };
        let findings = examine(directory.path(), &truth).await;
        reported += u64::from(!findings.reported.is_empty());
        refused += u64::from(findings.intact.is_empty());
        for name in findings.silent {
            silent.push(format!("round {round}, {}, {what}: {name}", file.display()));
        }
    }
    println!("{flips} damages: {reported} reported, {refused} of them refused to start");
    assert!(silent.is_empty(), "SEED={seed}:\n{}", silent.join("\n"));
    assert!(reported > 0, "some damage must matter");
}

/// A flipped bit in an entry of one worker, wherever it went by now: that worker is named, all
/// others go on, writes included, also when the damaged table is merged and after starts.
#[tokio::test]
async fn damage_of_one_worker_leaves_the_others() {
    let seed = number("SEED").unwrap_or_else(|| rand::rng().random());
    let rounds = number("ROUNDS").unwrap_or(12);
    println!("SEED={seed} ROUNDS={rounds}");
    let mut random = StdRng::seed_from_u64(seed);
    let original = tempfile::tempdir().unwrap();
    let truth = build(original.path()).await;
    for _ in 0..rounds {
        let directory = tempfile::tempdir().unwrap();
        copy(original.path(), directory.path());
        let victim = *[3, 5, payload::twin(2)].choose(&mut random).unwrap();
        // The first entries are in table files by now, and nowhere else.
        let record = &truth.logs[&victim][random.random_range(0..5)];
        let file = flip_in_tables(directory.path(), &record.bytes, &mut random);
        println!("worker {victim}, entry {}: {}", record.first, file.display());
        let spoiled = [victim, record.first];
        let mut now = truth.clone();
        for start in 0..3 {
            let store = EmbeddedStore::open(&options(directory.path())).unwrap();
            if start == 1 {
                read_all(&store, &now, spoiled).await;
            }
            // Enough for several tables, and so for merges of all that there are.
            for number in
                (0..60).flat_map(|_| (0..WORKERS).filter(|number| *number != victim % 500))
            {
                write_batch(&store, &mut now, number).await;
            }
            read_all(&store, &now, spoiled).await;
            assert_eq!(store.health(), Health::Ok);
        }
    }
}

/// Flips a bit of `needle`, in the one table that holds it.
fn flip_in_tables(directory: &Path, needle: &[u8], random: &mut StdRng) -> PathBuf {
    let tables = files(directory).into_iter().filter(|path| is_table(path));
    let hits = tables.filter_map(|file| {
        let bytes = fs::read(&file).unwrap();
        let at = bytes.windows(needle.len()).position(|window| window == needle)?;
        Some((file, bytes, at))
    });
    let [(file, mut bytes, at)] = <[_; 1]>::try_from(hits.collect::<Vec<_>>()).expect("one table");
    bytes[at + random.random_range(0..needle.len())] ^= 1 << random.random_range(0..8);
    fs::write(&file, bytes).unwrap();
    file
}

/// Everything reads as it was written, but for the entry `first` of the worker `victim`.
async fn read_all(store: &EmbeddedStore, truth: &Truth, [victim, first]: [u64; 2]) {
    for (&number, expected) in &truth.logs {
        let worker = payload::worker(number);
        let found = store.read_log(&worker, 1, usize::MAX).await;
        if number != victim {
            assert!(found.unwrap() == *expected, "{worker}");
            continue;
        }
        let report = found.unwrap_err().to_string();
        let place = format!("worker {worker}, entry {first}: ");
        assert!(report.contains(&place) && report.contains("Restore"), "{report}");
        // What lies behind the damage can be read.
        let behind = expected.iter().filter(|record| record.first > first);
        let from = behind.clone().next().unwrap().first;
        assert!(store.read_log(&worker, from, usize::MAX).await.unwrap().iter().eq(behind));
    }
    let found = store.scan(payload::HEADS, KeyRange::all(), Order::Forward, usize::MAX).await;
    assert!(found.unwrap().iter().map(|(key, value)| (key, value)).eq(&truth.heads));
}

/// A worker whose oplog is damaged, also beyond what can be named, can be deleted and starts again.
#[tokio::test]
async fn a_damaged_worker_can_be_deleted() {
    let directory = tempfile::tempdir().unwrap();
    build(directory.path()).await;
    let mut tables = files(directory.path());
    tables.retain(|path| is_table(path));
    for table in &tables {
        let bytes = fs::read(table).unwrap();
        fs::write(table, &bytes[..bytes.len() / 3]).unwrap();
    }
    let store = EmbeddedStore::open(&options(directory.path())).unwrap();
    let worker = payload::worker(3);
    let report = store.read_log(&worker, 1, usize::MAX).await.unwrap_err().to_string();
    assert!(report.contains(&worker.to_string()) && report.contains("delete this worker"));
    let deletion = Batch { delete_logs: vec![worker.clone()], ..Batch::default() };
    commit(&store, deletion).await.unwrap();
    drop(store);
    for start in 0..3_u64 {
        let store = EmbeddedStore::open(&options(directory.path())).unwrap();
        let last = start * 80;
        assert_eq!(store.last_index(&worker).await.unwrap(), Some(last).filter(|last| *last > 0));
        // Enough for merges with what is left.
        for index in last + 1..=last + 80 {
            let appends = vec![payload::append(3, index, index)];
            commit(&store, Batch { appends, ..Batch::default() }).await.unwrap();
        }
        let found = store.read_log(&worker, 1, usize::MAX).await.unwrap();
        assert_eq!(found.len() as u64, last + 80);
        assert_eq!(store.health(), Health::Ok);
    }
}

#[tokio::test]
async fn an_accepted_loss_is_complained_about_once() {
    let directory = tempfile::tempdir().unwrap();
    build(directory.path()).await;
    let mut journals = files(directory.path());
    journals.retain(|file| file.extension().is_some_and(|extension| extension == "journal"));
    journals.sort_by_key(|file| fs::metadata(file).unwrap().modified().unwrap());
    journals.retain(|file| fs::metadata(file).unwrap().len() > 0);
    let journal = journals.last().expect("there is a journal");
    // In the middle of the last group's head, so that not even its keys are left.
    let bytes = fs::read(journal).unwrap();
    let head = bytes.windows(4).rposition(|window| window == b"\xE7blk").expect("a group");
    fs::write(journal, &bytes[..head + 20]).unwrap();
    let refusal = EmbeddedStore::open(&options(directory.path())).err().unwrap();
    assert!(matches!(refusal, StoreError::LostTail { .. }), "{refusal}");
    assert!(refusal.to_string().contains("accept_loss"), "{refusal}");
    // It stays refused until somebody decides.
    assert!(EmbeddedStore::open(&options(directory.path())).is_err());
    let accepting = EmbeddedOptions { accept_loss: true, ..options(directory.path()) };
    drop(EmbeddedStore::open(&accepting).unwrap());
    let store = EmbeddedStore::open(&options(directory.path())).unwrap();
    let append = payload::append(900, 1, 1);
    commit(&store, Batch { appends: vec![append], ..Batch::default() }).await.unwrap();
    drop(store);
    EmbeddedStore::open(&options(directory.path())).unwrap();
}
