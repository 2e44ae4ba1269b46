//! Compare and swap: a value takes the place of the one that was seen, and of no other.

use bincode::{Decode, Encode};

use super::error::DataError;
use super::{Bucket, Decision, KeyValues, NewValue, Record, StoredValue, Write};

/// What was seen under a key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Seen {
    /// Of the record; never the same again once it is overwritten, even with the same value.
    pub(crate) version: u64,
    /// The value.
    pub(crate) value: StoredValue,
}

impl From<&Record> for Seen {
    fn from(record: &Record) -> Self {
        Self { version: record.version, value: record.value.clone() }
    }
}

impl KeyValues {
    /// Looks at what is under `key`.
    pub(crate) async fn look(&self, bucket: &Bucket, key: &str) -> Result<Option<Seen>, DataError> {
        Ok(self.read(bucket, key).await?.as_ref().map(Seen::from))
    }

    /// Puts `value` under `key` if what is there has version `seen`, or if nothing is there and nothing was seen.
    /// Returns what is there instead, if it is something else.
    pub(crate) async fn swap(
        &self,
        bucket: &Bucket,
        key: &str,
        seen: Option<u64>,
        value: NewValue,
    ) -> Result<(Result<(), Option<Seen>>, Write), DataError> {
        self.update(bucket, key, |found| {
            Ok(if found.map(|record| record.version) == seen {
                Decision { outcome: Ok(()), value: Some(value) }
            } else {
                Decision { outcome: Err(found.map(Seen::from)), value: None }
            })
        })
        .await
    }
}
