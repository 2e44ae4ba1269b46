//! What was committed and is not in a table yet: groups, one block each, in segments.
//!
//! ```text
//! journal/<number>.journal = block …       number of the block: the group; of the file: its seed
//! ```
//! Space is taken from the file system ahead of the blocks, so that a sync has the data to write and
//! mostly not the length of the file too, which would be a second write; so a segment may end in
//! zeros.
//!
//! A segment holds what one memtable holds and is removed when that is in a table, so a start reads
//! little more than a memtable. Groups count up without a gap. See `recovery` for what is made of
//! torn and damaged ones.

mod recovery;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

pub(super) use recovery::{Recovered, recover};

use rustix::fs::{FallocateFlags, fallocate};

use super::block::Builder;
use super::files::{io_error, sync_directory};
use crate::StoreError;

/// One huge group must not keep its buffer for ever.
const MAX_KEPT_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// How much space is taken at once, in bytes; a segment ends in fewer zeros than that.
const SPACE_BYTES: u64 = 1024 * 1024;

/// Writes the journal.
pub(super) struct Journal {
    directory: PathBuf,
    number: u64,
    path: PathBuf,
    file: File,
    offset: u64,
    /// Up to where space was taken.
    space: u64,
    block: Builder,
    buffer: Vec<u8>,
}

impl Journal {
    /// Begins segment `number` in `directory`.
    pub(super) fn begin(directory: &Path, number: u64) -> Result<Self, StoreError> {
        let (path, file) = create_segment(directory, number)?;
        Ok(Self {
            directory: directory.to_owned(),
            number,
            path,
            file,
            offset: 0,
            space: 0,
            block: Builder::default(),
            buffer: Vec::new(),
        })
    }

    /// The segment that is written.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a group; durable on return. After an error the segment must not be written any more.
    pub(super) fn append<'a>(
        &mut self,
        group: u64,
        items: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) -> Result<(), StoreError> {
        items.for_each(|(key, value)| self.block.add(key, value));
        self.buffer.clear();
        let head = self.block.finish(self.number, group, self.offset, &mut self.buffer);
        let end = self.offset + head.block_bytes() as u64;
        self.take_space(end);
        self.file
            .write_all_at(&self.buffer, self.offset)
            .and_then(|()| self.file.sync_data())
            .map_err(io_error("write", &self.path))?;
        self.offset = end;
        self.buffer.shrink_to(MAX_KEPT_BUFFER_BYTES);
        Ok(())
    }

    /// Takes space for what ends at `end`, and for more. That can fail, because the file system
    /// knows no such thing or is nearly full; the write will tell.
    fn take_space(&mut self, end: u64) {
        if end > self.space {
            let target = end.next_multiple_of(SPACE_BYTES);
            let length = target - self.space;
            let _ = fallocate(&self.file, FallocateFlags::empty(), self.space, length);
            self.space = target;
        }
    }

    /// Goes on in the next segment.
    pub(super) fn next_segment(&mut self) -> Result<(), StoreError> {
        *self = Self::begin(&self.directory, self.number + 1)?;
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "host/store owns the state directory")]
fn create_segment(directory: &Path, number: u64) -> Result<(PathBuf, File), StoreError> {
    let path = directory.join(format!("{number}.journal"));
    let file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .open(&path)
        .map_err(io_error("create", &path))?;
    sync_directory(directory)?;
    Ok((path, file))
}

#[cfg(test)]
mod tests;
