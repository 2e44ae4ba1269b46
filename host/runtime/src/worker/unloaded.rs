//! Looking at a worker that is not in memory, without bringing it there.

use everlog_oplog::codec::Decoded;
use everlog_oplog::status::FoldError;
use everlog_oplog::{Codec, CodecError, Entry, Index, RecordedBatch, Status};

use super::WorkerId;
use super::load::read_log;
use crate::error::WorkerError;
use crate::records;
use crate::shared::Shared;
use crate::spaces;

/// Bytes of the log that are read at once.
const READ_BYTES: usize = 1 << 20;

/// The status of `worker`: the cached one brought up to date, or folded anew; `None` if there is no such worker.
pub(crate) async fn status(
    shared: &Shared,
    worker: &WorkerId,
) -> Result<Option<Status>, WorkerError> {
    let key = worker.key()?;
    let cached = shared.store.get(spaces::WORKERS, key.as_bytes()).await?;
    match cached.as_deref().and_then(records::decode_status) {
        Some(cached) => match catch_up(shared, worker, cached).await? {
            Some(status) => Ok(Some(status)),
            None => fold(shared, worker).await,
        },
        None => fold(shared, worker).await,
    }
}

/// The status folded from the whole log, whatever the cache says.
pub(crate) async fn fold(
    shared: &Shared,
    worker: &WorkerId,
) -> Result<Option<Status>, WorkerError> {
    let key = worker.key()?;
    let (log, _) = read_log(shared, &key).await?;
    if log.is_empty() {
        return Ok(None);
    }
    let codec = Codec::new(key.as_bytes());
    let decode = |batch: &RecordedBatch| {
        codec
            .decode(batch.first, &batch.bytes)
            .map(|decoded| decoded.map_err(FoldFailed::from))
            .collect::<Vec<_>>()
    };
    match Status::fold(|| log.iter().flat_map(decode)) {
        Ok(status) => Ok(Some(status)),
        Err(error) => Err(corrupt(worker, &error)),
    }
}

/// Up to `limit` entries from `from` on.
pub(crate) async fn entries(
    shared: &Shared,
    worker: &WorkerId,
    mut from: Index,
    limit: usize,
) -> Result<Vec<(Index, Entry)>, WorkerError> {
    let mut entries = Vec::new();
    while entries.len() < limit {
        let decoded = page(shared, worker, from).await?;
        let Some(last) = decoded.last().map(|decoded| decoded.index) else { break };
        let wanted = decoded.into_iter().filter(|decoded| decoded.index >= from);
        entries.extend(
            wanted.map(|decoded| (decoded.index, decoded.entry)).take(limit - entries.len()),
        );
        from = last.next();
    }
    Ok(entries)
}

/// Applies what the log has beyond `cached`; `None` where only a whole fold will do.
async fn catch_up(
    shared: &Shared,
    worker: &WorkerId,
    mut cached: Status,
) -> Result<Option<Status>, WorkerError> {
    loop {
        let next = cached.last_index.next();
        let decoded = page(shared, worker, next).await?;
        if decoded.is_empty() {
            return Ok(Some(cached));
        }
        for Decoded { index, entry, frame_bytes } in decoded {
            if index >= next && cached.apply(&entry, index, frame_bytes).is_err() {
                return Ok(None);
            }
        }
    }
}

/// The records that hold entries from `from` on, decoded; the first of them may begin before.
async fn page(
    shared: &Shared,
    worker: &WorkerId,
    from: Index,
) -> Result<Vec<Decoded>, WorkerError> {
    let key = worker.key()?;
    let codec = Codec::new(key.as_bytes());
    let records = shared.store.read_log(&key, from.get(), READ_BYTES).await?;
    let mut all = Vec::new();
    for record in &records {
        for decoded in codec.decode(Index(record.first), &record.bytes) {
            all.push(decoded.map_err(|error| corrupt(worker, &error))?);
        }
    }
    Ok(all)
}

#[derive(Debug, thiserror::Error)]
enum FoldFailed {
    #[error(transparent)]
    Damaged(#[from] CodecError),
    #[error(transparent)]
    NoLog(#[from] FoldError),
}

fn corrupt(worker: &WorkerId, error: &dyn std::fmt::Display) -> WorkerError {
    WorkerError::CorruptLog { worker: worker.to_string(), detail: error.to_string() }
}
