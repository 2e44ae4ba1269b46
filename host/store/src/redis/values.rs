//! What Redis answers, as what the store answers.

use std::ops::Bound;

use redis::Value;

use crate::store::{KeyValue, LogRecord};
use crate::{Space, StoreError, WorkerKey};

/// One end of a range, as ZRANGEBYLEX wants it.
pub(super) fn bound(bound: Bound<Vec<u8>>, unbounded: &[u8]) -> Vec<u8> {
    match bound {
        Bound::Included(key) => [b"[", &*key].concat(),
        Bound::Excluded(key) => [b"(", &*key].concat(),
        Bound::Unbounded => unbounded.to_vec(),
    }
}

/// The last index of an oplog, from its last record.
pub(super) fn last_index(worker: &WorkerKey, value: &Value) -> Result<Option<u64>, StoreError> {
    let Value::Array(records) = value else { return Err(strange(worker, value)) };
    let Some(record) = records.first() else { return Ok(None) };
    let id = match record {
        Value::Array(parts) => parts.first().and_then(record_id),
        _ => None,
    };
    id.map(|(last, _)| Some(last)).ok_or_else(|| strange(worker, value))
}

/// Last and first index of a record of an oplog.
fn record_id(id: &Value) -> Option<(u64, u64)> {
    let Value::BulkString(bytes) = id else { return None };
    let (last, first) = std::str::from_utf8(bytes).ok()?.split_once('-')?;
    Some((last.parse().ok()?, first.parse().ok()?))
}

/// Records of an oplog, which must follow each other.
pub(super) fn log_records(worker: &WorkerKey, value: Value) -> Result<Vec<LogRecord>, StoreError> {
    let Value::Array(items) = value else { return Err(strange(worker, &value)) };
    let mut records: Vec<LogRecord> = Vec::with_capacity(items.len() / 2);
    let mut items = items.into_iter();
    while let (Some(id), Some(bytes)) = (items.next(), items.next()) {
        let (Some((last, first)), Value::BulkString(bytes)) = (record_id(&id), bytes) else {
            return Err(strange(worker, &id));
        };
        if let Some(before) = records.last()
            && first != before.last + 1
        {
            let place = format!("oplog of worker {worker}, entry {}", before.last + 1);
            return Err(damaged(place, format!("the next record begins with entry {first}")));
        }
        records.push(LogRecord { first, last, bytes });
    }
    Ok(records)
}

/// Records of a space.
pub(super) fn key_values(space: Space, value: Value) -> Result<Vec<KeyValue>, StoreError> {
    let place = || format!("keys of space {}", space.number());
    let Value::Array(items) = value else {
        return Err(damaged(place(), "Redis answers with something else".to_owned()));
    };
    let mut found = Vec::with_capacity(items.len() / 2);
    let mut items = items.into_iter();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        match (key, value) {
            (Value::BulkString(key), Value::BulkString(value)) => found.push((key, value)),
            (key, _) => {
                return Err(damaged(place(), format!("the key {key:?} has no value")));
            }
        }
    }
    Ok(found)
}

/// A value that may not be there.
pub(super) fn optional_bytes(place: &str, value: Value) -> Result<Option<Vec<u8>>, StoreError> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(bytes)),
        other => Err(damaged(place.to_owned(), format!("Redis answers {other:?}"))),
    }
}

fn strange(worker: &WorkerKey, value: &Value) -> StoreError {
    damaged(format!("oplog of worker {worker}"), format!("Redis holds {value:?}"))
}

/// What is at `place` is not what was written.
pub(super) fn damaged(place: String, detail: String) -> StoreError {
    let advice = "Something else writes keys with this prefix, or Redis lost some: restore them \
                  from a backup; only what refers to this is affected";
    StoreError::Corrupt { place, detail, advice }
}
