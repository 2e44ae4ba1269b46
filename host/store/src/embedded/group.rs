//! From batches to one write: the guard of appends, the items of a group, its marks.

use std::collections::{HashMap, HashSet};
use std::thread;
use std::time::Duration;

use super::cache::Recent;
use super::committer::{Acceptance, Sink};
use super::envelope::{Sealed, seal};
use super::keys::{log_key, record_key};
use super::marks::{Frame, Mark, Marks};
use super::tables::{Item, LogTail, Tables, TablesWriter};
use crate::error::describe;
use crate::{Append, Batch, Change, Expectation, StoreError, WorkerKey};

/// How often a writer that is held back looks whether the tables have caught up.
const CONGESTION_POLL: Duration = Duration::from_millis(2);

/// Of how many workers the last index is remembered, so that the guard of an append rarely has to
/// ask the tables: under 2 MiB with keys of 100 bytes.
const HEADS: u64 = 8192;

/// The [`Sink`] of the embedded engine.
pub(super) struct GroupWriter {
    writer: TablesWriter,
    tables: Tables,
    marks: Marks,
    /// The last index of workers that were written recently; 0 for an empty oplog.
    heads: Recent<WorkerKey, u64>,
    group: Group,
}

/// What is committed together. Each key occurs once, since in the tables all items of a group are
/// of one moment.
#[derive(Default)]
struct Group {
    log_items: Vec<Item>,
    records: HashMap<Vec<u8>, Option<Sealed>>,
    tails: HashMap<WorkerKey, LogTail>,
    deleted: HashSet<WorkerKey>,
}

impl GroupWriter {
    pub(super) fn new(writer: TablesWriter, marks: Marks) -> Self {
        let tables = writer.tables().clone();
        Self { writer, tables, marks, heads: Recent::new(HEADS), group: Group::default() }
    }

    /// What is written, to be read.
    pub(super) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Checks that `append` continues its oplog.
    fn guard(&mut self, append: &Append) -> Result<(), StoreError> {
        let Append { worker, first, .. } = append;
        let last = match self.group.tails.get(worker) {
            Some(tail) => tail.last,
            None => self.last_index(worker, *first)?,
        };
        // Indices end before u64::MAX: that many entries cannot be written.
        let expected = last.saturating_add(1);
        if expected == *first {
            return Ok(());
        }
        Err(StoreError::Conflict { worker: worker.clone(), expected, found: *first })
    }

    /// Checks that a record holds what is expected, as this group leaves it so far.
    fn compare(&self, expectation: &Expectation) -> Result<(), StoreError> {
        let Expectation { space, key, value: expected } = expectation;
        let place = record_key(*space, key);
        let found = match self.group.records.get(&place) {
            Some(pending) => pending.as_ref().map(|sealed| sealed.payload().to_vec()),
            None => self.tables.get(&place)?.map(|(value, _)| value),
        };
        if found == *expected {
            return Ok(());
        }
        let (space, key, expected) = (*space, key.clone(), expected.clone());
        Err(StoreError::Unexpected { space, key, expected, found })
    }

    /// The last stored index of `worker`, 0 for an empty oplog. `first` is only a hint how to find
    /// out cheaply: oplogs start at 1, so a point read tells whether there is one.
    fn last_index(&mut self, worker: &WorkerKey, first: u64) -> Result<u64, StoreError> {
        if let Some(last) = self.heads.get(worker) {
            return Ok(last);
        }
        let is_empty = first == 1 && self.tables.log_record(worker, 1)?.is_none();
        let tail = if is_empty { None } else { self.tables.log_tail(worker)? };
        let last = tail.map_or(0, |tail| tail.last);
        self.heads.set(worker.clone(), last, 1);
        Ok(last)
    }

