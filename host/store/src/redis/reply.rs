//! What the script says became of a batch.

use redis::Value;

use super::link::{Trouble, trouble};
use crate::{Append, Batch, Expectation, StoreError, WorkerKey};

/// The answer to one call of the script.
#[derive(Debug)]
pub(super) enum Reply {
    /// The batch is stored, now or by an earlier call.
    Stored,
    /// It will never be stored.
    Refused(StoreError),
    /// It was not looked at, since batches before it are missing; the last one that was.
    Gap { last: u64 },
    /// The session is not there.
    Lost,
    /// Another session declared this one dead.
    Fenced { holder: String },
    /// The script was not run, or nobody knows.
    Trouble(Trouble),
}

/// Reads the answer about `batch`.
pub(super) fn parse(value: Value, batch: &Batch) -> Reply {
    let items = match value {
        Value::Int(1) => return Reply::Stored,
        Value::ServerError(error) => return Reply::Trouble(trouble(&error.into())),
        Value::Array(items) => items,
        other => return unknown(&other),
    };
    let text = |at: usize| match items.get(at) {
        Some(Value::BulkString(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        Some(Value::Int(number)) => number.to_string(),
        _ => String::new(),
    };
    let number = |at: usize| text(at).parse::<u64>().ok();
    // Positions count from 1 in Lua.
    let position = || number(1).and_then(|position| usize::try_from(position).ok()?.checked_sub(1));
    match &*text(0) {
        "gap" => number(1).map(|last| Reply::Gap { last }),
        "lost" => Some(Reply::Lost),
        "fenced" => Some(Reply::Fenced { holder: text(1) }),
        "moved" => match items.get(1) {
            Some(Value::BulkString(worker)) => WorkerKey::new(worker.clone()).ok(),
            _ => None,
        }
        .map(|worker| Reply::Refused(StoreError::Moved { worker, holder: text(2) })),
        "conflict" => position()
            .and_then(|position| Some((batch.appends.get(position)?, number(2)?)))
            .map(|(append, last)| Reply::Refused(conflict(append, last))),
        "unexpected" => position()
            .and_then(|position| batch.expectations.get(position))
            .map(|expected| Reply::Refused(unexpected(expected, items.get(2)))),
        _ => None,
    }
    .unwrap_or_else(|| unknown(&Value::Array(items)))
}

fn conflict(append: &Append, last: u64) -> StoreError {
    let Append { worker, first, .. } = append;
    let expected = last.saturating_add(1);
    StoreError::Conflict { worker: worker.clone(), expected, found: *first }
}

fn unexpected(expectation: &Expectation, found: Option<&Value>) -> StoreError {
    let Expectation { space, key, value } = expectation;
    let found = match found {
        Some(Value::BulkString(bytes)) => Some(bytes.clone()),
        _ => None,
    };
    StoreError::Unexpected { space: *space, key: key.clone(), expected: value.clone(), found }
}

fn unknown(value: &Value) -> Reply {
    Reply::Trouble(Trouble::Lasting(format!("Redis answers {value:?}, which is no outcome")))
}
