//! An ordered map on disk: a log-structured merge tree whose damage stays where it is.
//!
//! New items are in memory (`memtable`, and in the journal until they are in a table). A full
//! memtable becomes a table of level 0; tables are merged into the levels below (`levels`,
//! `compaction`). Which tables there are stands in the `catalog`. A read joins all of them
//! (`snapshot`, `merge`), the newest version of a key counts.
//!
//! **Damage.** A flipped bit in a value is that item's alone: merges carry the value on as it is,
//! and its own checksum tells whoever reads it. Everything else in a table is there twice, so a
//! damaged table is replaced by a whole one (`salvage`) as soon as a read or a merge meets the
//! damage. Where both copies are gone, the keys in question are a hole: reads of it fail, also
//! after merges, until they are written again. No damage stops a merge or a write of others.

mod background;
mod catalog;
mod change;
mod compaction;
mod cursor;
mod fault;
mod filter;
mod levels;
mod memtable;
mod merge;
mod meta;
mod salvage;
mod section;
mod snapshot;
mod table;
#[cfg(test)]
mod tests;
mod top;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering as Atomic};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};

use super::cache::Recent;
use crate::StoreError;
use catalog::Catalog;
use levels::Levels;
use memtable::Memtable;
use snapshot::State;
use table::{IndexCache, Table};

pub(super) use background::Background;
pub(super) use catalog::replace_file;
pub(super) use fault::Fault;
pub(super) use meta::{Hole, Range};
pub(super) use snapshot::{Items, Snapshot};

/// With this many memtables on their way to a table, writers wait.
const SEALED_MAX: usize = 3;

/// With this many tables in level 0, writers wait.
const FRESH_MAX: usize = 16;

/// How many damaged tables one read replaces before it gives up.
const SALVAGES_PER_READ: usize = 100;

/// A key and its value; `None` where it was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    key: Vec<u8>,
    value: Option<Vec<u8>>,
}

/// What one place knows of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Removed,
    Value(Vec<u8>),
    Hole(Hole),
}

/// The tree, for all who read and write it.
pub(super) struct Tree {
    directory: PathBuf,
    memtable_bytes: u64,
    cache: Arc<IndexCache>,
    state: RwLock<Arc<State>>,
    /// Readers see everything up to this group.
    visible: AtomicU64,
    /// As it is on disk. Held while the set of tables changes.
    catalog: Mutex<Catalog>,
    next_id: AtomicU64,
    flushed: AtomicU64,
    /// Held while a damaged table is replaced.
    salvaging: Mutex<()>,
    closed: AtomicBool,
    /// Counts changes that may be work for a background thread.
    changes: Mutex<u64>,
    changed: Condvar,
    failure: Mutex<Option<String>>,
}

impl Tree {
    /// Makes an empty tree in `directory`.
    pub(super) fn create(directory: &Path) -> Result<(), StoreError> {
        Catalog { generation: 1, next_id: 1, ..Catalog::default() }.write(directory)
    }

    /// Opens the tree in `directory` with what is in its tables.
    pub(super) fn open(
        directory: &Path,
        memtable_bytes: u64,
        cache_bytes: u64,
    ) -> Result<Self, StoreError> {
        let catalog = Catalog::read(directory)?;
        change::remove_orphans(directory, &catalog)?;
        let cache = Arc::new(Mutex::new(Recent::new(cache_bytes)));
        let mut levels = Levels::default();
        for (level, meta) in &catalog.tables {
            let table = Table::new(meta.clone(), directory, Arc::clone(&cache));
            levels.push(*level, Arc::new(table));
        }
        let active = Arc::new(Memtable::new(Vec::new()));
        let state = State { active, sealed: Vec::new(), levels };
        Ok(Self {
            directory: directory.to_owned(),
            memtable_bytes,
            cache,
            state: RwLock::new(Arc::new(state)),
            visible: AtomicU64::new(catalog.flushed),
            next_id: AtomicU64::new(catalog.next_id),
            flushed: AtomicU64::new(catalog.flushed),
            catalog: Mutex::new(catalog),
            salvaging: Mutex::default(),
            closed: AtomicBool::new(false),
            changes: Mutex::default(),
            changed: Condvar::new(),
            failure: Mutex::default(),
        })
    }

    /// Reads with `read`, again whenever a damaged table was replaced.
    pub(super) fn read<T>(&self, read: impl Fn(&Snapshot) -> Result<T, Fault>) -> Result<T, Fault> {
        for _ in 0..SALVAGES_PER_READ {
            match read(&self.snapshot()) {
                Err(Fault::Table { id, detail }) => self.salvage(id, &detail)?,
                outcome => return outcome,
            }
        }
        read(&self.snapshot())
    }

    /// The tree as it is now.
    pub(super) fn snapshot(&self) -> Snapshot {
        // In this order: what is visible by now is in this state or a later one. The lock makes
        // sure that it is in this one.
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let group = self.visible.load(Atomic::Acquire);
        Snapshot { state: Arc::clone(&state), group }
    }

    /// Adds items of `group`, later than every group before it; they become visible at once. For
    /// one thread.
    pub(super) fn insert(
        &self,
        group: u64,
        items: impl IntoIterator<Item = (Vec<u8>, Option<Vec<u8>>)>,
    ) {
        let active = Arc::clone(&self.current().active);
        for (key, value) in items {
            active.insert(group, key, value);
        }
        self.visible.store(group, Atomic::Release);
    }

    /// Whether the memtable is large enough to become a table.
    pub(super) fn is_full(&self) -> bool {
        self.current().active.bytes() >= self.memtable_bytes
    }

    /// How much is in the memtable.
    pub(super) fn active_bytes(&self) -> u64 {
        self.current().active.bytes()
    }

    /// Begins a new memtable, which `segments` of the journal hold, and hands the old one to be
    /// written to a table. For the thread that inserts.
    pub(super) fn rotate(&self, segments: Vec<PathBuf>) {
        {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            let mut next = State::clone(&state);
            let old = std::mem::replace(&mut next.active, Arc::new(Memtable::new(segments)));
            next.sealed.insert(0, old);
            *state = Arc::new(next);
        }
        self.notify();
    }

    /// The memtable's items are in this segment of the journal too.
    pub(super) fn add_segment(&self, segment: PathBuf) {
        self.current().active.add_segment(segment);
    }

    /// The last group that is visible.
    pub(super) fn last_group(&self) -> u64 {
        self.visible.load(Atomic::Acquire)
    }

    /// Everything up to this group is in tables.
    pub(super) fn flushed_group(&self) -> u64 {
        self.flushed.load(Atomic::Acquire)
    }

    /// Whether so much waits to be written or merged that writers should wait.
    pub(super) fn is_congested(&self) -> bool {
        let state = self.current();
        state.sealed.len() >= SEALED_MAX || state.levels.fresh().len() >= FRESH_MAX
    }

    /// Fails with the reason if a table could not be written.
    pub(super) fn check(&self) -> Result<(), String> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.clone().map_or(Ok(()), Err)
    }

    fn current(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Atomic::Relaxed)
    }

    /// Tells the background threads that there may be work.
    fn notify(&self) {
        *self.changes.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }
}
