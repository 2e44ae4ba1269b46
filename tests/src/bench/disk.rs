//! The disk's own rate: one file, appended to and synced, without anything else.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use super::measurement::Measurement;
use crate::wait::Stopwatch;

/// Appends this many bytes and syncs the data, again and again for a time.
///
/// # Panics
/// If the directory takes no file.
pub fn synced_appends(directory: &Path, bytes: usize, time: Duration) -> Measurement {
    let mut file = create(&directory.join("synced-appends"));
    let block = vec![0x5a; bytes];
    let mut each = Vec::new();
    let started = Stopwatch::start();
    while started.elapsed() < time {
        let stopwatch = Stopwatch::start();
        file.write_all(&block).expect("the disk takes an append");
        file.sync_data().expect("the disk takes a sync");
        each.push(stopwatch.elapsed());
    }
    Measurement::new(started.elapsed(), each)
}

#[expect(clippy::disallowed_methods, reason = "the bench measures the disk below the server")]
fn create(path: &Path) -> File {
    File::create(path).expect("the directory takes a file")
}
