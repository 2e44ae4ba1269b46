//! Oplogs and records as items of the tree, with the journal in front. See `keys` and `envelope`
//! for their form.
//!
//! ```text
//! worker, first index → envelope(last index | entries), one per append
//! space, key          → envelope(value)
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{create_directory, io_error};
use super::journal::{self, Journal, Recovered};
use super::keys::{
    bare_key, cover_key, log_key, log_place, log_range, log_worker, logs_behind, record_place,
    record_range,
};
use super::tree::{Background, Fault, Items, Tree};
use super::{EmbeddedOptions, envelope};
use crate::store::{KeyRange, KeyValue, LogRecord, Order};
use crate::{Space, StoreError, WorkerKey};

/// With this many segments a memtable is written to a table even if it is small: a server that is
/// started again and again leaves one each time.
const SEGMENTS_MAX: usize = 16;

const LOG_ADVICE: &str = "Restore the state directory from a backup, or delete this worker; \
                          other workers are not affected";
const RECORD_ADVICE: &str = "Restore the state directory from a backup, or have this record \
                             written again; other records are not affected";

/// An item of a group: its key, and its sealed value or `None` to remove it.
pub(super) type Item = (Vec<u8>, Option<Vec<u8>>);

/// For reads, as many at once as there are.
#[derive(Clone)]
pub(super) struct Tables {
    tree: Arc<Tree>,
}

/// For writes, of one thread. Stops what runs in the background when dropped.
pub(super) struct TablesWriter {
    tables: Tables,
    journal: Journal,
    _background: Background,
}

/// Tables that were opened and are not written yet.
pub(super) struct Opened {
    pub(super) tables: Tables,
    pub(super) recovered: Recovered,
    directory: PathBuf,
}

/// A log record without its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogTail {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) check: u64,
}

/// Makes empty tables in the state directory.
pub(super) fn create(directory: &Path) -> Result<(), StoreError> {
    let tables = directory.join("tables");
    create_directory(&tables)?;
    Tree::create(&tables)
}

/// Opens the tables of the state directory and reads the journal. Nothing is changed but for what a
/// crash left half made. `acknowledged` is the last group that is known to have been finished.
pub(super) fn open(options: &EmbeddedOptions, acknowledged: u64) -> Result<Opened, StoreError> {
    let directory = options.directory.join("journal");
    create_directory(&directory)?;
    let tables = options.directory.join("tables");
    let tree = Tree::open(&tables, options.memtable_bytes, options.cache_bytes)?;
    let insert = |group, items| tree.insert(group, items);
    let recovered = journal::recover(&directory, tree.flushed_group(), acknowledged, insert)?;
    Ok(Opened { tables: Tables { tree: Arc::new(tree) }, recovered, directory })
}

impl Opened {
    /// Begins to write. With `settle` everything in the journal goes to a table first, so that the
    /// journal, with whatever is wrong with it, is done with.
    pub(super) fn begin(self, settle: bool) -> Result<TablesWriter, StoreError> {
        let Self { tables, recovered, directory } = self;
        if let Some(cut) = &recovered.cut {
            cut.apply()?;
        }
        let tree = &tables.tree;
        let is_much = recovered.segments.len() >= SEGMENTS_MAX || tree.is_full();
        recovered.segments.iter().for_each(|segment| tree.add_segment(segment.clone()));
        let journal = Journal::begin(&directory, recovered.next_segment)?;
        let segment = journal.path().to_owned();
        if settle || is_much {
            tree.rotate(vec![segment]);
        } else {
            tree.add_segment(segment);
        }
        if settle {
            tree.flush_now()?;
        }
        let background =
            Background::start(tree).map_err(io_error("start a thread for", &directory))?;
        Ok(TablesWriter { tables, journal, _background: background })
    }
}

