//! A batch as the script takes it: one MessagePack value, so that the number of arguments does not
//! grow with the batch (Redis takes about a million, Lua's `unpack` about eight thousand).
//!
//! ```text
//! [expectations: [[space, key, value or false]…],
//!  appends:      [[worker, first, last, bytes, shard]…],
//!  deletions:    [[worker, shard]…],
//!  changes:      [[space, key, value or false]…]]
//! ```
//! Numbers are decimal text, since Lua's are doubles.

use crate::cluster::Shard;
use crate::{Append, Batch, Change, Expectation, Space, WorkerKey};

/// `batch` as one value.
pub(super) fn encode(batch: &Batch) -> Vec<u8> {
    // Beside its payload an item has a few lengths and numbers, less than what `size` counts for it.
    let mut writer = Writer(Vec::with_capacity(batch.size() + 64));
    writer.array(4);
    writer.array(batch.expectations.len());
    for Expectation { space, key, value } in &batch.expectations {
        writer.record(*space, key, value.as_deref());
    }
    writer.array(batch.appends.len());
    for Append { worker, first, last, bytes } in &batch.appends {
        writer.array(5);
        writer.bytes(worker.as_bytes());
        writer.number(*first);
        writer.number(*last);
        writer.bytes(bytes);
        writer.shard(worker);
    }
    writer.array(batch.delete_logs.len());
    for worker in &batch.delete_logs {
        writer.array(2);
        writer.bytes(worker.as_bytes());
        writer.shard(worker);
    }
    writer.array(batch.changes.len());
    for change in &batch.changes {
        match change {
            Change::Put { space, key, value } => writer.record(*space, key, Some(value)),
            Change::Delete { space, key } => writer.record(*space, key, None),
        }
    }
    writer.0
}

/// Writes the few kinds of MessagePack values that are needed, each in its widest form. Bytes are of
/// the type of texts, since Redis does not know the type of bytes.
struct Writer(Vec<u8>);

impl Writer {
    fn array(&mut self, items: usize) {
        self.head(0xDD, items);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.head(0xDB, bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn number(&mut self, number: u64) {
        self.bytes(number.to_string().as_bytes());
    }

    fn shard(&mut self, worker: &WorkerKey) {
        self.number(u64::from(Shard::of(worker).number()));
    }

    fn record(&mut self, space: Space, key: &[u8], value: Option<&[u8]>) {
        self.array(3);
        self.number(u64::from(space.number()));
        self.bytes(key);
        match value {
            Some(value) => self.bytes(value),
            None => self.0.push(0xC2),
        }
    }

    /// A type and a length. What is longer than 4 GiB is above every limit of a batch.
    fn head(&mut self, kind: u8, length: usize) {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.0.push(kind);
        self.0.extend_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WorkerKey;

    #[test]
    fn a_batch_is_one_value() {
        let worker = WorkerKey::new(b"m".to_vec()).unwrap();
        let batch = Batch {
            appends: vec![Append::new(worker.clone(), 1, 2, vec![7])],
            changes: vec![Change::Delete { space: Space::new(3), key: vec![9] }],
            ..Batch::default()
        };
        let array = |items: u8| [0xDD, 0, 0, 0, items];
        let bytes = |byte: u8| [0xDB, 0, 0, 0, 1, byte];
        let shard = Shard::of(&worker).number().to_string();
        let expected = [
            &array(4)[..],
            &array(0),
            &array(1),
            &array(5),
            &bytes(b'm'),
            &bytes(b'1'),
            &bytes(b'2'),
            &bytes(7),
            &[0xDB, 0, 0, 0, shard.len() as u8],
            shard.as_bytes(),
            &array(0),
            &array(1),
            &array(3),
            &bytes(b'3'),
            &bytes(9),
            &[0xC2],
        ];
        assert_eq!(encode(&batch), expected.concat());
    }
}