    /// Adds a batch that passed every check.
    fn add(&mut self, batch: Batch, deletions: Vec<(WorkerKey, Vec<Item>)>) {
        for Append { worker, first, last, bytes } in batch.appends {
            let key = log_key(&worker, first);
            let sealed = seal(&key, &[&last.to_le_bytes(), &bytes]);
            let tail = LogTail { first, last, check: sealed.check };
            self.group.log_items.push((key, Some(sealed.bytes)));
            self.group.tails.insert(worker, tail);
        }
        for (worker, items) in deletions {
            if self.group.deleted.insert(worker) {
                self.group.log_items.extend(items);
            }
        }
        for change in batch.changes {
            let (key, value) = match change {
                Change::Put { space, key, value } => {
                    let key = record_key(space, &key);
                    let sealed = seal(&key, &[&value]);
                    (key, Some(sealed))
                }
                Change::Delete { space, key } => (record_key(space, &key), None),
            };
            self.group.records.insert(key, value);
        }
    }

    /// Waits until the tables have caught up with their files, unless the threads that write them
    /// have failed.
    fn wait_while_congested(&self) -> Result<(), String> {
        while self.tables.is_congested() {
            self.tables.check()?;
            thread::sleep(CONGESTION_POLL);
        }
        Ok(())
    }

    fn write_mark(&mut self, frame: &Frame) -> Result<(), String> {
        self.marks.write(frame).map_err(|error| describe(&error))
    }
}

impl Sink for GroupWriter {
    fn accept(&mut self, batch: Batch) -> Acceptance {
        if let Err(error) = batch.validate() {
            return Acceptance::Refused(error);
        }
        if self.group.must_precede(&batch) {
            return Acceptance::NextGroup(batch);
        }
        let guarded = batch.appends.iter().try_for_each(|append| self.guard(append));
        let guarded = guarded
            .and_then(|()| batch.expectations.iter().try_for_each(|record| self.compare(record)));
        let deletions = guarded.and_then(|()| {
            let workers = batch.delete_logs.iter();
            workers.map(|worker| Ok((worker.clone(), self.tables.log_removal(worker)?))).collect()
        });
        match deletions {
            Ok(deletions) => {
                self.add(batch, deletions);
                Acceptance::Accepted
            }
            Err(error) => Acceptance::Refused(error),
        }
    }

    fn commit(&mut self) -> Result<(), String> {
        if self.group.is_empty() {
            return Ok(());
        }
        self.wait_while_congested()?;
        self.tables.check()?;
        let group = self.tables.last_group() + 1;
        self.write_mark(&Frame::Intent { group, marks: self.group.marks() })?;
        let Group { mut log_items, records, tails, deleted } = std::mem::take(&mut self.group);
        log_items.extend(records.into_iter().map(|(key, sealed)| (key, sealed.map(|s| s.bytes))));
        self.writer.commit(group, log_items).map_err(|error| describe(&error))?;
        self.write_mark(&Frame::Acknowledged { group })?;
        let tails = tails.into_iter().map(|(worker, tail)| (worker, tail.last));
        let deleted = deleted.into_iter().map(|worker| (worker, 0));
        tails.chain(deleted).for_each(|(worker, last)| self.heads.set(worker, last, 1));
        self.marks.roll(group, &mut self.writer).map_err(|error| describe(&error))
    }

    fn is_congested(&self) -> bool {
        self.tables.is_congested()
    }
}

impl Group {
    fn is_empty(&self) -> bool {
        self.log_items.is_empty() && self.records.is_empty() && self.deleted.is_empty()
    }

    /// Whether `batch` deletes an oplog that this group changes, or the other way round.
    fn must_precede(&self, batch: &Batch) -> bool {
        let appended = batch.appends.iter().any(|append| self.deleted.contains(&append.worker));
        let deletes = |worker| self.tails.contains_key(worker) || self.deleted.contains(worker);
        appended || batch.delete_logs.iter().any(deletes)
    }

    fn marks(&self) -> Vec<Mark> {
        let bytes = |worker: &WorkerKey| worker.as_bytes().to_vec();
        let logs = self
            .tails
            .iter()
            .map(|(worker, tail)| Mark::Log { worker: bytes(worker), tail: *tail });
        let deleted = self.deleted.iter().map(|worker| Mark::NoLog { worker: bytes(worker) });
        let records = self.records.iter().map(|(key, value)| match value {
            Some(sealed) => Mark::Record { key: key.clone(), check: sealed.check },
            None => Mark::NoRecord { key: key.clone() },
        });
        logs.chain(deleted).chain(records).collect()
    }
}