impl TablesWriter {
    /// What is written, to be read.
    pub(super) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Stores the items as `group`, synced, and then makes them visible. Each key occurs once.
    ///
    /// # Errors
    /// After one, nothing more must be committed.
    pub(super) fn commit(&mut self, group: u64, items: Vec<Item>) -> Result<(), StoreError> {
        let tree = &self.tables.tree;
        let borrowed = items.iter().map(|(key, value)| (key.as_slice(), value.as_deref()));
        self.journal.append(group, borrowed)?;
        tree.insert(group, items);
        if tree.is_full() { self.start_flush() } else { Ok(()) }
    }

    /// Begins to write what is in memory to a table, in the background.
    pub(super) fn start_flush(&mut self) -> Result<(), StoreError> {
        if self.tables.tree.active_bytes() == 0 {
            return Ok(());
        }
        self.journal.next_segment()?;
        self.tables.tree.rotate(vec![self.journal.path().to_owned()]);
        Ok(())
    }
}

impl Tables {
    /// Whether tables can still be written.
    pub(super) fn check(&self) -> Result<(), String> {
        self.tree.check()
    }

    /// Whether so much waits to be written to table files that writers should wait.
    pub(super) fn is_congested(&self) -> bool {
        self.tree.is_congested()
    }

    /// The last group that was committed.
    pub(super) fn last_group(&self) -> u64 {
        self.tree.last_group()
    }

    /// Whether everything up to `group` is in table files, so that no journal is needed for it.
    pub(super) fn is_flushed(&self, group: u64) -> bool {
        self.tree.flushed_group() >= group
    }

    /// The last record of `worker`'s oplog.
    pub(super) fn log_tail(&self, worker: &WorkerKey) -> Result<Option<LogTail>, StoreError> {
        let last = self.tree.read(|snapshot| {
            snapshot.range(log_range(worker, 1, u64::MAX), Order::Backward)?.next()
        });
        let last = last.map_err(|fault| lost_log(worker, None, &fault))?;
        last.map(|(key, value)| open_log(worker, &key, &value).map(|(tail, _)| tail)).transpose()
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
        let value = self.tree.read(|snapshot| snapshot.get(&key));
        let value = value.map_err(|fault| lost_log(worker, Some(first), &fault))?;
        value.map(|value| open_log(worker, &key, &value).map(|(tail, _)| tail)).transpose()
    }

    /// See [`Store::read_log`](crate::Store::read_log).
    pub(super) fn read_log(
        &self,
        worker: &WorkerKey,
        from: u64,
        limit_bytes: usize,
    ) -> Result<Vec<LogRecord>, StoreError> {
        let from = from.max(1);
        let found = self.tree.read(|snapshot| {
            let before = snapshot.range(log_range(worker, 1, from), Order::Backward)?.next()?;
            // Where nothing starts at or before `from`, the oplog must begin with entry 1.
            let start = before.map_or(1, |(key, _)| key_index(&key));
            let items = snapshot.range(log_range(worker, start, u64::MAX), Order::Forward)?;
            read_records(worker, items, start, from, limit_bytes)
        });
        found.unwrap_or_else(|fault| Err(lost_log(worker, Some(from), &fault)))
    }

    /// The first worker behind `after` that has an oplog.
    pub(super) fn next_log(
        &self,
        after: Option<&WorkerKey>,
    ) -> Result<Option<WorkerKey>, StoreError> {
        let mut after = after.cloned();
        loop {
            let range = logs_behind(after.as_ref());
            let next = self.tree.read(|snapshot| {
                let mut items = snapshot.range(range.clone(), Order::Forward)?;
                Ok(items.next()?.map(|(key, _)| key))
            });
            let Some(key) = next.map_err(|fault| lost_names(after.as_ref(), &fault))? else {
                return Ok(None);
            };
            let Some(worker) = log_worker(&key) else { return Ok(None) };
            // What comes first may be no more than the mark of an oplog that was deleted.
            if self.log_tail(&worker)?.is_some() {
                return Ok(Some(worker));
            }
            after = Some(worker);
        }
    }

