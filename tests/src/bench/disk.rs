//! The disk's own rate: one file, appended to and synced, without anything else.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use super::measurement::Measurement;
use crate::wait::Stopwatch;

/// A file that grows by a sync at a time.
#[derive(Debug)]
pub struct SyncedFile {
    file: File,
    block: Vec<u8>,
}

impl SyncedFile {
    /// A new file in `directory`, to grow by this many bytes at a time.
    ///
    /// # Panics
    /// If the directory takes no file.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the bench measures the disk below the server")]
    pub fn create(directory: &Path, bytes: usize) -> Self {
        let file = File::create(directory.join("synced-appends"));
        Self { file: file.expect("the directory takes a file"), block: vec![0x5a; bytes] }
    }

    /// Appends and syncs the data.
    ///
    /// # Panics
    /// If the disk refuses.
    pub fn append(&mut self) {
        self.file.write_all(&self.block).expect("the disk takes an append");
        self.file.sync_data().expect("the disk takes a sync");
    }
}

/// Appends this many bytes and syncs the data, again and again for a time.
///
/// # Panics
/// If the directory takes no file.
#[must_use]
pub fn synced_appends(directory: &Path, bytes: usize, time: Duration) -> Measurement {
    let mut file = SyncedFile::create(directory, bytes);
    let mut each = Vec::new();
    let started = Stopwatch::start();
    while started.elapsed() < time {
        let stopwatch = Stopwatch::start();
        file.append();
        each.push(stopwatch.elapsed());
    }
    Measurement::new(started.elapsed(), each)
}
