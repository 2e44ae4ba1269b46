//! Changes of the set of tables: each is durable in the catalog before anybody sees it, and what it
//! makes superfluous is removed after that.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering as Atomic;
use std::sync::{Arc, PoisonError};

use super::Tree;
use rustc_hash::FxHashSet;

use super::catalog::Catalog;
use super::compaction::{self, Failure, Outputs};
use super::fault::Fault;
use super::levels::{Job, Levels};
use super::memtable::Memtable;
use super::meta::TableMeta;
use super::salvage;
use super::snapshot::State;
use super::table::Table;
use super::writer::TableWriter;
use crate::StoreError;
use crate::embedded::files::io_error;
use crate::error::describe;

/// How much larger than a memtable a merged table may be.
const TABLE_GROWTH: u64 = 4;

impl Tree {
    /// Writes `memtable`, the oldest there is, to a table, and removes it and its journal.
    pub(super) fn flush(&self, memtable: &Arc<Memtable>) -> Result<(), Failure> {
        let create = || self.create_table();
        let mut outputs = Outputs::new(&create, u64::MAX);
        for (count, (key, value)) in memtable.newest().enumerate() {
            if count % 1024 == 0 && self.is_closed() {
                return Err(Failure::Closed);
            }
            outputs.add(&key, value.as_deref())?;
        }
        outputs.finish(&[], || self.next_id())?;
        let tables = self.open_tables(outputs.done);
        self.change(Some(memtable), |levels| {
            tables.into_iter().for_each(|table| levels.add(0, table));
            true
        })?;
        memtable.remove_segments()?;
        Ok(())
    }

    /// Writes everything but the newest memtable to tables.
    pub(in crate::embedded) fn flush_now(&self) -> Result<(), StoreError> {
        while let Some(memtable) = self.current().sealed.last() {
            match self.flush(memtable) {
                Ok(()) => {}
                Err(Failure::Io(error)) => return Err(error),
                Err(Failure::Closed | Failure::Damaged(_)) => return Err(StoreError::Closed),
            }
        }
        Ok(())
    }

    /// Merges what `job` says.
    pub(super) fn compact(&self, job: &Job) -> Result<(), Failure> {
        let inputs: Vec<_> =
            job.upper.iter().chain(&job.lower).map(|table| table.meta.id).collect();
        let target = job.from + 1;
        if job.from > 0 && job.lower.is_empty() {
            // Nothing to merge with: the tables sink as they are.
            self.replace_tables(&inputs, target, job.upper.clone())?;
            return Ok(());
        }
        let create = || self.create_table();
        let mut outputs = Outputs::new(&create, self.memtable_bytes.saturating_mul(TABLE_GROWTH));
        let holes = compaction::merge(job, &mut outputs, &|| self.is_closed());
        // What was written is removed with the tables that are dropped unused.
        let merged = holes.and_then(|holes| {
            outputs.finish(&holes, || self.next_id())?;
            Ok(())
        });
        let tables = self.open_tables(outputs.done);
        let used =
            merged.and_then(|()| Ok(self.replace_tables(&inputs, target, tables.clone())?));
        if !matches!(used, Ok(true)) {
            tables.iter().for_each(|table| table.retire());
        }
        used.map(|_| ())
    }

    /// Replaces a damaged table by what is left of it.
    pub(super) fn salvage(&self, id: u64, detail: &str) -> Result<(), Fault> {
        let _one_at_a_time = self.salvaging.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.current();
        let Some((_, table)) = state.levels.find(id) else {
            return Ok(());
        };
        let fail = |reason: &str| Fault::Salvage {
            detail: format!("damaged table {detail}; it could not be written anew: {reason}"),
        };
        if self.is_closed() {
            return Err(fail("the store is closed"));
        }
        self.write_anew(table).map_err(|error| fail(&describe(&error)))?;
        tracing::warn!(detail, "a damaged table was written anew");
        Ok(())
    }

