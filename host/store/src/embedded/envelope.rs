//! What surrounds a stored value, so that a flipped bit in it is noticed.
//!
//! The engine below keeps checksums of its own over blocks and batches, but not over everything it
//! reads; ours covers the key as well, so a value that turns up under another key is noticed too.
//!
//! ```text
//! version: u8 = 1 | check: u64 | payload …          (little-endian)
//! check = xxh3(payload, seed = xxh3(key))
//! payload of a log record = last index: u64 | bytes of the entries
//! payload of a record     = its value
//! ```

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

const VERSION: u8 = 1;
const CHECK: std::ops::Range<usize> = 1..9;
const HEADER_BYTES: usize = CHECK.end;

/// A payload that carries its checksum, as it is stored.
pub(super) struct Sealed {
    pub(super) bytes: Vec<u8>,
    pub(super) check: u64,
}

impl Sealed {
    /// What was wrapped.
    pub(super) fn payload(&self) -> &[u8] {
        &self.bytes[HEADER_BYTES..]
    }
}

/// Wraps the concatenation of `parts`, to be stored under `key`.
pub(super) fn seal(key: &[u8], parts: &[&[u8]]) -> Sealed {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut bytes = Vec::with_capacity(HEADER_BYTES + length);
    bytes.push(VERSION);
    bytes.extend([0; CHECK.end - CHECK.start]);
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    let check = check(key, &bytes[HEADER_BYTES..]);
    bytes[CHECK].copy_from_slice(&check.to_le_bytes());
    Sealed { bytes, check }
}

/// The payload of a value found under `key`, and its checksum.
///
/// # Errors
/// A sentence that says what does not fit.
pub(super) fn open<'a>(key: &[u8], stored: &'a [u8]) -> Result<(&'a [u8], u64), String> {
    let Some((&[version, ref expected @ ..], payload)) = stored.split_first_chunk::<HEADER_BYTES>()
    else {
        return Err(format!("expected at least {HEADER_BYTES} bytes, found {}", stored.len()));
    };
    let found = check(key, payload);
    if expected != &found.to_le_bytes() {
        let expected = expected.iter().rev().map(|byte| format!("{byte:02x}")).collect::<String>();
        return Err(format!("checksum: expected {expected}, found {found:016x}"));
    }
    // After the checksum, which does not cover the version: a damaged version is an error as well.
    if version != VERSION {
        return Err(format!("record format: expected {VERSION}, found {version}"));
    }
    Ok((payload, found))
}

fn check(key: &[u8], payload: &[u8]) -> u64 {
    xxh3_64_with_seed(payload, xxh3_64(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_only() {
        let sealed = seal(b"key", &[b"pay", b"load"]);
        assert_eq!(open(b"key", &sealed.bytes), Ok((&b"payload"[..], sealed.check)));
        assert_eq!(sealed.payload(), b"payload");
        assert!(open(b"kez", &sealed.bytes).unwrap_err().contains("checksum"));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let sealed = seal(b"key", &[b"payload"]).bytes;
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(open(b"key", &damaged).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(open(b"key", &sealed[..length]).is_err(), "length {length}");
        }
    }
}
