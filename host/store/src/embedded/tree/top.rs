//! The end of a table: where its sections are.
//!
//! ```text
//! top    = for each section: offset of its first page: u64
//!        | offset and length of its index: u64, u32 | length of first key: varint | first key
//! footer = offset of top: u64 | length of top: u32 | check of all before it: u64
//! ```

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::embedded::block::{put_varint, take, take_varint};

pub(super) const FOOTER_BYTES: usize = 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SectionPlace {
    /// Where its first page is.
    pub(super) offset: u64,
    pub(super) index_offset: u64,
    pub(super) index_bytes: u32,
    pub(super) first_key: Vec<u8>,
}

/// Writes top and footer at `offset`.
pub(super) fn encode(sections: &[SectionPlace], seed: u64, offset: u64, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    for section in sections {
        bytes.extend(section.offset.to_le_bytes());
        bytes.extend(section.index_offset.to_le_bytes());
        bytes.extend(section.index_bytes.to_le_bytes());
        put_varint(bytes, section.first_key.len());
        bytes.extend_from_slice(&section.first_key);
    }
    let length = (bytes.len() - start) as u32;
    bytes.extend(offset.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    let check = xxh3_64_with_seed(&bytes[start..], seed);
    bytes.extend(check.to_le_bytes());
}

/// Where the top is, by its footer: offset and length.
pub(super) fn locate(footer: &[u8]) -> Option<(u64, u32)> {
    let mut bytes = footer;
    Some((u64::from_le_bytes(take(&mut bytes)?), u32::from_le_bytes(take(&mut bytes)?)))
}

/// The sections, from top and footer; `None` if they are damaged.
pub(super) fn decode(bytes: &[u8], seed: u64) -> Option<Vec<SectionPlace>> {
    let (covered, check) = bytes.split_last_chunk()?;
    if xxh3_64_with_seed(covered, seed) != u64::from_le_bytes(*check) {
        return None;
    }
    let mut rest = covered.get(..covered.len().checked_sub(FOOTER_BYTES - check.len())?)?;
    let mut sections = Vec::new();
    while !rest.is_empty() {
        let offset = u64::from_le_bytes(take(&mut rest)?);
        let index_offset = u64::from_le_bytes(take(&mut rest)?);
        let index_bytes = u32::from_le_bytes(take(&mut rest)?);
        let key_bytes = take_varint(&mut rest)?;
        let (first_key, behind) = rest.split_at_checked(key_bytes)?;
        rest = behind;
        let first_key = first_key.to_vec();
        sections.push(SectionPlace { offset, index_offset, index_bytes, first_key });
    }
    Some(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_top_reads_back_whole_or_not_at_all() {
        let sections = [("a", 0), ("worker-7", 5000)].map(|(key, offset)| SectionPlace {
            offset,
            index_offset: offset + 4000,
            index_bytes: 99,
            first_key: key.into(),
        });
        let mut bytes = Vec::new();
        encode(&sections, 5, 9000, &mut bytes);
        let footer = &bytes[bytes.len() - FOOTER_BYTES..];
        assert_eq!(locate(footer), Some((9000, (bytes.len() - FOOTER_BYTES) as u32)));
        assert_eq!(decode(&bytes, 5).unwrap(), sections);
        assert_eq!(decode(&bytes, 6), None, "the top of another table");
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&damaged, 5), None, "bit {bit}");
        }
    }
}
