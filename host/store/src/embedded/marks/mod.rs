//! High-water marks: an account of what was acknowledged, independent of the tables.
//!
//! A journal that lost its end looks like one that a crash cut short, and what was acknowledged
//! would be lost silently. So before a group of batches is committed its [`Mark`]s are written here
//! (names and checksums, not the data), and after the sync a line that says so. At the next start
//! everything in the account must be found in the tables, see [`Account::verify`].
//!
//! **Not synced.** After `kill -9` all that was written to a file is there, synced or not. After a
//! power failure the end of the account may be missing; then it is behind the tables, nothing can
//! be verified, and a warning says so. A sync of its own would double the cost of every commit to
//! cover damage and power failure in one.
//!
//! **Window.** Groups whose data is in table files (which have checksums everywhere) need no mark.
//! The account is kept in segments; a segment goes when everything up to its end is in table files.
//! When [`SEGMENTS_BEFORE_FLUSH`] wait for that the tables are told to write their files, so the
//! account stays near half of a table's memory, and the start-up work with it.

mod account;
mod frame;

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

pub(super) use account::{Account, Loss};
pub(super) use frame::{Frame, Mark};

use super::files::io_error;
use super::tables::{Tables, TablesWriter};
use crate::StoreError;

/// A segment is closed when it is larger than this part of a table's memory: 2 MiB as a rule.
/// Marks take up to half as many bytes as what they stand for, so the tables mostly write their
/// files before the marks ask for it.
const SEGMENTS_PER_MEMTABLE: u64 = 8;

/// With this many closed segments the tables are asked to write their files.
const SEGMENTS_BEFORE_FLUSH: usize = 4;

/// One huge group must not keep its buffer for ever.
const MAX_KEPT_BUFFER_BYTES: usize = 1024 * 1024;

/// Writes the account.
pub(super) struct Marks {
    directory: PathBuf,
    file: File,
    path: PathBuf,
    number: u64,
    bytes: u64,
    segment_bytes: u64,
    closed: VecDeque<ClosedSegment>,
    buffer: Vec<u8>,
}

struct ClosedSegment {
    path: PathBuf,
    /// The last group in the segment.
    group: u64,
}

impl Marks {
    /// Goes on with the account in `directory` after `group`, in a new segment: the end of the
    /// last one may be torn. `earlier` are the segments that are there, oldest first.
    pub(super) fn resume(
        directory: &Path,
        memtable_bytes: u64,
        group: u64,
        earlier: Vec<(u64, PathBuf)>,
        writer: &mut TablesWriter,
    ) -> Result<Self, StoreError> {
        let number = earlier.last().map_or(1, |(number, _)| number + 1);
        let closed = earlier.into_iter().map(|(_, path)| ClosedSegment { path, group }).collect();
        let (path, file) = create_segment(directory, number)?;
        let directory = directory.to_owned();
        let segment_bytes = memtable_bytes / SEGMENTS_PER_MEMTABLE;
        let buffer = Vec::new();
        let mut marks =
            Self { directory, file, path, number, bytes: 0, segment_bytes, closed, buffer };
        marks.write(&Frame::Base { group })?;
        marks.remove_flushed(writer)?;
        Ok(marks)
    }

    /// Writes one frame to the operating system.
    pub(super) fn write(&mut self, frame: &Frame) -> Result<(), StoreError> {
        self.buffer.clear();
        frame::encode(frame, &mut self.buffer);
        self.file.write_all(&self.buffer).map_err(io_error("write", &self.path))?;
        self.bytes += self.buffer.len() as u64;
        self.buffer.shrink_to(MAX_KEPT_BUFFER_BYTES);
        Ok(())
    }

    /// Closes the segment if it is full, after `group` was acknowledged.
    pub(super) fn roll(&mut self, group: u64, writer: &mut TablesWriter) -> Result<(), StoreError> {
        if self.bytes < self.segment_bytes {
            return Ok(());
        }
        let (path, file) = create_segment(&self.directory, self.number + 1)?;
        let path = std::mem::replace(&mut self.path, path);
        self.closed.push_back(ClosedSegment { path, group });
        self.file = file;
        self.number += 1;
        self.bytes = 0;
        self.write(&Frame::Base { group })?;
        self.remove_flushed(writer)
    }

    #[expect(clippy::disallowed_methods, reason = "host/store owns the state directory")]
    fn remove_flushed(&mut self, writer: &mut TablesWriter) -> Result<(), StoreError> {
        let tables: &Tables = writer.tables();
        while let Some(ClosedSegment { path, .. }) =
            self.closed.pop_front_if(|segment| tables.is_flushed(segment.group))
        {
            fs::remove_file(&path).map_err(io_error("remove", &path))?;
        }
        if self.closed.len() >= SEGMENTS_BEFORE_FLUSH { writer.start_flush() } else { Ok(()) }
    }
}

#[expect(clippy::disallowed_methods, reason = "host/store owns the state directory")]
fn create_segment(directory: &Path, number: u64) -> Result<(PathBuf, File), StoreError> {
    let path = directory.join(format!("{number}.marks"));
    let file = OpenOptions::new()
        .create_new(true)
        .append(true)
        .open(&path)
        .map_err(io_error("create", &path))?;
    Ok((path, file))
}
