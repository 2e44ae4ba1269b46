//! What is kept of a container.

use bincode::{Decode, Encode};
use everlog_oplog::Timestamp;
use everlog_store::{Change, StoreError};

use crate::spaces::CONTAINERS;

/// Stands before each record; another layout gets another number.
const FORMAT: u8 = 1;

/// A container. Its objects are records of their own.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct ContainerRecord {
    /// Drawn when it is created, so that its objects are not those of an earlier container of the same name.
    pub(crate) id: u64,
    /// When it was created.
    pub(crate) created_at: Timestamp,
}

impl ContainerRecord {
    pub(super) fn put(&self, name: &str) -> Change {
        let mut value = vec![FORMAT];
        // Encoding a number into memory has no way to fail.
        let body = bincode::encode_to_vec(self, bincode::config::standard()).unwrap_or_default();
        value.extend_from_slice(&body);
        Change::Put { space: CONTAINERS, key: name.as_bytes().to_vec(), value }
    }

    pub(super) fn decode(name: &str, bytes: &[u8]) -> Result<Self, StoreError> {
        let corrupt = |detail: String| StoreError::Corrupt {
            place: format!("the record of container {name:?}"),
            detail,
            advice: "Restore the data directory from a backup",
        };
        match bytes.split_first() {
            Some((&FORMAT, body)) => bincode::decode_from_slice(body, bincode::config::standard())
                .map(|(record, _)| record)
                .map_err(|error| corrupt(error.to_string())),
            Some((other, _)) => Err(corrupt(format!(
                "its format is {other}, this server knows {FORMAT}; a newer server wrote it"
            ))),
            None => Err(corrupt("it is empty".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The format: a record that was written once is read for ever.
    #[test]
    fn a_container_is_the_bytes_that_it_always_was() {
        let container = ContainerRecord { id: 7, created_at: Timestamp(1_000) };
        let Change::Put { value, .. } = container.put("c") else { panic!("a put") };
        assert_eq!(value, [1, 7, 251, 0xE8, 3]);
        assert_eq!(ContainerRecord::decode("c", &value).unwrap(), container);
        let told = ContainerRecord::decode("c", &[2]).unwrap_err().to_string();
        assert!(told.contains("container \"c\"") && told.contains("format is 2"), "{told}");
        assert!(ContainerRecord::decode("c", &[]).is_err());
    }
}
