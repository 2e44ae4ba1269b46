//! An entry as bytes.
//!
//! Entries are kept one after the other, each in a frame:
//!
//! ```text
//! +--------------+----------------+-----------+----------------------+
//! | length       | checksum       | version   | entry                |
//! | u32, little  | u64, little    | u8        | length - 1 bytes     |
//! +--------------+----------------+-----------+----------------------+
//!                                 |<------- length, checksum ------->|
//! ```
//!
//! - *length* counts the version byte and the entry, not itself nor the checksum.
//! - *checksum* is XXH3-64 of the same bytes. Its seed is made from the worker's identity and the
//!   entry's index, so that a whole frame that strayed from another worker or another place fails
//!   like a flipped bit.
//! - *version* says how the entry is written. Version 1 is bincode 2 in its standard configuration
//!   (little-endian, variable-length integers) of [`Entry`].
//!
//! The version byte and the golden files in `tests/golden` define the format, not the library that
//! writes it.

use bincode::config;
use bincode::enc::write::Writer;
use bincode::error::{DecodeError, EncodeError};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::entry::Entry;
use crate::index::Index;

/// The longest frame that is read, in bytes. Who appends keeps far below it, see
/// [`crate::Payload::MAX_INLINE_BYTES`].
pub const MAX_FRAME_BYTES: usize = 64 << 20;

/// The version that is written. All versions up to it are read.
const VERSION: u8 = 1;

const LENGTH_BYTES: usize = 4;
const HEADER_BYTES: usize = LENGTH_BYTES + 8;

/// Spreads neighbouring indices over all bits of the seed (the golden ratio as a 64-bit fraction).
const INDEX_SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// Encodes and decodes the entries of one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codec {
    seed: u64,
}

/// An entry with its place and its length.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// Its place in the log.
    pub index: Index,
    /// What was decoded.
    pub entry: Entry,
    /// Length of its frame in bytes.
    pub frame_bytes: usize,
}

/// Bytes that are not the entry they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {index} (byte {offset} of its record) is damaged: {problem}")]
pub struct CodecError {
    /// The entry that should be there.
    pub index: Index,
    /// Where its frame begins, in bytes from the beginning of what was decoded.
    pub offset: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What can be wrong with a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The bytes end within the frame.
    #[error("{needed} bytes are needed, {left} are left")]
    Cut {
        /// Length of the frame, as far as it is known.
        needed: usize,
        /// Bytes that there are.
        left: usize,
    },
    /// The length is out of bounds.
    #[error("its length of {length} bytes is not between 1 and {MAX_FRAME_BYTES}")]
    Length {
        /// The length as recorded.
        length: usize,
    },
    /// The bytes are not those that were written, or not in this place, or not of this worker.
    #[error("its checksum is {computed:016x}, recorded is {recorded:016x}")]
    Checksum {
        /// What the header says.
        recorded: u64,
        /// What the bytes add up to.
        computed: u64,
    },
    /// A later release wrote it.
    #[error(
        "its format version is {found}; this release reads versions up to {VERSION}, run a newer one"
    )]
    Version {
        /// The version as recorded.
        found: u8,
    },
    /// The bytes are intact but say nothing.
    #[error("its content cannot be decoded: {detail}")]
    Content {
        /// What the decoder says.
        detail: String,
    },
}

impl Codec {
    /// The codec of the worker that `identity` names. Any bytes will do, as long as no two workers
    /// share them.
    #[must_use]
    pub fn new(identity: &[u8]) -> Codec {
        Codec { seed: xxh3_64(identity) }
    }

    /// Appends the frame of the entry at `index` to `bytes`. Returns the length of the frame in
    /// bytes.
    pub fn encode(&self, index: Index, entry: &Entry, bytes: &mut Vec<u8>) -> usize {
        let start = bytes.len();
        bytes.extend_from_slice(&[0; HEADER_BYTES]);
        bytes.push(VERSION);
        bincode::encode_into_writer(entry, Growing(bytes), config::standard())
            .expect("memory takes every byte, and no field of an entry has a fallible encoding");
        let frame = &mut bytes[start..];
        let length = frame.len() - HEADER_BYTES;
        debug_assert!(frame.len() <= MAX_FRAME_BYTES, "an entry of {length} bytes");
        let checksum = self.checksum(index, &frame[HEADER_BYTES..]);
        // Longer frames than the limit are a fault of the caller, and are found to be damaged when
        // read.
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        frame[..LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
        frame[LENGTH_BYTES..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
        frame.len()
    }

    /// Decodes consecutive frames, of which the first is the entry at `first`. Ends after the last
    /// whole one, or after the first error. Allocates no more than a fixed multiple of what a frame
    /// really holds.
    #[must_use]
    pub fn decode<'a>(&self, first: Index, bytes: &'a [u8]) -> Frames<'a> {
        Frames { codec: *self, bytes, offset: 0, next: first, trust: false, failed: false }
    }

