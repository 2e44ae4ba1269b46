//! A whole log as a file, to be carried to another server.
//!
//! Magic and format, then records: a head, the frames of all entries as they are stored, the worker's
//! state, the blobs that these name, an end. Each record has a checksum that continues the one before, so that a flipped
//! bit, a missing piece or two pieces in another order are found where they are; without its end no
//! file is whole.

use bincode::{Decode, Encode};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::entry::WorkerId;
use crate::index::Index;

/// The format that this release writes and reads.
pub const FORMAT: u32 = 1;

/// The longest blob in a container, in bytes.
pub const MAX_BLOB_BYTES: usize = 256 << 20;
/// The longest head, in bytes.
const MAX_HEAD_BYTES: usize = 1 << 20;
/// The longest run of entries in one record, in bytes.
const MAX_ENTRIES_BYTES: usize = 64 << 20;
/// The longest piece of state, in bytes.
const MAX_STATE_BYTES: usize = 1 << 20;

const MAGIC: [u8; 8] = *b"everlog\x1a";
const PREAMBLE_BYTES: usize = MAGIC.len() + size_of::<u32>();
/// Kind and length.
const LABEL_BYTES: usize = 1 + size_of::<u32>();
const CHECKSUM_BYTES: usize = size_of::<u64>();

/// Whose log it is, and what is needed to go on with it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Head {
    /// What seeds the checksums of its entries.
    pub identity: Vec<u8>,
    /// The worker.
    pub worker: WorkerId,
    /// The name of its component.
    pub component: String,
    /// SHA-256 of each version of the component that there was, version 0 first.
    pub versions: Vec<[u8; 32]>,
}

/// A piece of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The first.
    Head(Head),
    /// Frames of entries.
    Entries {
        /// The first of them.
        first: Index,
        /// As they are stored.
        bytes: Vec<u8>,
    },
    /// What is under one key of the worker's state, as it is stored.
    State {
        /// The key.
        key: String,
        /// Its record.
        record: Vec<u8>,
    },
    /// What an entry, or state, names by its content.
    Blob(Vec<u8>),
    /// The last.
    End {
        /// The last entry.
        last: Index,
        /// How many blobs there were.
        blobs: u64,
    },
}

/// Why bytes are no container.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContainerError {
    /// It begins with something else.
    #[error("this is no exported oplog: it does not begin as one")]
    Foreign,
    /// A later or an earlier release wrote it.
    #[error("it has format {found}; this release reads format {FORMAT}")]
    Format {
        /// Its format.
        found: u32,
    },
    /// A record of no kind that there is.
    #[error("at byte {offset} is a record of unknown kind {kind}")]
    Kind {
        /// Where the record begins.
        offset: u64,
        /// Its kind.
        kind: u8,
    },
    /// A record that is longer than its kind may be.
    #[error("the record at byte {offset} has {length} bytes, its kind may have {limit}")]
    Length {
        /// Where the record begins.
        offset: u64,
        /// Its length.
        length: usize,
        /// What its kind may have.
        limit: usize,
    },
    /// A record that is not what was written.
    #[error("the record at byte {offset} is damaged: its checksum does not fit")]
    Checksum {
        /// Where the record begins.
        offset: u64,
    },
    /// A record whose content says nothing.
    #[error("the record at byte {offset} cannot be read")]
    Content {
        /// Where the record begins.
        offset: u64,
    },
    /// A record at a place where there is none of its kind.
    #[error("the record at byte {offset} is out of order")]
    Order {
        /// Where the record begins.
        offset: u64,
    },
    /// Something behind the end.
    #[error("there are bytes behind its end, at byte {offset}")]
    Behind {
        /// Where the end is.
        offset: u64,
    },
    /// It stops before its end.
    #[error("it is cut off at byte {offset}, before its end")]
    Cut {
        /// Where it stops.
        offset: u64,
    },
}

/// Kinds of records. State came later, so its number is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Head = 1,
    Entries = 2,
    Blob = 3,
    End = 4,
    State = 5,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        [Self::Head, Self::Entries, Self::State, Self::Blob, Self::End]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }

    fn limit(self) -> usize {
        match self {
            Self::Head => MAX_HEAD_BYTES,
            Self::Entries => MAX_ENTRIES_BYTES,
            Self::State => MAX_STATE_BYTES,
            Self::Blob => MAX_BLOB_BYTES,
            Self::End => 2 * size_of::<u64>(),
        }
    }

    fn may_follow(self, before: Option<Self>) -> bool {
        matches!(
            (before, self),
            (None, Self::Head)
                | (Some(Self::Head | Self::Entries), Self::Entries)
                | (Some(Self::Entries | Self::State), Self::State)
                | (Some(Self::Entries | Self::State | Self::Blob), Self::Blob | Self::End)
        )
    }
}

/// Writes a container, record by record.
#[derive(Debug, Default)]
pub struct Writer {
    chain: u64,
}

