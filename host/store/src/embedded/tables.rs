//! The engine's two tables in fjall: oplogs and records. See `keys` and `envelope` for their form.
//!
//! ```text
//! logs:    worker, first index → envelope(last index | entries), one per append
//! records: space, key          → envelope(value)
//! ```
//! Everything is read from a snapshot, since fjall applies a batch to its tables item by item.

use std::ops::Bound;
use std::path::Path;

use fjall::config::{BloomConstructionPolicy, FilterPolicy, FilterPolicyEntry};
use fjall::{AbstractTree as _, Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};

use super::EmbeddedOptions;
use super::envelope;
use super::guard::without_panic;
use super::inspect::inspect;
use super::keys::{log_key, log_place, record_bounds, record_place};
use crate::store::{KeyRange, KeyValue, LogRecord, Order};
use crate::{Space, StoreError, WorkerKey};

/// fjall's smallest bound for its journals; at start-up it reads all of them.
const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;

const LOG_ADVICE: &str = "Restore the state directory from a backup, or delete this worker; \
                          other workers are not affected";
const RECORD_ADVICE: &str = "Restore the state directory from a backup, or have this record \
                             written again; other records are not affected";
const OPEN_ADVICE: &str = "Restore the state directory from a backup; \
                           nothing was changed by this attempt beyond what recovery truncates";

/// An item of a group: its key, and its sealed value or `None` to remove it.
pub(super) type Item = (Vec<u8>, Option<Vec<u8>>);

#[derive(Clone)]
pub(super) struct Tables {
    database: Database,
    logs: Keyspace,
    records: Keyspace,
}

/// A log record without its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogTail {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) check: u64,
}

impl Tables {
    /// Opens the tables in `directory`, replaying fjall's journals.
    pub(super) fn open(directory: &Path, options: &EmbeddedOptions) -> Result<Self, StoreError> {
        inspect(directory)?;
        let open = || -> fjall::Result<Self> {
            let database = Database::builder(directory)
                .cache_size(options.cache_bytes)
                .max_journaling_size(JOURNAL_BYTES)
                .worker_threads(2)
                .open()?;
            let logs = database.keyspace("logs", || table_options(options))?;
            let records = database.keyspace("records", || table_options(options))?;
            Ok(Self { database, logs, records })
        };
        let outcome = without_panic(open).and_then(|opened| opened.map_err(|e| e.to_string()));
        outcome.map_err(|detail| StoreError::Corrupt {
            place: format!("tables in {}", directory.display()),
            detail,
            advice: OPEN_ADVICE,
        })
    }

