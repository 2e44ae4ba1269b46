//! stdout and stderr: cut into lines, each of which becomes a log entry.

use std::sync::Arc;

use bincode::{Decode, Encode};
use bytes::Bytes;
use everlog_oplog::{Line, LogStream};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::WorkerState;
use super::shared::SharedBytes;
use crate::durable::Recorder;

/// The longest line in one log entry, in bytes. A longer one is cut into several entries.
pub(crate) const MAX_LINE_BYTES: usize = 16 * 1024;

// What is not text grows to three times its length, and must not be cut a second time by the journal.
const _: () = assert!(3 * MAX_LINE_BYTES <= everlog_oplog::journal::MAX_TEXT_BYTES);

/// What one call may print, in bytes.
const MAX_CHUNK_BYTES: usize = 64 * 1024;

/// How much of stderr a report of failure quotes, in bytes.
const MAX_LAST_WORDS_BYTES: usize = 2 * 1024;

/// What was printed since the last newline, for each stream.
#[derive(Debug, Default, Encode, Decode)]
pub(crate) struct PartialLines {
    stdout: SharedBytes,
    stderr: SharedBytes,
    /// What the running invocation printed to stderr: where a guest says why it panics.
    last_words: SharedBytes,
}

/// One of the two output streams of a worker, as a resource that the guest holds.
pub(crate) struct Console {
    recorder: Arc<Recorder>,
    stream: LogStream,
    partial: SharedBytes,
    /// Where the end of the output is kept for a report of failure.
    last_words: Option<SharedBytes>,
}

impl Console {
    fn print(&self, bytes: &[u8]) {
        if let Some(last_words) = &self.last_words {
            last_words.with(|words| keep_end(words, bytes));
        }
        let lines = self.partial.with(|partial| take_lines(partial, bytes));
        for line in lines {
            self.log(line);
        }
    }

    /// Ends the line that is not complete.
    fn end_line(&self) {
        let rest = self.partial.with(std::mem::take);
        if !rest.is_empty() {
            self.log(text(&rest));
        }
    }

    fn log(&self, message: String) {
        let line = Line { stream: self.stream, level: None, context: None, message };
        // Whether it is new, or was in the log already because this is a replay, makes no difference to the guest.
        self.recorder.with(|journal, now| journal.log(line, now));
    }
}

#[async_trait]
impl Pollable for Console {
    async fn ready(&mut self) {}
}

impl OutputStream for Console {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > MAX_CHUNK_BYTES {
            return Err(StreamError::trap("more bytes written than check-write allowed"));
        }
        self.print(&bytes);
        Ok(())
    }

    /// Shows nothing: a line is a line when it ends, however often the guest flushes.
    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_CHUNK_BYTES)
    }
}

impl WorkerState {
    /// The worker's standard output.
    pub(super) fn stdout(&self) -> Console {
        let partial = self.guest.partial_lines.stdout.clone();
        let recorder = Arc::clone(&self.recorder);
        Console { recorder, stream: LogStream::Stdout, partial, last_words: None }
    }

    /// The worker's standard error.
    pub(super) fn stderr(&self) -> Console {
        let partial = self.guest.partial_lines.stderr.clone();
        let last_words = Some(self.guest.partial_lines.last_words.clone());
        Console {
            recorder: Arc::clone(&self.recorder),
            stream: LogStream::Stderr,
            partial,
            last_words,
        }
    }

    /// Logs what was printed without a newline at the end.
    ///
    /// To be called where replay calls it too: when an invocation has returned or has failed for good, and where
    /// `wasi:io/poll` recorded that the worker was about to leave memory.
    pub(crate) fn flush_partial_lines(&mut self) {
        self.stdout().end_line();
        self.stderr().end_line();
    }

    /// Whether something was printed without a newline at the end.
    pub(crate) fn has_partial_lines(&self) -> bool {
        let PartialLines { stdout, stderr, .. } = &self.guest.partial_lines;
        [stdout, stderr].iter().any(|partial| partial.with(|bytes| !bytes.is_empty()))
    }

    /// An invocation begins: what earlier ones printed does not explain its failure.
    pub(crate) fn forget_last_words(&mut self) {
        self.guest.partial_lines.last_words.with(Vec::clear);
    }

    /// The end of what the running invocation printed to stderr.
    pub(crate) fn last_words(&self) -> String {
        text(&self.guest.partial_lines.last_words.with(|words| words.clone())).trim().to_owned()
    }
}

/// Adds `bytes` to `words`, of which only the end is kept.
fn keep_end(words: &mut Vec<u8>, bytes: &[u8]) {
    words.extend_from_slice(bytes);
    let surplus = words.len().saturating_sub(MAX_LAST_WORDS_BYTES);
    words.drain(..surplus);
}

/// Adds `bytes` to `partial` and takes all complete lines out, without their newlines.
fn take_lines(partial: &mut Vec<u8>, bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
        partial.extend_from_slice(piece);
        let complete = partial.pop_if(|last| *last == b'\n').is_some();
        while partial.len() > MAX_LINE_BYTES {
            let rest = partial.split_off(cut(partial));
            lines.push(text(&std::mem::replace(partial, rest)));
        }
        if complete {
            lines.push(text(&std::mem::take(partial)));
        }
    }
    lines
}

/// Where to cut a line that is too long: not inside a character, if it is text.
fn cut(line: &[u8]) -> usize {
    let longest_character = 4;
    let is_start = |at: &usize| line[*at] & 0b1100_0000 != 0b1000_0000;
    let start = (MAX_LINE_BYTES - longest_character + 1..=MAX_LINE_BYTES).rev().find(is_start);
    start.unwrap_or(MAX_LINE_BYTES)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(writes: &[&[u8]], lines: &[&str], rest: &[u8]) {
        let mut partial = Vec::new();
        let found: Vec<_> =
            writes.iter().flat_map(|bytes| take_lines(&mut partial, bytes)).collect();
        assert_eq!(found, lines);
        assert_eq!(partial, rest);
    }

    #[test]
    fn a_line_ends_with_its_newline_however_it_is_written() {
        check(&[b"one\ntwo\n"], &["one", "two"], b"");
        check(&[b"o", b"ne", b"\n", b"\n"], &["one", ""], b"");
        check(&[b"one\ntw"], &["one"], b"tw");
        check(&[b""], &[], b"");
    }

    #[test]
    fn what_is_not_text_is_shown_as_far_as_it_is() {
        check(&[b"a\xFFb\n"], &["a\u{FFFD}b"], b"");
        check(&["ö".as_bytes().split_at(1).0, "ö\n".as_bytes().split_at(1).1], &["ö"], b"");
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let long = "ö".repeat(MAX_LINE_BYTES / 2);
        let mut partial = Vec::new();
        assert!(take_lines(&mut partial, long.as_bytes()).is_empty());
        assert!(take_lines(&mut partial, b"").is_empty());
        let lines = take_lines(&mut partial, "ö\n".as_bytes());
        assert_eq!(lines, [long.clone(), "ö".to_owned()]);

        let lines = take_lines(&mut partial, format!("a{long}\n").as_bytes());
        assert_eq!(lines.concat(), format!("a{long}"));
        assert!(lines.iter().all(|line| line.len() <= MAX_LINE_BYTES));
    }

    #[test]
    fn a_long_line_without_characters_is_cut_at_the_limit() {
        let mut partial = Vec::new();
        let lines = take_lines(&mut partial, &[0x80; 2 * MAX_LINE_BYTES + 1]);
        assert_eq!((lines.len(), partial.len()), (2, 1));
    }
}
