//! How many synced commits a second the embedded store makes, beside a bare file in the same run,
//! and how long it takes to open after a crash.
//!
//! `cargo run --release -p everlog-store --example commit_rate [seconds]`

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time and writes a bare file")]

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use everlog_store::{
    Append, Batch, Change, EmbeddedOptions, EmbeddedStore, Space, StoreError, WorkerKey, commit,
};

const ENTRY_BYTES: usize = 120;
const STATUS_BYTES: usize = 80;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["fill", directory, commits] => {
            fill(Path::new(directory), commits.parse().expect("a number of commits"));
        }
        [] => compare(Duration::from_secs(3)),
        [seconds] => compare(Duration::from_secs(seconds.parse().expect("a number of seconds"))),
        _ => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}

fn compare(duration: Duration) {
    println!("{:<44} {:>10} {:>12}", "each commit synced", "writers", "commits/s");
    for writers in [1, 8, 64] {
        let file = tempfile::tempdir().expect("a directory");
        report(
            "bare file, append + fdatasync, group commit",
            writers,
            bare_file(file.path(), writers, duration),
        );
        for (what, status) in [("store, 1 append", false), ("store, 1 append + 1 record", true)] {
            let directory = tempfile::tempdir().expect("a directory");
            report(what, writers, store_rate(directory.path(), writers, status, duration));
        }
    }
    println!();
    let (what, cpu) = ("open after kill -9 behind", "ms of CPU");
    println!("{what:<44} {:>10} {:>12} {cpu:>12}", "commits", "ms");
    for commits in [0, 10_000, 100_000, 300_000, 1_000_000] {
        let directory = tempfile::tempdir().expect("a directory");
        killed_after(directory.path(), commits);
        let (start, cpu) = (Instant::now(), cpu_ms());
        let store = EmbeddedStore::open(&EmbeddedOptions::new(directory.path()));
        let (elapsed, cpu) = (start.elapsed().as_secs_f64() * 1e3, cpu_ms() - cpu);
        store.expect("it opens");
        println!("{:<44} {commits:>10} {elapsed:>12.1} {cpu:>12.1}", "");
    }
}

/// How long this thread has run, where the system tells: a busy machine does not count in it.
fn cpu_ms() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|number| number.parse().ok());
    nanoseconds.unwrap_or(0.0) / 1e6
}

fn report(what: &str, writers: usize, rate: f64) {
    println!("{what:<44} {writers:>10} {rate:>12.0}");
}

fn worker(number: usize) -> WorkerKey {
    WorkerKey::new(format!("0123456789abcdefworker-{number}\0").into_bytes()).expect("short")
}

fn batch(number: usize, index: u64, status: bool) -> Batch {
    let append = Append::new(worker(number), index, index, vec![7; ENTRY_BYTES]);
    let key = worker(number).as_bytes().to_vec();
    let put = Change::Put { space: Space::new(1), key, value: vec![index as u8; STATUS_BYTES] };
    let changes = if status { vec![put] } else { Vec::new() };
    Batch { appends: vec![append], changes, ..Batch::default() }
}

/// Writers are tasks, as the workers of the server are.
fn store_rate(directory: &Path, writers: usize, status: bool, duration: Duration) -> f64 {
    let store = EmbeddedStore::open(&EmbeddedOptions::new(directory)).expect("it opens");
    let store = Arc::new(store);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let start = Instant::now();
    let tasks = (0..writers).map(|number| {
        let store = Arc::clone(&store);
        runtime.spawn(async move {
            let mut commits = 0;
            while start.elapsed() < duration {
                commits += 1;
                commit(&*store, batch(number, commits, status)).await.expect("it is stored");
            }
            commits
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let commits: u64 =
        tasks.into_iter().map(|task| runtime.block_on(task).expect("a writer")).sum();
    commits as f64 / start.elapsed().as_secs_f64()
}

/// The disk's own rate with the same group commit: one thread writes and syncs for all that wait.
fn bare_file(directory: &Path, writers: usize, duration: Duration) -> f64 {
    let file = OpenOptions::new().create(true).append(true).open(directory.join("log"));
    let file: File = file.expect("a file");
    let (sender, receiver) =
        std::sync::mpsc::channel::<(Vec<u8>, futures::channel::oneshot::Sender<()>)>();
    let committer = std::thread::spawn(move || {
        let mut file = file;
        while let Ok(first) = receiver.recv() {
            let group: Vec<_> = std::iter::once(first).chain(receiver.try_iter()).collect();
            let bytes: Vec<u8> = group.iter().flat_map(|(bytes, _)| bytes).copied().collect();
            file.write_all(&bytes).and_then(|()| file.sync_data()).expect("the disk works");
            for (_, done) in group {
                let _ = done.send(());
            }
        }
    });
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let start = Instant::now();
    let tasks = (0..writers).map(|_| {
        let sender = sender.clone();
        runtime.spawn(async move {
            let mut commits = 0_u64;
            while start.elapsed() < duration {
                commits += 1;
                let (done, answer) = futures::channel::oneshot::channel();
                sender.send((vec![7; ENTRY_BYTES], done)).expect("the committer lives");
                answer.await.expect("the committer answers");
            }
            commits
        })
    });
    let tasks: Vec<_> = tasks.collect();
    drop(sender);
    let commits: u64 =
        tasks.into_iter().map(|task| runtime.block_on(task).expect("a writer")).sum();
    let rate = commits as f64 / start.elapsed().as_secs_f64();
    committer.join().expect("the committer ends");
    rate
}

/// A child process that commits and is killed.
fn killed_after(directory: &Path, commits: u64) {
    let program = std::env::current_exe().expect("this program");
    let status = Command::new(program)
        .args(["fill", &directory.to_string_lossy(), &commits.to_string()])
        .status();
    assert!(!status.expect("the child runs").success(), "the child aborts");
}

fn fill(directory: &Path, commits: u64) {
    const WORKERS: usize = 1000;
    let store = EmbeddedStore::open(&EmbeddedOptions::new(directory)).expect("it opens");
    let pending = Arc::new((Mutex::new(0_u64), Condvar::new()));
    let failures = Arc::new(AtomicU64::new(0));
    for number in 0..commits {
        let index = number / WORKERS as u64 + 1;
        *pending.0.lock().expect("no panic") += 1;
        let (answered, failed) = (Arc::clone(&pending), Arc::clone(&failures));
        let done = move |outcome: Result<(), StoreError>| {
            failed.fetch_add(outcome.is_err().into(), Ordering::Relaxed);
            *answered.0.lock().expect("no panic") -= 1;
            answered.1.notify_one();
        };
        everlog_store::Store::submit(
            &store,
            batch(number as usize % WORKERS, index, true),
            Box::new(done),
        );
        // As with 64 clients: that many wait at most.
        let waiting = pending.0.lock().expect("no panic");
        drop(pending.1.wait_while(waiting, |waiting| *waiting >= 64).expect("no panic"));
    }
    let waiting = pending.0.lock().expect("no panic");
    drop(pending.1.wait_while(waiting, |waiting| *waiting > 0).expect("no panic"));
    assert_eq!(failures.load(Ordering::Relaxed), 0);
    // As good as kill -9: nothing is dropped, nothing is flushed.
    std::process::abort();
}