    /// Stores the items as one, synced, and then makes them visible.
    ///
    /// # Errors
    /// In words; after one, fjall accepts nothing more.
    pub(super) fn commit(&self, logs: Vec<Item>, records: Vec<Item>) -> Result<(), String> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for (table, items) in [(&self.logs, logs), (&self.records, records)] {
            for (key, value) in items {
                match value {
                    Some(value) => batch.insert(table, key, value),
                    None => batch.remove(table, key),
                }
            }
        }
        batch.commit().map_err(|error| error.to_string())
    }

    /// Whether fjall still accepts writes: one of its background threads may have failed.
    pub(super) fn check(&self) -> Result<(), String> {
        self.database.persist(PersistMode::Buffer).map_err(|error| error.to_string())
    }

    /// Whether so much waits to be written to table files that fjall would soon hold writers back.
    pub(super) fn is_congested(&self) -> bool {
        [&self.logs, &self.records]
            .iter()
            .any(|table| table.sealed_memtable_count() >= 3 || table.tree.l0_run_count() >= 19)
    }

    /// A number that grows with each commit, to be given to [`Tables::is_flushed`].
    pub(super) fn sequence(&self) -> u64 {
        self.database.snapshot().seqno()
    }

    /// Whether everything up to `sequence` is in table files, so that no journal is needed for it.
    pub(super) fn is_flushed(&self, sequence: u64) -> bool {
        [&self.logs, &self.records].iter().all(|table| {
            table.tree.get_highest_memtable_seqno().is_none()
                || table.tree.get_highest_persisted_seqno() >= Some(sequence)
        })
    }

    /// Begins to write what is in memory to table files, in the background.
    pub(super) fn start_flush(&self) -> Result<(), String> {
        for table in [&self.logs, &self.records] {
            table.rotate_memtable().map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// The last record of `worker`'s oplog.
    pub(super) fn log_tail(&self, worker: &WorkerKey) -> Result<Option<LogTail>, StoreError> {
        contained(
            || log_place(worker, None),
            LOG_ADVICE,
            || {
                let range = log_key(worker, 0)..=log_key(worker, u64::MAX);
                let Some(guard) = self.database.snapshot().range(&self.logs, range).next_back()
                else {
                    return Ok(None);
                };
                let (key, value) = guard.into_inner()?;
                Ok(Some(open_log(worker, &key, &value)))
            },
        )?
        .map(|record| record.map(|(tail, _)| tail))
        .transpose()
    }

    /// The last record of `worker`'s oplog, where it is known to start at `first`. Unlike
    /// [`Tables::log_tail`] this is a point read, which mostly asks only filters in memory if there
    /// is no such record.
    pub(super) fn log_record(
        &self,
        worker: &WorkerKey,
        first: u64,
    ) -> Result<Option<LogTail>, StoreError> {
        let key = log_key(worker, first);
        contained(
            || log_place(worker, Some(first)),
            LOG_ADVICE,
            || self.database.snapshot().get(&self.logs, &key),
        )?
        .map(|value| open_log(worker, &key, &value).map(|(tail, _)| tail))
        .transpose()
    }

    /// See [`Store::read_log`](crate::Store::read_log).
    pub(super) fn read_log(
        &self,
        worker: &WorkerKey,
        from: u64,
        limit_bytes: usize,
    ) -> Result<Vec<LogRecord>, StoreError> {
        let snapshot = self.database.snapshot();
        let place = || log_place(worker, Some(from));
        let before = contained(place, LOG_ADVICE, || {
            let range = log_key(worker, 0)..=log_key(worker, from);
            snapshot.range(&self.logs, range).next_back().map(fjall::Guard::into_inner).transpose()
        })?;
        let mut records = Vec::new();
        let mut expected = 1;
        if let Some((key, value)) = before {
            let (tail, entries) = open_log(worker, &key, &value)?;
            expected = tail.last.saturating_add(1);
            if tail.last >= from {
                records.push(LogRecord { first: tail.first, last: tail.last, bytes: entries });
            }
        }
        let after =
            (Bound::Excluded(log_key(worker, from)), Bound::Included(log_key(worker, u64::MAX)));
        let mut rest = contained(place, LOG_ADVICE, || Ok(snapshot.range(&self.logs, after)))?;
        let mut bytes: usize = records.iter().map(|record| record.bytes.len()).sum();
        loop {
            let place = || log_place(worker, Some(expected));
            let next = || rest.next().map(fjall::Guard::into_inner).transpose();
            let Some((key, value)) = contained(place, LOG_ADVICE, next)? else {
                return Ok(records);
            };
            let (tail, entries) = open_log(worker, &key, &value)?;
            if tail.first != expected {
                return Err(gap(worker, expected, tail.first));
            }
            bytes = bytes.saturating_add(entries.len());
            if bytes > limit_bytes && !records.is_empty() {
                return Ok(records);
            }
            expected = tail.last.saturating_add(1);
            records.push(LogRecord { first: tail.first, last: tail.last, bytes: entries });
        }
    }

    /// The keys of all records of `worker`'s oplog.
    pub(super) fn log_keys(&self, worker: &WorkerKey) -> Result<Vec<Vec<u8>>, StoreError> {
        contained(
            || log_place(worker, None),
            LOG_ADVICE,
            || {
                let range = log_key(worker, 0)..=log_key(worker, u64::MAX);
                let records = self.database.snapshot().range(&self.logs, range);
                records.map(|record| record.key().map(|key| key.to_vec())).collect()
            },
        )
    }

    /// The value under `key`, as [`record_key`] makes it, and its checksum.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u64)>, StoreError> {
        let value = contained(
            || record_place(key),
            RECORD_ADVICE,
            || self.database.snapshot().get(&self.records, key),
        )?;
        value.map(|value| open_record(key, &value)).transpose()
    }

    /// See [`Store::scan`](crate::Store::scan).
    pub(super) fn scan(
        &self,
        space: Space,
        range: KeyRange,
        order: Order,
        limit: usize,
    ) -> Result<Vec<KeyValue>, StoreError> {
        let Some(bounds) = record_bounds(space, range) else {
            return Ok(Vec::new());
        };
        let place = || format!("a record of space {}", space.number());
        let mut records = contained(place, RECORD_ADVICE, || {
            Ok(self.database.snapshot().range(&self.records, bounds))
        })?;
        let mut found = Vec::new();
        while found.len() < limit {
            let next = contained(place, RECORD_ADVICE, || {
                let record = match order {
                    Order::Forward => records.next(),
                    Order::Backward => records.next_back(),
                };
                record.map(fjall::Guard::into_inner).transpose()
            })?;
            let Some((key, value)) = next else {
                break;
            };
            let (value, _) = open_record(&key, &value)?;
            found.push((key[1..].to_vec(), value));
        }
        Ok(found)
    }
}

