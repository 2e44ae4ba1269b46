//! The state of workers as callers and operators see it.

use everlog_oplog::Timestamp;

use super::Runtime;
use crate::error::WorkerError;
use crate::keyvalue::{Bucket, Changed, DataError, Record, Standing, StoredValue};
use crate::worker::WorkerId;

/// What is under one key of a worker's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateEntry {
    /// The key.
    pub key: String,
    /// Never the same for another value of this key, also when it was cleared in between.
    pub version: u64,
    /// When it was written.
    pub written_at: Timestamp,
    /// Bytes of the value.
    pub size: u64,
    /// The value; `None` where it was left out.
    pub value: Option<Vec<u8>>,
}

/// Some of a worker's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatePage {
    /// In the order of the keys.
    pub entries: Vec<StateEntry>,
    /// Behind which key the next page begins; `None` on the last one.
    pub next: Option<String>,
}

impl Runtime {
    /// What is under `key` of a worker's state.
    ///
    /// # Errors
    /// Not found, or a key that can't be one.
    pub async fn worker_state(
        &self,
        worker: &WorkerId,
        key: &str,
    ) -> Result<Option<StateEntry>, WorkerError> {
        self.last_index(worker).await?;
        let bucket = Bucket::of_worker(worker);
        let record = self.shared.key_values.read(&bucket, key).await;
        match record.map_err(|error| refused(worker, error))? {
            Some(record) => Ok(Some(self.state_entry(key.to_owned(), record, u64::MAX).await?)),
            None => Ok(None),
        }
    }

    /// Up to `limit` entries of a worker's state whose keys begin with `prefix`, behind `after`, in their order; fewer
    /// where they are large. Values of more than `most_bytes` are left out.
    ///
    /// # Errors
    /// Not found, or something damaged.
    pub async fn worker_states(
        &self,
        worker: &WorkerId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        most_bytes: u64,
    ) -> Result<StatePage, WorkerError> {
        self.last_index(worker).await?;
        let bucket = Bucket::of_worker(worker);
        let found = self.shared.key_values.records(&bucket, prefix, after, limit).await;
        let (records, next) = found.map_err(|error| refused(worker, error))?;
        let mut entries = Vec::with_capacity(records.len());
        for (key, record) in records {
            entries.push(self.state_entry(key, record, most_bytes).await?);
        }
        Ok(StatePage { entries, next })
    }

    /// Puts a value under `key` of a worker's state, or removes what is there, once that is durable; returns the version
    /// of what is there then.
    ///
    /// # Errors
    /// Not found, what can't be a key or a value, and [`WorkerError::StateStands`] if what is there is not what should be.
    pub async fn set_worker_state(
        &self,
        worker: &WorkerId,
        key: &str,
        value: Option<Vec<u8>>,
        standing: Standing,
    ) -> Result<Option<u64>, WorkerError> {
        let bucket = Bucket::of_worker(worker);
        let worker_key = worker.key()?;
        let owner = (&worker_key, &bucket);
        let changed = self.shared.key_values.change(owner, key, value, standing).await;
        match changed.map_err(|error| refused(worker, error))? {
            Changed::Done(version) => Ok(version),
            Changed::Refused(version) => Err(WorkerError::StateStands {
                worker: worker.to_string(),
                key: key.to_owned(),
                version,
            }),
        }
    }

    /// Removes all of a worker's state; returns how many keys there were.
    ///
    /// # Errors
    /// Not found.
    pub async fn clear_worker_state(&self, worker: &WorkerId) -> Result<u64, WorkerError> {
        self.last_index(worker).await?;
        Ok(self.shared.key_values.empty(&worker.key()?, &Bucket::of_worker(worker)).await?)
    }

    async fn state_entry(
        &self,
        key: String,
        record: Record,
        most_bytes: u64,
    ) -> Result<StateEntry, WorkerError> {
        let Record { version, written_at, value, .. } = record;
        let size = value.size();
        let value: Option<StoredValue> = Some(value).filter(|_| size <= most_bytes);
        let value = match value {
            Some(value) => Some(self.shared.key_values.load(value).await?),
            None => None,
        };
        Ok(StateEntry { key, version, written_at, size, value })
    }
}

fn refused(worker: &WorkerId, error: DataError) -> WorkerError {
    let worker = worker.to_string();
    match error {
        DataError::NoWorker => WorkerError::NotFound { worker },
        DataError::Refused(refusal) => {
            WorkerError::StateRefused { worker, detail: refusal.to_string() }
        }
        DataError::Store(error) => error.into(),
    }
}
