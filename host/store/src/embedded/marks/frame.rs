//! How marks are written: frames, each with its own checksum, little-endian.
//!
//! ```text
//! frame   = length of payload: u32 | xxh3(payload): u64 | payload
//! payload = 1 | base: u64                          first frame of a segment
//!         | 2 | group: u64 | mark …                before the group is committed
//!         | 3 | group: u64                         after it
//! mark    = 1 | name | first: u64 | last: u64 | check: u64    last record of an oplog
//!         | 2 | name                                          oplog deleted
//!         | 3 | name | check: u64                             record stored
//!         | 4 | name                                          record removed
//! name    = length: u16 | bytes
//! ```

use xxhash_rust::xxh3::xxh3_64;

use super::super::tables::LogTail;

const HEADER_BYTES: usize = 12;

/// One line of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Frame {
    /// What was stored when the segment began: groups up to this one.
    Base { group: u64 },
    /// A group is about to be committed.
    Intent { group: u64, marks: Vec<Mark> },
    /// It is durable; its batches are acknowledged next.
    Acknowledged { group: u64 },
}

/// What a group leaves behind under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Mark {
    /// The last record of an oplog; the name is the worker's key.
    Log { worker: Vec<u8>, tail: LogTail },
    /// There is no oplog of this worker.
    NoLog { worker: Vec<u8> },
    /// A record with this checksum; the name is its key in the table.
    Record { key: Vec<u8>, check: u64 },
    /// There is no such record.
    NoRecord { key: Vec<u8> },
}

/// Appends `frame` to `bytes`.
pub(super) fn encode(frame: &Frame, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    bytes.extend([0; HEADER_BYTES]);
    match frame {
        Frame::Base { group } => put_tagged(bytes, 1, *group),
        Frame::Intent { group, marks } => {
            put_tagged(bytes, 2, *group);
            marks.iter().for_each(|mark| put_mark(bytes, mark));
        }
        Frame::Acknowledged { group } => put_tagged(bytes, 3, *group),
    }
    let payload = &bytes[start + HEADER_BYTES..];
    // A group has at most a few times the 64 MiB of the largest batch, all of it in keys.
    let length = payload.len() as u32;
    let check = xxh3_64(payload);
    bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
    bytes[start + 4..start + HEADER_BYTES].copy_from_slice(&check.to_le_bytes());
}

/// Takes the next frame off `bytes`; `None` if what comes next is not a whole, undamaged frame.
pub(super) fn decode(bytes: &mut &[u8]) -> Option<Frame> {
    let mut rest = *bytes;
    let length = u32::from_le_bytes(take(&mut rest)?) as usize;
    let check = u64::from_le_bytes(take(&mut rest)?);
    let (mut payload, rest) = rest.split_at_checked(length)?;
    if xxh3_64(payload) != check {
        return None;
    }
    let [tag] = take(&mut payload)?;
    let group = u64::from_le_bytes(take(&mut payload)?);
    let frame = match tag {
        1 => Frame::Base { group },
        2 => Frame::Intent { group, marks: take_marks(payload)? },
        3 => Frame::Acknowledged { group },
        _ => return None,
    };
    *bytes = rest;
    Some(frame)
}

fn put_tagged(bytes: &mut Vec<u8>, tag: u8, group: u64) {
    bytes.push(tag);
    bytes.extend(group.to_le_bytes());
}

fn put_mark(bytes: &mut Vec<u8>, mark: &Mark) {
    match mark {
        Mark::Log { worker, tail } => {
            put_name(bytes, 1, worker);
            [tail.first, tail.last, tail.check]
                .iter()
                .for_each(|number| bytes.extend(number.to_le_bytes()));
        }
        Mark::NoLog { worker } => put_name(bytes, 2, worker),
        Mark::Record { key, check } => {
            put_name(bytes, 3, key);
            bytes.extend(check.to_le_bytes());
        }
        Mark::NoRecord { key } => put_name(bytes, 4, key),
    }
}

fn put_name(bytes: &mut Vec<u8>, tag: u8, name: &[u8]) {
    bytes.push(tag);
    // Worker keys have at most 1,024 bytes, record keys at most 4,096 and one.
    bytes.extend((name.len() as u16).to_le_bytes());
    bytes.extend_from_slice(name);
}

fn take_marks(mut payload: &[u8]) -> Option<Vec<Mark>> {
    let mut marks = Vec::new();
    while !payload.is_empty() {
        marks.push(take_mark(&mut payload)?);
    }
    Some(marks)
}

fn take_mark(payload: &mut &[u8]) -> Option<Mark> {
    let [tag] = take(payload)?;
    let length = u16::from_le_bytes(take(payload)?).into();
    let (name, rest) = payload.split_at_checked(length)?;
    *payload = rest;
    let name = name.to_vec();
    let mut number = || take(payload).map(u64::from_le_bytes);
    Some(match tag {
        1 => {
            let tail = LogTail { first: number()?, last: number()?, check: number()? };
            Mark::Log { worker: name, tail }
        }
        2 => Mark::NoLog { worker: name },
        3 => Mark::Record { key: name, check: number()? },
        4 => Mark::NoRecord { key: name },
        _ => return None,
    })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames() -> Vec<Frame> {
        let tail = LogTail { first: 1, last: 2, check: 3 };
        vec![
            Frame::Base { group: 6 },
            Frame::Intent {
                group: 7,
                marks: vec![
                    Mark::Log { worker: b"mary".to_vec(), tail },
                    Mark::NoLog { worker: b"peter".to_vec() },
                    Mark::Record { key: b"\x01status".to_vec(), check: 4 },
                    Mark::NoRecord { key: Vec::new() },
                ],
            },
            Frame::Acknowledged { group: 7 },
        ]
    }

    fn encoded() -> Vec<u8> {
        let mut bytes = Vec::new();
        frames().iter().for_each(|frame| encode(frame, &mut bytes));
        bytes
    }

    fn decoded(mut bytes: &[u8]) -> Vec<Frame> {
        std::iter::from_fn(|| decode(&mut bytes)).collect()
    }

    #[test]
    fn frames_read_back() {
        assert_eq!(decoded(&encoded()), frames());
    }

    #[test]
    fn a_cut_or_flipped_account_reads_as_a_prefix() {
        let whole = frames();
        let bytes = encoded();
        for length in 0..bytes.len() {
            let prefix = decoded(&bytes[..length]);
            assert!(prefix.len() < whole.len() && whole.starts_with(&prefix), "length {length}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let prefix = decoded(&damaged);
            assert!(prefix.len() < whole.len() && whole.starts_with(&prefix), "bit {bit}");
        }
    }
}
