//! Streams over a worker's files.
//!
//! They act at once, on the calling thread, and are always ready. wasmtime-wasi's own read in the background and say
//! "nothing yet" as long as that takes, which a replay could not repeat. What is read and written here is mostly in
//! the page cache, in pieces of at most [`MAX_CHUNK_BYTES`].

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::{FileClock, Quota};
use crate::wasi::SharedCount;

/// The most that one call reads or writes, in bytes: what the host sets aside at a guest's word.
pub(crate) const MAX_CHUNK_BYTES: usize = 64 * 1024;

/// Reads a file from a position on.
pub(crate) struct FileInput {
    file: Arc<File>,
    position: SharedCount,
}

impl FileInput {
    /// `position` is shared with the stream's recipe.
    pub(crate) fn new(file: Arc<File>, position: SharedCount) -> Self {
        Self { file, position }
    }
}

#[async_trait]
impl Pollable for FileInput {
    async fn ready(&mut self) {}
}

impl InputStream for FileInput {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        let mut buffer = BytesMut::zeroed(size.min(MAX_CHUNK_BYTES));
        match self.file.read_at(&mut buffer, self.position.get()).map_err(failed)? {
            0 => Err(StreamError::Closed),
            read => {
                buffer.truncate(read);
                self.position.add(read as u64);
                Ok(buffer.freeze())
            }
        }
    }
}

/// Where a [`FileOutput`] writes.
#[derive(Clone, Debug)]
pub(crate) enum WriteAt {
    /// From a position on, which is shared with the stream's recipe.
    Position(SharedCount),
    /// Always at the end of the file.
    End,
}

/// Writes a file.
pub(crate) struct FileOutput {
    file: Arc<File>,
    at: WriteAt,
    quota: Quota,
    clock: FileClock,
    closed: bool,
}

impl FileOutput {
    /// Writes to `file` at `at` within `quota`; `clock` tells the time of it.
    pub(crate) fn new(file: Arc<File>, at: WriteAt, quota: Quota, clock: FileClock) -> Self {
        Self { file, at, quota, clock, closed: false }
    }

    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        let start = match &self.at {
            WriteAt::Position(position) => position.get(),
            WriteAt::End => self.file.metadata()?.len(),
        };
        let end = start.saturating_add(bytes.len() as u64);
        self.quota.book(&self.file, end, || self.file.write_all_at(bytes, start))?;
        if let WriteAt::Position(position) = &self.at {
            position.set(end);
        }
        self.clock.date_back(&self.file)
    }
}

#[async_trait]
impl Pollable for FileOutput {
    async fn ready(&mut self) {}
}

impl OutputStream for FileOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if self.closed {
            return Err(StreamError::Closed);
        }
        if bytes.len() > MAX_CHUNK_BYTES {
            return Err(StreamError::trap("more bytes written than check-write allowed"));
        }
        self.write_all(&bytes).map_err(|error| {
            self.closed = true;
            failed(error)
        })
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.check_write().map(drop)
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        if self.closed { Err(StreamError::Closed) } else { Ok(MAX_CHUNK_BYTES) }
    }
}

fn failed(error: io::Error) -> StreamError {
    StreamError::LastOperationFailed(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(file: &Arc<File>, at: WriteAt, limit: u64) -> FileOutput {
        let quota = Quota::new(limit, SharedCount::default());
        FileOutput::new(Arc::clone(file), at, quota, FileClock::new(|| None))
    }

    #[test]
    fn what_is_written_is_read_and_then_the_stream_ends() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        output(&file, WriteAt::Position(SharedCount::default()), 100)
            .write("hello".into())
            .unwrap();
        output(&file, WriteAt::End, 100).write(" you".into()).unwrap();

        let position = SharedCount::new(1);
        let mut input = FileInput::new(file, position.clone());
        assert_eq!(input.read(4).unwrap(), "ello");
        assert_eq!(input.read(100).unwrap(), " you");
        assert!(matches!(input.read(1), Err(StreamError::Closed)));
        assert_eq!(position.get(), 9);
    }

    #[test]
    fn a_full_directory_fails_the_write_and_closes_the_stream() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let mut output = output(&file, WriteAt::End, 5);
        output.write("12345".into()).unwrap();
        assert!(matches!(output.write("6".into()), Err(StreamError::LastOperationFailed(_))));
        assert!(matches!(output.write("7".into()), Err(StreamError::Closed)));
        assert!(matches!(output.check_write(), Err(StreamError::Closed)));
        assert_eq!(file.metadata().unwrap().len(), 5);
    }
}
