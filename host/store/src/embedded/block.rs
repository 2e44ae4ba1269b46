//! The unit of journals and tables: items with their keys in front and their values behind.
//!
//! ```text
//! block = head | keys | values                                       (little-endian)
//! head  = magic: u32 | check: u64 | number: u64 | offset: u64 | count: u32
//!         | bytes of keys: u32 | bytes of values: u32
//! keys  = for each item: shared | rest | value, as varints; then the last `rest` bytes of the key
//!         shared: bytes in common with the key before; value: its length + 1, or 0 if removed
//! check = xxh3 of everything behind it up to the end of the keys, seeded by the file's number
//! ```
//! `check` covers what gives the block its shape, and each value carries a checksum of its own (see
//! `envelope`). So a flipped bit in a value damages that one item, whose key is still known.

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64_with_seed;

pub(super) const HEAD_BYTES: usize = 40;

const MAGIC: [u8; 4] = *b"\xE7blk";
const CHECK: Range<usize> = 4..12;

/// What stands in front of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Counts up: the page of a table, the group of a journal.
    pub(super) number: u64,
    /// Where in its file the block belongs.
    pub(super) offset: u64,
    pub(super) count: u32,
    pub(super) keys_bytes: u32,
    pub(super) values_bytes: u32,
}

impl Head {
    /// The length of head and keys.
    pub(super) fn shape_bytes(&self) -> usize {
        HEAD_BYTES + self.keys_bytes as usize
    }

    /// The length of the whole block.
    pub(super) fn block_bytes(&self) -> usize {
        self.shape_bytes() + self.values_bytes as usize
    }
}

/// One item's key, and where in the values its value is; `None` if the key is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) key: Vec<u8>,
    pub(super) value: Option<Range<usize>>,
}

/// Collects items for the next block.
#[derive(Default)]
pub(super) struct Builder {
    keys: Vec<u8>,
    values: Vec<u8>,
    last_key: Vec<u8>,
    count: u32,
}

impl Builder {
    pub(super) fn add(&mut self, key: &[u8], value: Option<&[u8]>) {
        let shared = self.last_key.iter().zip(key).take_while(|(a, b)| a == b).count();
        let value_code = value.map_or(0, |value| value.len() + 1);
        for number in [shared, key.len() - shared, value_code] {
            put_varint(&mut self.keys, number);
        }
        self.keys.extend_from_slice(&key[shared..]);
        self.values.extend_from_slice(value.unwrap_or_default());
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(&key[shared..]);
        self.count += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How large the block is so far.
    pub(super) fn bytes(&self) -> usize {
        HEAD_BYTES + self.keys.len() + self.values.len()
    }

    /// Writes the block behind `bytes` and begins the next; `file` seeds the check.
    pub(super) fn finish(
        &mut self,
        file: u64,
        number: u64,
        offset: u64,
        bytes: &mut Vec<u8>,
    ) -> Head {
        let head = Head {
            number,
            offset,
            count: self.count,
            // A block is a page, or a group of at most a few times the 64 MiB of the largest batch.
            keys_bytes: self.keys.len() as u32,
            values_bytes: self.values.len() as u32,
        };
        let start = bytes.len();
        bytes.extend(MAGIC);
        bytes.extend([0; CHECK.end - CHECK.start]);
        bytes.extend(head.number.to_le_bytes());
        bytes.extend(head.offset.to_le_bytes());
        for number in [head.count, head.keys_bytes, head.values_bytes] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.keys);
        let check = xxh3_64_with_seed(&bytes[start + CHECK.end..], file);
        bytes[start + CHECK.start..start + CHECK.end].copy_from_slice(&check.to_le_bytes());
        bytes.extend_from_slice(&self.values);
        self.keys.clear();
        self.values.clear();
        self.last_key.clear();
        self.count = 0;
        head
    }
}

/// The head at the start of `bytes` and the keys behind it; `None` if they are damaged. The values
/// need not be there.
pub(super) fn parse(file: u64, bytes: &[u8]) -> Option<(Head, &[u8])> {
    let mut rest = bytes.strip_prefix(&MAGIC)?;
    let check = u64::from_le_bytes(take(&mut rest)?);
    let head = Head {
        number: u64::from_le_bytes(take(&mut rest)?),
        offset: u64::from_le_bytes(take(&mut rest)?),
        count: u32::from_le_bytes(take(&mut rest)?),
        keys_bytes: u32::from_le_bytes(take(&mut rest)?),
        values_bytes: u32::from_le_bytes(take(&mut rest)?),
    };
    let keys = rest.get(..head.keys_bytes as usize)?;
    let covered = bytes.get(CHECK.end..head.shape_bytes())?;
    (xxh3_64_with_seed(covered, file) == check).then_some((head, keys))
}

