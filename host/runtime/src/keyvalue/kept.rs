//! The state of single workers, in the buckets that belong to them: what callers, operators and the runtime itself do
//! with it. Its own guest reaches it like any other bucket.
//!
//! Who writes from outside holds the worker itself, so that nothing is written that would outlive it: whoever removes
//! the worker waits for that, and removes it too.

use everlog_store::{Batch, Change, Digest, Expectation, Order, StoreError, WorkerKey, commit};

use super::limits::{MAX_BATCH_BYTES, MAX_KEYS};
use super::names::{check_key, key_of, record_key, record_range};
use super::{
    Bucket, Claim, DataError, Held, KEY, KeyValues, NewValue, OwnValue, Page, Record, Refusal,
    Write, check_value, claim, decode,
};
use crate::spaces::{KEY_VALUES, WORKERS};

/// Records that are read at once; each may hold a value that is not small.
const CHUNK: usize = 64;
/// How often a write is decided on anew because others were quicker.
const ATTEMPTS: usize = 1_000;

/// Keys with their records, in order, and behind which key the next page begins.
pub(crate) type Records = (Vec<(String, Record)>, Option<String>);

/// What must be under a key for it to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Whatever is there.
    Any,
    /// Something, or nothing.
    Present(bool),
    /// What has this version.
    Version(u64),
}

impl Standing {
    fn allows(self, found: Option<u64>) -> bool {
        match self {
            Self::Any => true,
            Self::Present(wanted) => found.is_some() == wanted,
            Self::Version(wanted) => found == Some(wanted),
        }
    }
}

/// What became of a change from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// It was made; this is the version of what is there now.
    Done(Option<u64>),
    /// What is there, with this version, is not what was to be there.
    Refused(Option<u64>),
}