    /// The keys of all records of `worker`'s oplog that are known, to be removed, and a cover if
    /// there may be others.
    pub(super) fn log_removal(&self, worker: &WorkerKey) -> Result<Vec<Item>, StoreError> {
        let range = log_range(worker, 0, u64::MAX);
        let known = self.tree.read(|snapshot| snapshot.known_keys(&range));
        let (keys, may_be_more) = known.map_err(|fault| lost_log(worker, None, &fault))?;
        let mut items: Vec<Item> = keys.into_iter().map(|key| (key, None)).collect();
        if may_be_more && let Some(cover) = cover_key(&range.start) {
            items.retain(|(key, _)| *key != cover);
            let sealed = envelope::seal(&cover, &[]);
            items.push((cover, Some(sealed.bytes)));
        }
        Ok(items)
    }

    /// The value under `key`, as [`record_key`](super::keys::record_key) makes it, and its
    /// checksum.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u64)>, StoreError> {
        let value = self.tree.read(|snapshot| snapshot.get(key));
        let value = value.map_err(|fault| lost_record(record_place(key), &fault))?;
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
        let Some(range) = record_range(space, range) else {
            return Ok(Vec::new());
        };
        let found = self.tree.read(|snapshot| {
            let mut items = snapshot.range(range.clone(), order)?;
            let mut found = Vec::new();
            while found.len() < limit
                && let Some(item) = items.next()?
            {
                found.push(item);
            }
            Ok(found)
        });
        let place = || format!("a record of space {}", space.number());
        let found = found.map_err(|fault| lost_record(place(), &fault))?;
        let open = |(key, value): (Vec<u8>, Vec<u8>)| {
            let (value, _) = open_record(&key, &value)?;
            Ok((bare_key(&key).to_vec(), value))
        };
        found.into_iter().map(open).collect()
    }
}

/// Reads records from the one that starts at `start` on, as far as they hold entries from `from`.
/// What is damaged is the inner error; the outer one is the tree's to heal.
fn read_records(
    worker: &WorkerKey,
    mut items: Items,
    start: u64,
    from: u64,
    limit_bytes: usize,
) -> Result<Result<Vec<LogRecord>, StoreError>, Fault> {
    let mut records = Vec::new();
    let mut bytes = 0_usize;
    let mut expected = start;
    loop {
        let (key, value) = match items.next() {
            Ok(Some(item)) => item,
            Ok(None) => return Ok(Ok(records)),
            Err(hole @ Fault::Hole(_)) => return Ok(Err(lost_log(worker, Some(expected), &hole))),
            Err(fault) => return Err(fault),
        };
        let (LogTail { first, last, .. }, entries) = match open_log(worker, &key, &value) {
            Ok(record) => record,
            Err(error) => return Ok(Err(error)),
        };
        if first != expected {
            return Ok(Err(gap(worker, expected, first)));
        }
        expected = last.saturating_add(1);
        if last < from {
            continue;
        }
        bytes = bytes.saturating_add(entries.len());
        if bytes > limit_bytes && !records.is_empty() {
            return Ok(Ok(records));
        }
        records.push(LogRecord { first, last, bytes: entries });
    }
}

/// The index at the end of a log record's key.
fn key_index(key: &[u8]) -> u64 {
    key.last_chunk::<8>().map_or(0, |first| u64::from_be_bytes(*first))
}

fn open_log(
    worker: &WorkerKey,
    key: &[u8],
    value: &[u8],
) -> Result<(LogTail, Vec<u8>), StoreError> {
    let first = key_index(key);
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

fn lost_log(worker: &WorkerKey, index: Option<u64>, fault: &Fault) -> StoreError {
    let place = log_place(worker, index);
    StoreError::Corrupt { place, detail: fault.to_string(), advice: LOG_ADVICE }
}

fn lost_names(after: Option<&WorkerKey>, fault: &Fault) -> StoreError {
    let place = match after {
        Some(worker) => format!("the name of an oplog behind that of worker {worker}"),
        None => "the name of the first oplog".to_owned(),
    };
    StoreError::Corrupt { place, detail: fault.to_string(), advice: LOG_ADVICE }
}

fn lost_record(place: String, fault: &Fault) -> StoreError {
    StoreError::Corrupt { place, detail: fault.to_string(), advice: RECORD_ADVICE }
}
