//! Values whose time has ended are nobody's any more: they are removed in the background.

use everlog_store::{Batch, Change, Expectation, Order, StoreError, commit};

use super::names::{key_of, record_range};
use super::{Bucket, Claim, DataError, KeyValues, decode};
use crate::clock;
use crate::spaces::KEY_VALUES;

/// Records that are looked at together; each may hold a value that is not small.
const PAGE: usize = 64;

impl KeyValues {
    /// Removes what has ended in `bucket`; returns how many records that were.
    pub(crate) async fn remove_ended(&self, bucket: &Bucket) -> Result<usize, DataError> {
        let (mut after, mut removed) = (None, 0);
        loop {
            let range = record_range(bucket.name(), "", after.as_deref());
            let found = self.store.scan(KEY_VALUES, range, Order::Forward, PAGE).await?;
            let last =
                found.last().and_then(|(record_key, _)| key_of(bucket.name(), "", record_key));
            let Some(last) = last else { return Ok(removed) };
            after = Some(last);
            for (record_key, bytes) in found {
                // Whoever reads a damaged record is told; here nobody asks.
                let record = decode(bucket, "", &bytes).ok();
                if record.is_some_and(|record| !record.is_alive(clock::now())) {
                    removed += usize::from(self.remove_as_it_is(record_key, bytes).await?);
                }
            }
        }
    }

    /// Removes a record unless it has changed.
    async fn remove_as_it_is(&self, key: Vec<u8>, value: Vec<u8>) -> Result<bool, StoreError> {
        let _held = self.locks.hold([(Claim::Change, KEY_VALUES, key.as_slice())]).await;
        let delete = Change::Delete { space: KEY_VALUES, key: key.clone() };
        let expected = Expectation { space: KEY_VALUES, key, value: Some(value) };
        let batch =
            Batch { expectations: vec![expected], changes: vec![delete], ..Batch::default() };
        match commit(&*self.store, batch).await {
            Ok(()) => Ok(true),
            Err(StoreError::Unexpected { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
