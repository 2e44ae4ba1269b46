//! Reads of the tree as it was at one moment.

use std::sync::Arc;

use super::cursor::TableCursor;
use super::fault::Fault;
use super::levels::Levels;
use super::memtable::{MemoryCursor, Memtable};
use super::merge::{Cursor, Merge, Rank};
use super::meta::{Hole, Range, successor};
use super::table::Table;
use super::{Found, Item, filter};
use crate::embedded::envelope;
use crate::embedded::keys::cover_key;
use crate::{KeyValue, Order};

/// What readers look at. Never changed, only replaced.
#[derive(Clone)]
pub(super) struct State {
    pub(super) active: Arc<Memtable>,
    /// Memtables on their way to a table, the newest first.
    pub(super) sealed: Vec<Arc<Memtable>>,
    pub(super) levels: Levels,
}

/// The tree at one moment.
pub(in crate::embedded) struct Snapshot {
    pub(super) state: Arc<State>,
    /// Everything up to this group is visible.
    pub(super) group: u64,
}

impl Snapshot {
    /// The value of `key`.
    pub(in crate::embedded) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        match self.find(key)? {
            (_, Found::Value(value)) => Ok(Some(value)),
            (_, Found::Removed | Found::Nothing) => Ok(None),
            (rank, Found::Hole(hole)) => match self.cover(key)? {
                Some(cover) if cover < rank => Ok(None),
                _ => Err(Fault::Hole(hole)),
            },
        }
    }

    /// The items of `range` that are there, in `order`.
    pub(in crate::embedded) fn range(&self, range: Range, order: Order) -> Result<Items, Fault> {
        let mut holes = self.holes(&range);
        if !holes.is_empty()
            && let Some(cover) = self.cover(&range.start)?
        {
            holes.retain(|(rank, _)| *rank <= cover);
        }
        let merge = Merge::new(self.cursors(&range, order), order)?;
        Ok(Items { merge, rest: range, order, holes })
    }

    /// The keys of `range` that are known, and whether there may be more.
    pub(in crate::embedded) fn known_keys(
        &self,
        range: &Range,
    ) -> Result<(Vec<Vec<u8>>, bool), Fault> {
        let mut merge = Merge::new(self.cursors(range, Order::Forward), Order::Forward)?;
        let mut keys = Vec::new();
        while let Some((_, item)) = merge.next()? {
            keys.extend(item.value.is_some().then_some(item.key));
        }
        Ok((keys, !self.holes(range).is_empty()))
    }

    /// The newest that is known of `key`, and the rank of where it was found.
    fn find(&self, key: &[u8]) -> Result<(Rank, Found), Fault> {
        let hash = filter::hash(key);
        for (rank, layer) in self.layers().enumerate() {
            let found = match layer {
                Layer::Memory(memtable) => memtable.get(key, self.group),
                Layer::Tables(tables) => match table_of(tables, key) {
                    Some(table) => table.get(key, hash)?,
                    None => Found::Nothing,
                },
            };
            if !matches!(found, Found::Nothing) {
                return Ok((rank, found));
            }
        }
        Ok((Rank::MAX, Found::Nothing))
    }

    /// The rank of the mark that says that all older holes around `key` are of a deleted oplog.
    fn cover(&self, key: &[u8]) -> Result<Option<Rank>, Fault> {
        let Some(cover) = cover_key(key) else {
            return Ok(None);
        };
        match self.find(&cover)? {
            (rank, Found::Value(value)) if envelope::open(&cover, &value).is_ok() => Ok(Some(rank)),
            _ => Ok(None),
        }
    }

    fn holes(&self, range: &Range) -> Vec<(Rank, Hole)> {
        let mut holes = Vec::new();
        for (rank, layer) in self.layers().enumerate() {
            let Layer::Tables(tables) = layer else {
                continue;
            };
            // Holes are rare: mostly this looks at the lengths of empty lists.
            for table in tables {
                let within = table.meta.holes.iter().filter_map(|hole| hole.within(range));
                holes.extend(within.map(|hole| (rank, hole)));
            }
        }
        holes
    }

    fn cursors(&self, range: &Range, order: Order) -> Vec<(Rank, Cursor)> {
        let cursors = self.layers().enumerate().filter_map(|(rank, layer)| {
            let cursor = match layer {
                Layer::Memory(memtable) => Cursor::Memory(MemoryCursor::new(
                    Arc::clone(memtable),
                    self.group,
                    range.clone(),
                    order,
                )),
                Layer::Tables(tables) => {
                    let tables: Vec<_> = overlapping(tables, range).to_vec();
                    if tables.is_empty() {
                        return None;
                    }
                    Cursor::Tables(TableCursor::new(tables, range.clone(), order))
                }
            };
            Some((rank, cursor))
        });
        cursors.collect()
    }

    /// Everything there is, the newest first. Their positions are ranks.
    fn layers(&self) -> impl Iterator<Item = Layer<'_>> {
        let State { active, sealed, levels } = &*self.state;
        let memory = std::iter::once(active).chain(sealed).map(Layer::Memory);
        let fresh = levels.fresh().iter().map(|table| Layer::Tables(std::slice::from_ref(table)));
        memory.chain(fresh).chain(levels.sorted().map(Layer::Tables))
    }
}