/// Options of both tables. Bloom filters on all levels, since asking for what is not there (the
/// first append of a worker, an idempotency key) is the common case.
fn table_options(options: &EmbeddedOptions) -> KeyspaceCreateOptions {
    let precise = FilterPolicyEntry::Bloom(BloomConstructionPolicy::FalsePositiveRate(0.0001));
    let small = FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(10.0));
    KeyspaceCreateOptions::default()
        .max_memtable_size(options.memtable_bytes)
        .filter_policy(FilterPolicy::new([precise, small]))
}

fn open_log(
    worker: &WorkerKey,
    key: &[u8],
    value: &[u8],
) -> Result<(LogTail, Vec<u8>), StoreError> {
    let first = key.last_chunk::<8>().map_or(0, |first| u64::from_be_bytes(*first));
    let opened = envelope::open(key, value).and_then(|(payload, check)| {
        let (last, entries) = payload
            .split_first_chunk::<8>()
            .ok_or_else(|| format!("expected at least 8 bytes, found {}", payload.len()))?;
        let last = u64::from_le_bytes(*last);
        Ok((LogTail { first, last, check }, entries.to_vec()))
    });
    opened.map_err(|detail| StoreError::Corrupt {
        place: log_place(worker, Some(first)),
        detail,
        advice: LOG_ADVICE,
    })
}

fn open_record(key: &[u8], value: &[u8]) -> Result<(Vec<u8>, u64), StoreError> {
    match envelope::open(key, value) {
        Ok((value, check)) => Ok((value.to_vec(), check)),
        Err(detail) => {
            let place = record_place(key);
            Err(StoreError::Corrupt { place, detail, advice: RECORD_ADVICE })
        }
    }
}

fn gap(worker: &WorkerKey, expected: u64, found: u64) -> StoreError {
    StoreError::Corrupt {
        place: log_place(worker, Some(expected)),
        detail: format!("expected entry {expected} next, found entry {found}"),
        advice: LOG_ADVICE,
    }
}

/// A read of fjall, with its errors and panics named by what was read.
fn contained<T>(
    place: impl FnOnce() -> String,
    advice: &'static str,
    read: impl FnOnce() -> fjall::Result<T>,
) -> Result<T, StoreError> {
    without_panic(read)
        .and_then(|outcome| outcome.map_err(|error| error.to_string()))
        .map_err(|detail| StoreError::Corrupt { place: place(), detail, advice })
}