    /// As [`decode`](Self::decode), of bytes whose checksums were compared before.
    pub(crate) fn decode_again<'a>(
        &self,
        first: Index,
        bytes: &'a [u8],
        offset: usize,
    ) -> Frames<'a> {
        Frames { codec: *self, bytes, offset, next: first, trust: true, failed: false }
    }

    fn checksum(&self, index: Index, body: &[u8]) -> u64 {
        xxh3_64_with_seed(body, self.seed ^ index.get().wrapping_mul(INDEX_SPREAD))
    }
}

/// An iterator over consecutive frames.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    codec: Codec,
    bytes: &'a [u8],
    offset: usize,
    next: Index,
    trust: bool,
    failed: bool,
}

impl Iterator for Frames<'_> {
    type Item = Result<Decoded, CodecError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.offset == self.bytes.len() {
            return None;
        }
        let index = self.next;
        let decoded = self.frame().and_then(|body| {
            let frame_bytes = HEADER_BYTES + body.len();
            Ok(Decoded { index, entry: decode_body(body)?, frame_bytes })
        });
        match decoded {
            Ok(decoded) => {
                self.offset += decoded.frame_bytes;
                self.next = index.next();
                Some(Ok(decoded))
            }
            Err(problem) => {
                self.failed = true;
                Some(Err(CodecError { index, offset: self.offset, problem }))
            }
        }
    }
}

impl<'a> Frames<'a> {
    /// The entry that comes next, if there is one.
    #[must_use]
    pub fn next_index(&self) -> Index {
        self.next
    }

    /// Where the next frame begins, in bytes.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    fn frame(&self) -> Result<&'a [u8], Problem> {
        let rest = &self.bytes[self.offset..];
        let Some((header, rest)) = rest.split_first_chunk::<HEADER_BYTES>() else {
            return Err(Problem::Cut { needed: HEADER_BYTES, left: rest.len() });
        };
        let [l0, l1, l2, l3, checksum @ ..] = *header;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if length == 0 || length > MAX_FRAME_BYTES {
            return Err(Problem::Length { length });
        }
        let Some(body) = rest.get(..length) else {
            let left = HEADER_BYTES + rest.len();
            return Err(Problem::Cut { needed: HEADER_BYTES + length, left });
        };
        if !self.trust {
            let recorded = u64::from_le_bytes(checksum);
            let computed = self.codec.checksum(self.next, body);
            if recorded != computed {
                return Err(Problem::Checksum { recorded, computed });
            }
        }
        Ok(body)
    }
}

fn decode_body(body: &[u8]) -> Result<Entry, Problem> {
    let [version, content @ ..] = body else { return Err(Problem::Length { length: 0 }) };
    if *version != VERSION {
        return Err(Problem::Version { found: *version });
    }
    // The library allocates what a length in the bytes says before it looks whether the bytes are
    // there. Its limit must be known at compile time, so it comes in steps, each 64 times what a
    // frame of that size can hold; that is what a list of empty strings takes in memory.
    let decoded = match content.len() {
        0..=0x400 => decode_within::<0x1_0000>(content),
        0x401..=0x1_0000 => decode_within::<0x40_0000>(content),
        _ => decode_within::<{ 2 * MAX_FRAME_BYTES }>(content),
    };
    match decoded {
        Ok((entry, length)) if length == content.len() => Ok(entry),
        Ok((_, length)) => {
            let detail = format!("{} bytes follow it", content.len() - length);
            Err(Problem::Content { detail })
        }
        Err(error) => Err(Problem::Content { detail: error.to_string() }),
    }
}

fn decode_within<const LIMIT: usize>(content: &[u8]) -> Result<(Entry, usize), DecodeError> {
    bincode::decode_from_slice(content, config::standard().with_limit::<LIMIT>())
}

struct Growing<'a>(&'a mut Vec<u8>);

impl Writer for Growing<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}
