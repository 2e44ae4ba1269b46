//! The bytes that entries carry.

use bincode::{Decode, Encode};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Bytes that replay needs in full: an argument, a result, an outcome.
///
/// Who makes one decides whether it is inline, and must decide it by the length alone, for ever in
/// the same way: replay compares a repeated result with the recorded one, and a blob never equals
/// inline bytes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Payload {
    /// The bytes themselves, at most [`Payload::MAX_INLINE_BYTES`].
    Inline(Vec<u8>),
    /// Bytes that the store keeps beside the log under their content address.
    Blob {
        /// SHA-256 of the bytes.
        digest: [u8; 32],
        /// Length in bytes.
        size: u64,
    },
}

impl Payload {
    /// The most that an inline payload may hold, in bytes. An entry holds at most one payload, so
    /// that it stays below [`crate::codec::MAX_FRAME_BYTES`]. A good threshold for blobs is far
    /// lower.
    pub const MAX_INLINE_BYTES: usize = 8 << 20;

    /// A payload without bytes.
    pub const EMPTY: Payload = Payload::Inline(Vec::new());

    /// Length in bytes, wherever they are kept.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Payload::Inline(bytes) => bytes.len() as u64,
            Payload::Blob { size, .. } => *size,
        }
    }
}

/// What a log keeps of a request to the outside: enough to read the log and to explain a
/// divergence. Replay itself compares fingerprints and never needs the whole request, since the
/// guest makes it again.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Excerpt {
    /// The beginning of the request, at most [`Excerpt::MAX_BYTES`].
    pub bytes: Vec<u8>,
    /// The length of the whole request in bytes.
    pub size: u64,
}

impl Excerpt {
    /// The most that is kept of a request, in bytes.
    pub const MAX_BYTES: usize = 4096;

    /// The excerpt of `request`.
    #[must_use]
    pub fn of(request: &[u8]) -> Excerpt {
        let kept = request.len().min(Self::MAX_BYTES);
        Excerpt { bytes: request[..kept].to_vec(), size: request.len() as u64 }
    }
}

/// Identifies a function together with its request, so that replay can tell whether the same thing
/// is asked again without keeping the request. Not meant to withstand an adversary: a guest could
/// only fool its own replay.
#[must_use]
pub fn fingerprint(function: &str, request: &[u8]) -> u64 {
    xxh3_64_with_seed(request, xxh3_64(function.as_bytes()))
}