impl KeyValues {
    /// Up to `limit` keys that begin with `prefix`, behind `after`, with their records. Fewer where the records are large.
    pub(crate) async fn records(
        &self,
        bucket: &Bucket,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Records, DataError> {
        let (mut found, mut bytes) = (Vec::new(), 0);
        let mut after = after.map(str::to_owned);
        while found.len() < limit && bytes < MAX_BATCH_BYTES {
            let wanted = CHUNK.min(limit - found.len());
            let chunk = self.chunk(bucket, prefix, after.as_deref(), wanted).await?;
            let is_last = chunk.len() < wanted;
            for (key, stored) in chunk {
                bytes += stored.len();
                after = Some(key.clone());
                let record = decode(bucket, &key, &stored)?;
                found.push((key, record));
            }
            if is_last {
                return Ok((found, None));
            }
        }
        let more = !self.chunk(bucket, prefix, after.as_deref(), 1).await?.is_empty();
        Ok((found, after.filter(|_| more)))
    }

    /// As [`KeyValues::records`], the keys alone.
    pub(crate) async fn keys_from(
        &self,
        bucket: &Bucket,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, DataError> {
        let (found, next) = self.records(bucket, prefix, after, limit).await?;
        Ok(Page { keys: found.into_iter().map(|(key, _)| key).collect(), next })
    }

    /// Puts `value` under `key` of a worker's own bucket, or removes what is there, as its guest does.
    ///
    /// It needs no lock: it depends on nothing that is there, and whoever decides on what is there expects it in the
    /// batch.
    pub(crate) async fn put_own(
        &self,
        bucket: &Bucket,
        key: String,
        value: Option<Vec<u8>>,
    ) -> Result<(OwnValue, Write), DataError> {
        check_key(KEY, &key)?;
        let value = value.map(NewValue::lasting);
        check_value(value.as_ref())?;
        let record_key = record_key(bucket.name(), &key);
        let (value, change) = match value {
            Some(value) => {
                let record = self.record(value).await?;
                let change = record.put(KEY_VALUES, record_key);
                (Some(record.value), change)
            }
            None => (None, delete(record_key)),
        };
        let write =
            Write { expectations: Vec::new(), changes: vec![change], held: Held::default() };
        Ok((OwnValue { key, value }, write))
    }

    /// Removes all keys of `bucket` in one step, unless they are too many for that.
    pub(crate) async fn remove_all(&self, bucket: &Bucket) -> Result<Write, DataError> {
        let keys = self.record_keys(bucket, MAX_KEYS + 1).await?;
        if keys.len() > MAX_KEYS {
            return Err(Refusal::Overfull.into());
        }
        let changes: Vec<Change> = keys.into_iter().map(delete).collect();
        let held = self.locks.hold(changes.iter().map(claim)).await;
        Ok(Write { expectations: Vec::new(), changes, held })
    }

    /// Puts `value` under `key` of a worker's own bucket, or removes what is there, if that stands as it should.
    pub(crate) async fn change(
        &self,
        (worker, bucket): (&WorkerKey, &Bucket),
        key: &str,
        value: Option<Vec<u8>>,
        standing: Standing,
    ) -> Result<Changed, DataError> {
        check_key(KEY, key)?;
        let value = value.map(NewValue::lasting);
        check_value(value.as_ref())?;
        let record = match value {
            Some(value) => Some(self.record(value).await?),
            None => None,
        };
        let record_key = record_key(bucket.name(), key);
        for _ in 0..ATTEMPTS {
            let _held = self.hold_with(worker, &record_key).await;
            if self.store.last_index(worker).await?.is_none() {
                return Err(DataError::NoWorker);
            }
            let stored = self.store.get(KEY_VALUES, &record_key).await?;
            // A damaged record may be overwritten, which mends it.
            let found = stored.as_deref().and_then(|bytes| decode(bucket, key, bytes).ok());
            let found = found.map(|record| record.version);
            if !standing.allows(found) {
                return Ok(Changed::Refused(found));
            }
            let version = record.as_ref().map(|record| record.version);
            let change = match &record {
                Some(record) => record.put(KEY_VALUES, record_key.clone()),
                None => delete(record_key.clone()),
            };
            let expected =
                Expectation { space: KEY_VALUES, key: record_key.clone(), value: stored };
            let expectations = if standing == Standing::Any { Vec::new() } else { vec![expected] };
            let batch = Batch { expectations, changes: vec![change], ..Batch::default() };
            match commit(&*self.store, batch).await {
                Ok(()) => return Ok(Changed::Done(version)),
                // Another node was quicker.
                Err(StoreError::Unexpected { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Changed::Refused(None))
    }

    /// Removes everything of a worker's own bucket, in as many steps as it takes; returns how many keys there were.
    pub(crate) async fn empty(
        &self,
        worker: &WorkerKey,
        bucket: &Bucket,
    ) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let _held = self.locks.hold([(Claim::Keep, WORKERS, worker.as_bytes())]).await;
            let keys = self.record_keys(bucket, MAX_KEYS).await?;
            if keys.is_empty() {
                return Ok(removed);
            }
            removed += keys.len() as u64;
            let changes: Vec<Change> = keys.into_iter().map(delete).collect();
            let _changing = self.locks.hold(changes.iter().map(claim)).await;
            commit(&*self.store, Batch { changes, ..Batch::default() }).await?;
        }
    }

    /// Keeps everybody outside from writing state of a worker, which is to be removed.
    pub(crate) async fn hold_worker(&self, worker: &WorkerKey) -> Held {
        self.locks.hold([(Claim::Change, WORKERS, worker.as_bytes())]).await
    }

    /// What removes the first `most` keys of a bucket.
    pub(crate) async fn removals(
        &self,
        bucket: &Bucket,
        most: usize,
    ) -> Result<Vec<Change>, StoreError> {
        Ok(self.record_keys(bucket, most).await?.into_iter().map(delete).collect())
    }

    /// What puts everything that is in one bucket into another.
    pub(crate) async fn copies(
        &self,
        from: &Bucket,
        to: &Bucket,
        most_bytes: usize,
    ) -> Result<Vec<Change>, StoreError> {
        let (mut changes, mut bytes, mut after) = (Vec::new(), 0, None);
        // What is too much is not to be in memory: the caller refuses it by its size.
        while bytes <= most_bytes {
            let chunk = self.chunk(from, "", after.as_deref(), CHUNK).await?;
            let Some((last, _)) = chunk.last() else { break };
            after = Some(last.clone());
            for (key, value) in chunk {
                bytes += value.len();
                let key = record_key(to.name(), &key);
                changes.push(Change::Put { space: KEY_VALUES, key, value });
            }
        }
        Ok(changes)
    }

    /// Some records behind `after` as they are stored, in the order of their keys.
    pub(crate) async fn stored(
        &self,
        bucket: &Bucket,
        after: Option<&str>,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.chunk(bucket, "", after, CHUNK).await
    }

    /// What puts such a record under its key; and the blob that it names, if it does.
    ///
    /// # Errors
    /// A sentence that says why it is none.
    pub(crate) fn restored(
        bucket: &Bucket,
        key: &str,
        stored: Vec<u8>,
    ) -> Result<(Change, Option<Digest>), String> {
        check_key(KEY, key).map_err(|refused| refused.to_string())?;
        let record = decode(bucket, key, &stored).map_err(|error| error.to_string())?;
        let blob = record.value.blob();
        let key = record_key(bucket.name(), key);
        Ok((Change::Put { space: KEY_VALUES, key, value: stored }, blob))
    }

    async fn hold_with(&self, worker: &WorkerKey, record_key: &[u8]) -> Held {
        let claims =
            [(Claim::Keep, WORKERS, worker.as_bytes()), (Claim::Change, KEY_VALUES, record_key)];
        self.locks.hold(claims).await
    }

    /// The keys of the first `most` records.
    async fn record_keys(&self, bucket: &Bucket, most: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let (mut keys, mut after) = (Vec::new(), None);
        while keys.len() < most {
            let wanted = CHUNK.min(most - keys.len());
            let chunk = self.chunk(bucket, "", after.as_deref(), wanted).await?;
            let is_last = chunk.len() < wanted;
            after = chunk.last().map(|(key, _)| key.clone());
            keys.extend(chunk.into_iter().map(|(key, _)| record_key(bucket.name(), &key)));
            if is_last {
                break;
            }
        }
        Ok(keys)
    }

    async fn chunk(
        &self,
        bucket: &Bucket,
        prefix: &str,
        after: Option<&str>,
        wanted: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let mut range = record_range(bucket.name(), prefix, None);
        if let Some(after) = after.filter(|after| *after >= prefix) {
            range.start = std::ops::Bound::Excluded(record_key(bucket.name(), after));
        }
        let found = self.store.scan(KEY_VALUES, range, Order::Forward, wanted).await?;
        let key_of = |(key, value): (Vec<u8>, _)| Some((key_of(bucket.name(), "", &key)?, value));
        Ok(found.into_iter().filter_map(key_of).collect())
    }
}

fn delete(key: Vec<u8>) -> Change {
    Change::Delete { space: KEY_VALUES, key }
}
