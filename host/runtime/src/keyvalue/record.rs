//! What is kept under a key or as an object.

use bincode::{Decode, Encode};
use everlog_oplog::Timestamp;
use everlog_store::{Change, Space, StoreError};

use super::value::StoredValue;
use crate::entropy;

/// Stands before each record; another layout gets another number.
const FORMAT: u8 = 1;

/// A value and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Record {
    /// Drawn anew for each write, so that no later value is ever taken for an earlier one.
    pub(crate) version: u64,
    /// When it was written.
    pub(crate) written_at: Timestamp,
    /// From then on it counts as absent.
    pub(crate) expires_at: Option<Timestamp>,
    /// What was written.
    pub(crate) value: StoredValue,
}

impl Record {
    /// A record of `value` with a version of its own.
    pub(crate) fn new(value: StoredValue, now: Timestamp, expires_at: Option<Timestamp>) -> Self {
        Self { version: version(), written_at: now, expires_at, value }
    }

    /// Whether it still counts.
    pub(crate) fn is_alive(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// Stores it under `key`.
    pub(crate) fn put(&self, space: Space, key: Vec<u8>) -> Change {
        let mut value = vec![FORMAT];
        // Encoding into memory a structure without maps or borrowed cells has no way to fail.
        let body = bincode::encode_to_vec(self, bincode::config::standard()).unwrap_or_default();
        value.extend_from_slice(&body);
        Change::Put { space, key, value }
    }

    /// Reads a record back; `place` says which, should it be damaged.
    pub(crate) fn decode(bytes: &[u8], place: impl FnOnce() -> String) -> Result<Self, StoreError> {
        let corrupt = |detail: String| StoreError::Corrupt {
            place: place(),
            detail,
            advice: "Write it again, or restore the data directory from a backup",
        };
        match bytes.split_first() {
            Some((&FORMAT, body)) => {
                let decoded = bincode::decode_from_slice(body, bincode::config::standard());
                match decoded {
                    Ok((record, read)) if read == body.len() => Ok(record),
                    Ok((_, read)) => Err(corrupt(format!("{} bytes too many", body.len() - read))),
                    Err(error) => Err(corrupt(error.to_string())),
                }
            }
            Some((other, _)) => Err(corrupt(format!(
                "its format is {other}, this server knows {FORMAT}; a newer server wrote it"
            ))),
            None => Err(corrupt("it is empty".to_owned())),
        }
    }
}

/// 63 random bits: as a number of any language, it is positive.
fn version() -> u64 {
    entropy::number() >> 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(record: &Record) -> Vec<u8> {
        match record.put(Space::new(5), b"k".to_vec()) {
            Change::Put { value, .. } => value,
            Change::Delete { .. } => panic!("a put"),
        }
    }

    fn decode(bytes: &[u8]) -> Result<Record, String> {
        Record::decode(bytes, || "key k".to_owned()).map_err(|error| error.to_string())
    }

    /// The format: a record that was written once is read for ever.
    #[test]
    fn records_are_the_bytes_that_they_always_were() {
        let inline = Record {
            version: 7,
            written_at: Timestamp(1_000),
            expires_at: Some(Timestamp(2)),
            value: StoredValue::Inline(b"hi".to_vec()),
        };
        let bytes = [1, 7, 251, 0xE8, 3, 1, 2, 0, 2, b'h', b'i'];
        assert_eq!(bytes_of(&inline), bytes);
        assert_eq!(decode(&bytes).unwrap(), inline);

        let blob = Record {
            version: 1,
            written_at: Timestamp(0),
            expires_at: None,
            value: StoredValue::Blob { digest: [9; 32], size: 5 },
        };
        let bytes = [&[1, 1, 0, 0, 1][..], &[9; 32], &[5]].concat();
        assert_eq!(bytes_of(&blob), bytes);
        assert_eq!(decode(&bytes).unwrap(), blob);
    }

    #[test]
    fn what_is_no_record_is_refused_with_its_place() {
        let record = Record::new(StoredValue::Inline(b"hello".to_vec()), Timestamp(1), None);
        let bytes = bytes_of(&record);
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut]).unwrap_err().contains("key k"), "{cut}");
        }
        assert!(decode(&[&bytes[..], &[0]].concat()).unwrap_err().contains("1 bytes too many"));
        assert!(decode(&[2, 0]).unwrap_err().contains("its format is 2"));
    }

    #[test]
    fn a_version_is_positive_and_new_each_time() {
        let versions: std::collections::BTreeSet<u64> = (0..1_000).map(|_| version()).collect();
        assert_eq!(versions.len(), 1_000);
        assert!(versions.iter().all(|version| i64::try_from(*version).is_ok()));
    }

    #[test]
    fn a_record_ends_at_its_time() {
        let record = Record::new(StoredValue::Inline(Vec::new()), Timestamp(1), Some(Timestamp(5)));
        assert!(record.is_alive(Timestamp(4)) && !record.is_alive(Timestamp(5)));
    }
}