/// The position of the first thing behind `from` that looks like the start of a block.
pub(super) fn find_magic(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == MAGIC[0])?;
        if bytes[at..].starts_with(&MAGIC) {
            return Some(at);
        }
        at += 1;
    }
}

/// Walks through the keys of a block.
pub(super) struct Slots<'a> {
    keys: &'a [u8],
    key: Vec<u8>,
    value: Option<Range<usize>>,
    end: usize,
}

impl<'a> Slots<'a> {
    pub(super) fn new(keys: &'a [u8]) -> Self {
        Self { keys, key: Vec::new(), value: None, end: 0 }
    }

    /// Goes to the next item; `false` behind the last.
    pub(super) fn advance(&mut self) -> bool {
        self.try_advance().is_some()
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    pub(super) fn value(&self) -> Option<Range<usize>> {
        self.value.clone()
    }

    fn try_advance(&mut self) -> Option<()> {
        let shared = take_varint(&mut self.keys)?;
        let rest = take_varint(&mut self.keys)?;
        let value_code = take_varint(&mut self.keys)?;
        let (rest, keys) = self.keys.split_at_checked(rest)?;
        self.keys = keys;
        self.key.truncate(shared);
        self.key.extend_from_slice(rest);
        self.value = match value_code.checked_sub(1) {
            Some(length) => {
                let start = self.end;
                self.end = start.checked_add(length)?;
                Some(start..self.end)
            }
            None => None,
        };
        Some(())
    }
}

impl Iterator for Slots<'_> {
    type Item = Slot;

    fn next(&mut self) -> Option<Slot> {
        self.try_advance()?;
        Some(Slot { key: self.key.clone(), value: self.value.clone() })
    }
}

pub(super) fn put_varint(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

pub(super) fn take_varint(bytes: &mut &[u8]) -> Option<usize> {
    let mut number = 0_usize;
    for shift in (0..usize::BITS).step_by(7) {
        let [byte] = take(bytes)?;
        number |= usize::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

pub(super) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> (Head, Vec<u8>) {
        let mut builder = Builder::default();
        builder.add(b"worker-1/1", Some(b"first"));
        builder.add(b"worker-1/2", None);
        builder.add(b"worker-2", Some(b""));
        builder.add(b"", Some(&[7; 300]));
        let mut bytes = Vec::new();
        let head = builder.finish(9, 3, 40, &mut bytes);
        assert!(builder.is_empty());
        (head, bytes)
    }

    #[test]
    fn items_read_back() {
        let (head, bytes) = block();
        assert_eq!(bytes.len(), head.block_bytes());
        let (found, keys) = parse(9, &bytes).unwrap();
        assert_eq!(found, head);
        let slot = |key: &[u8], value| Slot { key: key.to_vec(), value };
        let expected = [
            slot(b"worker-1/1", Some(0..5)),
            slot(b"worker-1/2", None),
            slot(b"worker-2", Some(5..5)),
            slot(b"", Some(5..305)),
        ];
        assert!(Slots::new(keys).eq(expected));
    }

    #[test]
    fn every_flipped_bit_of_its_shape_is_noticed() {
        let (head, bytes) = block();
        for bit in 0..head.shape_bytes() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse(9, &damaged), None, "bit {bit}");
        }
        for length in 0..head.shape_bytes() {
            assert_eq!(parse(9, &bytes[..length]), None, "length {length}");
        }
        assert_eq!(parse(8, &bytes), None, "a block of another file");
    }

    #[test]
    fn nonsense_ends_the_walk() {
        for keys in
            [&b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"[..], b"\x00\x09\x01abc", b"\x00"]
        {
            assert_eq!(Slots::new(keys).next(), None);
        }
    }

    #[test]
    fn the_start_of_a_block_is_found_among_noise() {
        let (_, bytes) = block();
        let noise = [&[0xE7, 0xE7, b'b'][..], &bytes].concat();
        assert_eq!(find_magic(&noise, 0), Some(3));
        assert_eq!(find_magic(&noise, 4), None);
    }
}