enum Layer<'a> {
    Memory(&'a Arc<Memtable>),
    /// Tables that do not overlap, in the order of their keys.
    Tables(&'a [Arc<Table>]),
}

/// The table that holds `key` if any does; `tables` do not overlap.
fn table_of<'a>(tables: &'a [Arc<Table>], key: &[u8]) -> Option<&'a Arc<Table>> {
    let behind = tables.partition_point(|table| *table.meta.min <= *key);
    tables.get(behind.checked_sub(1)?)
}

/// Those of `tables`, which do not overlap each other, that overlap `range`.
pub(super) fn overlapping<'a>(tables: &'a [Arc<Table>], range: &Range) -> &'a [Arc<Table>] {
    let start = tables.partition_point(|table| table.meta.max < range.start);
    let rest = &tables[start..];
    &rest[..rest.partition_point(|table| range.is_before_end(&table.meta.min))]
}

/// What is in a range; ends with a [`Fault::Hole`] where something may be missing.
pub(in crate::embedded) struct Items {
    merge: Merge,
    rest: Range,
    order: Order,
    holes: Vec<(Rank, Hole)>,
}

impl Items {
    /// The next key and its value.
    pub(in crate::embedded) fn next(&mut self) -> Result<Option<KeyValue>, Fault> {
        loop {
            let next = self.merge.next()?;
            if !self.holes.is_empty() {
                self.check_holes(next.as_ref())?;
            }
            match next {
                None => return Ok(None),
                Some((_, Item { key, value: Some(value) })) => return Ok(Some((key, value))),
                Some((_, Item { value: None, .. })) => {}
            }
        }
    }

    /// Fails if something newer than `next`, or something before it, may be missing.
    fn check_holes(&mut self, next: Option<&(Rank, Item)>) -> Result<(), Fault> {
        let passed = match (next, self.order) {
            (None, _) => self.rest.clone(),
            (Some((_, item)), Order::Forward) => {
                let start = std::mem::replace(&mut self.rest.start, successor(&item.key));
                Range { start, end: Some(item.key.clone()) }
            }
            (Some((_, item)), Order::Backward) => {
                let end = self.rest.end.replace(item.key.clone());
                Range { start: successor(&item.key), end }
            }
        };
        let hit = self.holes.iter().find(|(rank, hole)| {
            let newer = next.is_some_and(|(age, item)| rank < age && hole.contains(&item.key));
            newer || hole.overlaps(&passed)
        });
        hit.map_or(Ok(()), |(_, hole)| Err(Fault::Hole(hole.clone())))
    }
}
