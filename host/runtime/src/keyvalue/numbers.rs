//! Numbers in buckets: decimal text, so that whoever reads the value sees the number.

use std::ops::RangeInclusive;

use super::error::{DataError, Refusal};
use super::{Bucket, Decision, KeyValues, NewValue, Record, StoredValue, Write};

/// How much of a value that is no number is shown.
const SHOWN_BYTES: usize = 40;

impl KeyValues {
    /// Adds `delta` to the number under `key`, which is 0 where there is none. Returns the sum, which must lie in
    /// `range`.
    pub(crate) async fn increment(
        &self,
        bucket: &Bucket,
        key: &str,
        delta: i128,
        range: RangeInclusive<i128>,
    ) -> Result<(i128, Write), DataError> {
        self.update(bucket, key, |found| {
            let value = match found {
                Some(record) => number(bucket, key, record)?,
                None => 0,
            };
            let sum = value.checked_add(delta).filter(|sum| range.contains(sum));
            let sum = sum.ok_or_else(|| Refusal::Overflow {
                bucket: bucket.name().to_owned(),
                key: key.to_owned(),
                value,
                delta,
            })?;
            Ok(Decision { outcome: sum, value: Some(text(sum)) })
        })
        .await
    }

    /// Puts `new` under `key` if the number there is `old`; says whether it was.
    pub(crate) async fn exchange(
        &self,
        bucket: &Bucket,
        key: &str,
        old: u64,
        new: u64,
    ) -> Result<(bool, Write), DataError> {
        self.update(bucket, key, |found| {
            let found = match found {
                Some(record) => Some(number(bucket, key, record)?),
                None => None,
            };
            let fits = found == Some(i128::from(old));
            Ok(Decision { outcome: fits, value: fits.then(|| text(i128::from(new))) })
        })
        .await
    }
}

fn text(number: i128) -> NewValue {
    NewValue::lasting(number.to_string().into_bytes())
}

fn number(bucket: &Bucket, key: &str, record: &Record) -> Result<i128, Refusal> {
    let bytes = match &record.value {
        StoredValue::Inline(bytes) => bytes.as_slice(),
        // No number is that long.
        StoredValue::Blob { .. } => &[],
    };
    let parsed = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| Refusal::NoNumber {
        bucket: bucket.name().to_owned(),
        key: key.to_owned(),
        found: String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_BYTES)]).into_owned(),
        size: record.value.size(),
    })
}
