//! Prints what a program printed, and remembers how far it came.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use everlog_runtime::{EntryKind, Follower, Index, LogStream, Runtime, Timestamp, WorkerId};

/// Entries read at a time.
const CHUNK: usize = 1_000;
/// Digits of the largest 64-bit number.
const DIGITS: usize = 20;

/// Prints the log of one worker to our own standard output and error, each line as soon as it is
/// durable.
///
/// A line is printed first and noted afterwards: a kill between the two repeats this one line, and
/// none is lost.
pub(super) struct Printer {
    runtime: Arc<Runtime>,
    worker: WorkerId,
    follower: Follower,
    next: Index,
    note: Note,
}

impl Printer {
    /// Goes on behind what earlier runs have printed.
    ///
    /// # Errors
    /// If the worker is not there or the note cannot be opened.
    pub(super) async fn open(
        runtime: Arc<Runtime>,
        worker: WorkerId,
        data_dir: &Path,
    ) -> anyhow::Result<Self> {
        let created_at = runtime.worker(&worker).await?.status.created_at;
        let note = Note::open(&data_dir.join("printed"), &worker.name, created_at)?;
        let next = note.read().next();
        let follower = runtime.follow(&worker);
        Ok(Self { runtime, worker, follower, next, note })
    }

    /// Prints what comes, until that fails.
    pub(super) async fn follow(&mut self) -> anyhow::Error {
        loop {
            if let Err(error) = self.print().await {
                return error;
            }
            if !self.follower.changed().await {
                // Whoever deleted the worker tells its caller too.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Prints everything that is durable and was not printed.
    ///
    /// # Errors
    /// If the log cannot be read, or our output takes no more.
    pub(super) async fn print(&mut self) -> anyhow::Result<()> {
        loop {
            let entries = self.runtime.read_oplog(&self.worker, self.next, CHUNK).await?;
            let Some((last, _)) = entries.last() else { return Ok(()) };
            for (index, entry) in &entries {
                if let EntryKind::Log { stream, message, .. } = &entry.kind {
                    print_line(*stream, message)?;
                    self.note.write(*index)?;
                }
            }
            self.next = last.next();
        }
    }

    /// Forgets what was printed, of a worker that is gone.
    pub(super) fn forget(self) {
        self.note.remove();
    }
}

fn print_line(stream: LogStream, message: &str) -> io::Result<()> {
    match stream {
        LogStream::Stdout => {
            let mut output = io::stdout().lock();
            writeln!(output, "{message}")?;
            output.flush()
        }
        LogStream::Stderr | LogStream::Log => writeln!(io::stderr(), "{message}"),
    }
}

/// A file that holds the entry of the last line that was printed.
struct Note {
    path: PathBuf,
    file: File,
    /// Tells this worker from one of the same name that was there before.
    created_at: Timestamp,
}

impl Note {
    #[expect(clippy::disallowed_methods, reason = "not state of a worker but of this terminal")]
    fn open(directory: &Path, name: &str, created_at: Timestamp) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        let path = directory.join(name);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self { path, file, created_at })
    }

    /// What was noted; the beginning if it was about another worker or is damaged.
    fn read(&self) -> Index {
        let mut bytes = [0; 2 * DIGITS];
        if self.file.read_exact_at(&mut bytes, 0).is_err() {
            return Index(0);
        }
        let (created_at, index) = bytes.split_at(DIGITS);
        match (number(created_at), number(index)) {
            (Some(created_at), Some(index)) if created_at == self.created_at.0 => Index(index),
            _ => Index(0),
        }
    }

    /// One write of a fixed length, so that a kill leaves the old note or the new one.
    fn write(&self, index: Index) -> anyhow::Result<()> {
        let text = format!("{:0DIGITS$}{:0DIGITS$}", self.created_at.0, index.0);
        let written = self.file.write_all_at(text.as_bytes(), 0);
        written.with_context(|| format!("cannot write {}", self.path.display()))
    }

    #[expect(clippy::disallowed_methods, reason = "not state of a worker but of this terminal")]
    fn remove(self) {
        // A note that stays is about a worker that is gone, and is not believed again.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_about_one_worker() {
        let directory = tempfile::tempdir().expect("a directory");
        let open = |created_at| Note::open(directory.path(), "w", Timestamp(created_at));
        let note = open(5).expect("a note");
        assert_eq!(note.read(), Index(0));
        note.write(Index(17)).expect("written");
        assert_eq!(open(5).expect("a note").read(), Index(17));
        assert_eq!(open(6).expect("a note").read(), Index(0));
        note.remove();
        assert_eq!(open(5).expect("a note").read(), Index(0));
    }
}