    fn write_anew(&self, table: &Arc<Table>) -> Result<(), StoreError> {
        let salvaged = salvage::salvage(table);
        let create = || self.create_table();
        let mut outputs = Outputs::new(&create, u64::MAX);
        for item in salvaged.items() {
            outputs.add(&item.key, item.value.as_deref())?;
        }
        outputs.finish(&salvaged.holes, || self.next_id())?;
        let lost = salvaged.holes.iter().filter(|hole| !table.meta.holes.contains(hole));
        let lost: Vec<_> = lost.collect();
        let replacement = self.open_tables(outputs.done).pop();
        let id = table.meta.id;
        let is_used = self.change(None, |levels| {
            let is_there = levels.find(id).is_some();
            levels.replace(id, replacement.clone());
            is_there
        })?;
        if !is_used {
            replacement.iter().for_each(|table| table.retire());
            return Ok(());
        }
        table.retire();
        for hole in lost {
            let hole = hole.describe();
            tracing::error!(
                hole,
                "data is lost: restore the state directory from a backup, or write it again"
            );
        }
        Ok(())
    }

    /// Puts `tables` into level `target` in place of `inputs`; `false` if one of those is gone.
    fn replace_tables(
        &self,
        inputs: &[u64],
        target: usize,
        tables: Vec<Arc<Table>>,
    ) -> Result<bool, StoreError> {
        let kept: Vec<_> = tables.iter().map(|table| table.meta.id).collect();
        let mut replaced = Vec::new();
        let is_done = self.change(None, |levels| {
            let found =
                inputs.iter().map(|id| levels.find(*id).map(|(_, table)| Arc::clone(table)));
            let Some(found) = found.collect::<Option<Vec<_>>>() else {
                return false;
            };
            replaced = found;
            inputs.iter().for_each(|id| levels.remove(*id));
            tables.into_iter().for_each(|table| levels.add(target, table));
            true
        })?;
        replaced.retain(|table| !kept.contains(&table.meta.id));
        if is_done {
            replaced.iter().for_each(|table| table.retire());
        }
        Ok(is_done)
    }

    /// Changes the tables with `edit`, unless that returns `false`, and takes away the memtable
    /// that was written to one.
    fn change(
        &self,
        flushed: Option<&Arc<Memtable>>,
        edit: impl FnOnce(&mut Levels) -> bool,
    ) -> Result<bool, StoreError> {
        let mut catalog = self.catalog.lock().unwrap_or_else(PoisonError::into_inner);
        let mut levels = self.current().levels.clone();
        if !edit(&mut levels) {
            return Ok(false);
        }
        let flushed_group = flushed.map_or(0, |memtable| memtable.last_group());
        let next = Catalog {
            generation: catalog.generation + 1,
            next_id: self.next_id.load(Atomic::Relaxed),
            flushed: catalog.flushed.max(flushed_group),
            tables: levels.all().map(|(level, table)| (level, table.meta.clone())).collect(),
        };
        next.write(&self.directory)?;
        *catalog = next;
        {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            let mut sealed = state.sealed.clone();
            sealed.retain(|memtable| flushed.is_none_or(|flushed| !Arc::ptr_eq(memtable, flushed)));
            *state = Arc::new(State { active: Arc::clone(&state.active), sealed, levels });
        }
        self.flushed.store(catalog.flushed, Atomic::Release);
        drop(catalog);
        self.notify();
        Ok(true)
    }

    fn open_tables(&self, metas: Vec<TableMeta>) -> Vec<Arc<Table>> {
        let open = |meta| Arc::new(Table::new(meta, &self.directory, Arc::clone(&self.cache)));
        metas.into_iter().map(open).collect()
    }

    fn create_table(&self) -> Result<TableWriter, StoreError> {
        TableWriter::create(&self.directory, self.next_id())
    }

    fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Atomic::Relaxed)
    }
}

/// Removes what a crash left of tables that never came into the catalog, or had left it.
#[expect(clippy::disallowed_methods, reason = "host/store owns the state directory")]
pub(super) fn remove_orphans(directory: &Path, catalog: &Catalog) -> Result<(), StoreError> {
    let known: FxHashSet<_> = catalog.tables.iter().map(|(_, table)| table.id).collect();
    for entry in fs::read_dir(directory).map_err(io_error("list", directory))? {
        let path = entry.map_err(io_error("list", directory))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let id = name.strip_suffix(".table").and_then(|id| id.parse().ok());
        if id.is_some_and(|id: u64| !known.contains(&id)) || name.ends_with(".new") {
            fs::remove_file(&path).map_err(io_error("remove", &path))?;
        }
    }
    Ok(())
}