impl Writer {
    /// Appends the beginning of a container.
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT.to_le_bytes());
        self.chain = xxh3_64_with_seed(&out[start..], 0);
    }

    /// Appends a record. The caller keeps to their order and to the limits.
    pub fn write(&mut self, record: &Record, out: &mut Vec<u8>) {
        let head;
        let numbers;
        let (kind, parts): (Kind, [&[u8]; 2]) = match record {
            Record::Head(content) => {
                // Encoding into memory has no way to fail for a structure like this.
                head = bincode::encode_to_vec(content, bincode::config::standard())
                    .unwrap_or_default();
                (Kind::Head, [&head, &[]])
            }
            Record::Entries { first, bytes } => {
                numbers = [first.get().to_le_bytes(), [0; 8]];
                (Kind::Entries, [&numbers[0], bytes])
            }
            Record::State { key, record } => {
                // A key is far shorter than any length that a u32 can't hold.
                let length = u32::try_from(key.len()).unwrap_or(u32::MAX).to_le_bytes();
                head = [&length[..], key.as_bytes()].concat();
                (Kind::State, [&head, record])
            }
            Record::Blob(bytes) => (Kind::Blob, [bytes, &[]]),
            Record::End { last, blobs } => {
                numbers = [last.get().to_le_bytes(), blobs.to_le_bytes()];
                (Kind::End, [&numbers[0], &numbers[1]])
            }
        };
        let start = out.len();
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        out.push(kind as u8);
        out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        parts.iter().for_each(|part| out.extend_from_slice(part));
        self.chain = xxh3_64_with_seed(&out[start..], self.chain);
        out.extend_from_slice(&self.chain.to_le_bytes());
    }
}

/// Reads a container from pieces of any size, and holds no more of it than one record.
#[derive(Debug, Default)]
pub struct Reader {
    waiting: Vec<u8>,
    /// Bytes before those that wait.
    offset: u64,
    chain: u64,
    before: Option<Kind>,
    begun: bool,
}

impl Reader {
    /// Takes in the next piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.waiting.extend_from_slice(piece);
    }

    /// The next whole record; none where more has to come.
    ///
    /// # Errors
    /// A [`ContainerError`], after which nothing else is to be read.
    pub fn read(&mut self) -> Result<Option<Record>, ContainerError> {
        let offset = self.offset;
        if !self.begun && !self.begin()? {
            return Ok(None);
        }
        if self.before == Some(Kind::End) {
            return match self.waiting.is_empty() {
                true => Ok(None),
                false => Err(ContainerError::Behind { offset }),
            };
        }
        let offset = self.offset.max(offset);
        let Some((label, rest)) = self.waiting.split_at_checked(LABEL_BYTES) else {
            return Ok(None);
        };
        let kind = Kind::of(label[0]);
        let kind = kind.ok_or(ContainerError::Kind { offset, kind: label[0] })?;
        let length = label[1..].iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let limit = kind.limit();
        if length > limit {
            return Err(ContainerError::Length { offset, length, limit });
        }
        if !kind.may_follow(self.before) {
            return Err(ContainerError::Order { offset });
        }
        let Some((content, rest)) = rest.split_at_checked(length) else { return Ok(None) };
        let Some((checksum, _)) = rest.split_first_chunk::<CHECKSUM_BYTES>() else {
            return Ok(None);
        };
        let chain = xxh3_64_with_seed(&self.waiting[..LABEL_BYTES + length], self.chain);
        if u64::from_le_bytes(*checksum) != chain {
            return Err(ContainerError::Checksum { offset });
        }
        let record = record(kind, content).ok_or(ContainerError::Content { offset })?;
        self.chain = chain;
        self.before = Some(kind);
        self.forget(LABEL_BYTES + length + CHECKSUM_BYTES);
        Ok(Some(record))
    }

    /// To be asked when nothing more comes.
    ///
    /// # Errors
    /// [`ContainerError::Cut`].
    pub fn finish(&self) -> Result<(), ContainerError> {
        if self.before == Some(Kind::End) && self.waiting.is_empty() {
            return Ok(());
        }
        Err(ContainerError::Cut { offset: self.offset + self.waiting.len() as u64 })
    }

    fn begin(&mut self) -> Result<bool, ContainerError> {
        let known = self.waiting.len().min(MAGIC.len());
        if self.waiting[..known] != MAGIC[..known] {
            return Err(ContainerError::Foreign);
        }
        let Some(preamble) = self.waiting.first_chunk::<PREAMBLE_BYTES>() else {
            return Ok(false);
        };
        let mut format = [0; size_of::<u32>()];
        format.copy_from_slice(&preamble[MAGIC.len()..]);
        let found = u32::from_le_bytes(format);
        if found != FORMAT {
            return Err(ContainerError::Format { found });
        }
        self.chain = xxh3_64_with_seed(preamble, 0);
        self.begun = true;
        self.forget(PREAMBLE_BYTES);
        Ok(true)
    }

    fn forget(&mut self, bytes: usize) {
        self.waiting.drain(..bytes);
        self.offset += bytes as u64;
    }
}

fn record(kind: Kind, content: &[u8]) -> Option<Record> {
    let number = |bytes: &[u8]| bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    match kind {
        Kind::Head => {
            let config = bincode::config::standard().with_limit::<MAX_HEAD_BYTES>();
            let decoded = bincode::decode_from_slice(content, config);
            let (head, read) = decoded.ok()?;
            (read == content.len()).then_some(Record::Head(head))
        }
        Kind::Entries => {
            let first = Index(number(content)?);
            Some(Record::Entries { first, bytes: content[size_of::<u64>()..].to_vec() })
        }
        Kind::State => {
            let (length, rest) = content.split_first_chunk()?;
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            let (key, record) = rest.split_at_checked(length)?;
            let key = String::from_utf8(key.to_vec()).ok()?;
            Some(Record::State { key, record: record.to_vec() })
        }
        Kind::Blob => Some(Record::Blob(content.to_vec())),
        Kind::End => {
            let blobs = number(content.get(size_of::<u64>()..)?)?;
            Some(Record::End { last: Index(number(content)?), blobs })
        }
    }
}
