//! The index of a section, up to [`PAGES`] pages of a table, and how it is written.
//!
//! ```text
//! table   = section … | top | footer                                  (little-endian)
//! section = page … | mirror | index         page: a block, number = its place in the table
//! mirror  = the heads and keys of the pages once more
//! index   = check: u64 | pages, length of filter: varint | filter
//!         | for each page: length of page, length of first key: varint | first key
//! ```
//! Everything but the values is there twice: what an index says can be read from the pages, and
//! the shape of a page from the mirror. See `salvage`.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::filter;
use crate::embedded::block::{put_varint, take, take_varint};

/// How many pages a section has at most.
pub(super) const PAGES: usize = 64;

const CHECK_BYTES: usize = 8;

/// Where the pages of a section are, and which keys they cannot hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) pages: Vec<PagePlace>,
    pub(super) filter: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PagePlace {
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) first_key: Vec<u8>,
}

impl Section {
    /// The page that holds `key` if any does.
    pub(super) fn page_of(&self, key: &[u8]) -> Option<usize> {
        self.pages.partition_point(|page| *page.first_key <= *key).checked_sub(1)
    }

    /// Roughly what it takes in memory.
    pub(super) fn memory_bytes(&self) -> u64 {
        let keys: usize = self.pages.iter().map(|page| page.first_key.len()).sum();
        (keys + self.filter.len() + self.pages.len() * size_of::<PagePlace>() + 100) as u64
    }

    /// Writes the index of pages that follow each other from the first one's offset on.
    pub(super) fn encode(pages: &[PagePlace], hashes: &[u64], seed: u64, bytes: &mut Vec<u8>) {
        let start = bytes.len();
        bytes.extend([0; CHECK_BYTES]);
        let filter = filter::build(hashes);
        put_varint(bytes, pages.len());
        put_varint(bytes, filter.len());
        bytes.extend(filter);
        for page in pages {
            put_varint(bytes, page.bytes as usize);
            put_varint(bytes, page.first_key.len());
            bytes.extend_from_slice(&page.first_key);
        }
        let check = xxh3_64_with_seed(&bytes[start + CHECK_BYTES..], seed);
        bytes[start..start + CHECK_BYTES].copy_from_slice(&check.to_le_bytes());
    }

    /// The index of the section that starts at `offset`; `None` if it is damaged.
    pub(super) fn decode(mut bytes: &[u8], seed: u64, mut offset: u64) -> Option<Self> {
        let check = u64::from_le_bytes(take(&mut bytes)?);
        if xxh3_64_with_seed(bytes, seed) != check {
            return None;
        }
        let count = take_varint(&mut bytes)?;
        let filter_bytes = take_varint(&mut bytes)?;
        let (filter, mut bytes) = bytes.split_at_checked(filter_bytes)?;
        let mut pages = Vec::with_capacity(count.min(PAGES));
        for _ in 0..count {
            let page_bytes = take_varint(&mut bytes)? as u64;
            let key_bytes = take_varint(&mut bytes)?;
            let (first_key, rest) = bytes.split_at_checked(key_bytes)?;
            bytes = rest;
            pages.push(PagePlace { offset, bytes: page_bytes, first_key: first_key.to_vec() });
            offset = offset.checked_add(page_bytes)?;
        }
        Some(Self { pages, filter: filter.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_reads_back_whole_or_not_at_all() {
        let page = |offset, bytes, key: &str| PagePlace { offset, bytes, first_key: key.into() };
        let pages = vec![page(40, 100, "a"), page(140, 20, "worker-7"), page(160, 7, "worker-9")];
        let mut bytes = Vec::new();
        Section::encode(&pages, &[1, 2, 3], 5, &mut bytes);
        let section = Section::decode(&bytes, 5, 40).unwrap();
        assert_eq!(section.pages, pages);
        assert_eq!(section.page_of(b""), None);
        assert_eq!(section.page_of(b"worker-8"), Some(1));
        assert_eq!(section.page_of(b"z"), Some(2));
        assert_eq!(Section::decode(&bytes, 6, 40), None, "an index of another table");
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Section::decode(&damaged, 5, 40), None, "bit {bit}");
        }
    }
}
