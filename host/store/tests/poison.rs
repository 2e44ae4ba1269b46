//! A disk that fails: nothing is acknowledged afterwards, and all that was acknowledged is there.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Command;

use everlog_store::{EmbeddedOptions, EmbeddedStore, Health, Store, StoreError, commit};

mod child;
#[allow(dead_code, reason = "shared, and not every test needs all of it")]
mod payload;

async fn last_index(directory: &Path, number: u64) -> u64 {
    let store = EmbeddedStore::open(&EmbeddedOptions::new(directory)).unwrap();
    store.last_index(&payload::worker(number)).await.unwrap().unwrap_or(0)
}

/// The operating system refuses to let the journal grow, as a full disk would.
#[tokio::test]
async fn nothing_is_acknowledged_after_a_write_was_refused() {
    let directory = tempfile::tempdir().unwrap();
    // 2,048 blocks of 512 bytes (1,024 in some shells) per file, and an error instead of a signal.
    let script = r#"trap "" XFSZ; ulimit -f 2048; exec "$@""#;
    let inner = child::command(directory.path());
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(inner.get_program()).args(inner.get_args());
    let mut process = child::start(&mut command);
    let lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut acknowledged = HashMap::new();
    let mut refusals = 0;
    for line in lines.skip(1) {
        match child::acknowledgement(&line) {
            Some((worker, last)) => {
                assert_eq!(refusals, 0, "acknowledged after a refusal: {line}");
                acknowledged.insert(worker, last);
            }
            None => {
                assert!(line.contains("accepts nothing since a write failed"), "{line}");
                refusals += 1;
            }
        }
    }
    assert!(process.wait().unwrap().success(), "the child neither hangs nor panics");
    assert!(refusals >= 100 && !acknowledged.is_empty(), "{refusals} refusals");
    for (worker, last) in acknowledged {
        let stored = last_index(directory.path(), worker).await;
        assert!(stored >= last, "worker {worker}: {last} was acknowledged, {stored} is stored");
    }
}

/// The account of what was acknowledged cannot be written.
#[tokio::test]
async fn nothing_is_acknowledged_without_a_mark() {
    let directory = tempfile::tempdir().unwrap();
    let options =
        EmbeddedOptions { memtable_bytes: 64 * 1024, ..EmbeddedOptions::new(directory.path()) };
    let store = EmbeddedStore::open(&options).unwrap();
    // A directory is in the way of the next segment.
    let obstacle = directory.path().join("marks").join("2.marks");
    std::fs::create_dir(&obstacle).unwrap();
    let mut next = 1;
    let refusal = loop {
        let (batch, last) = payload::batch(7, next);
        match commit(&store, batch).await {
            Ok(()) => next = last + 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(&refusal, StoreError::Poisoned { reason } if reason.contains("2.marks")));
    assert!(matches!(store.health(), Health::Poisoned { reason } if reason.contains("2.marks")));
    let (batch, _) = payload::batch(8, 1);
    assert!(matches!(commit(&store, batch).await, Err(StoreError::Poisoned { .. })));
    assert!(matches!(store.put_blob(vec![1]).await, Err(StoreError::Poisoned { .. })));
    assert!(store.wait_replicas(1).await.is_err());
    // Reading goes on.
    assert!(store.last_index(&payload::worker(7)).await.unwrap() >= Some(next - 1));
    drop(store);
    std::fs::remove_dir(&obstacle).unwrap();
    assert!(last_index(directory.path(), 7).await >= next - 1);
    assert_eq!(last_index(directory.path(), 8).await, 0);
}
