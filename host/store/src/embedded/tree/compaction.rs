//! Merges tables into the next level.

use super::Item;
use super::cursor::TableCursor;
use super::fault::Fault;
use super::levels::Job;
use super::merge::{Cursor, Merge, Rank};
use super::meta::{Hole, Range, TableMeta};
use super::writer::TableWriter;
use crate::embedded::keys::covered_range;
use crate::{Order, StoreError};

/// Why a merge has no result.
pub(super) enum Failure {
    /// One of its tables is damaged.
    Damaged(Fault),
    /// A table could not be written.
    Io(StoreError),
    /// The tree is being closed.
    Closed,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Damaged(fault)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Io(error)
    }
}

/// Writes tables one after the other, each up to a size.
pub(super) struct Outputs<'a> {
    /// Gives a new table a number and a file.
    pub(super) create: &'a dyn Fn() -> Result<TableWriter, StoreError>,
    pub(super) table_bytes: u64,
    writer: Option<TableWriter>,
    pub(super) done: Vec<TableMeta>,
}

impl<'a> Outputs<'a> {
    pub(super) fn new(
        create: &'a dyn Fn() -> Result<TableWriter, StoreError>,
        table_bytes: u64,
    ) -> Self {
        Self { create, table_bytes, writer: None, done: Vec::new() }
    }

    pub(super) fn add(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
        let is_full =
            |writer: &mut TableWriter| writer.bytes() >= self.table_bytes && writer.max() < key;
        if let Some(full) = self.writer.take_if(is_full) {
            self.done.extend(full.finish()?);
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            empty => empty.insert((self.create)()?),
        };
        writer.add(key, value)
    }

    /// Finishes the last table and gives each hole to the tables around it.
    pub(super) fn finish(
        &mut self,
        holes: &[Hole],
        hole_id: impl FnOnce() -> u64,
    ) -> Result<(), StoreError> {
        if let Some(writer) = self.writer.take() {
            self.done.extend(writer.finish()?);
        }
        if holes.is_empty() {
            return Ok(());
        }
        if self.done.is_empty() {
            let (min, max) = (Vec::new(), Vec::new());
            let id = hole_id();
            self.done.push(TableMeta { id, bytes: 0, pages: 0, min, max, holes: Vec::new() });
        }
        // Before any hole is added, since that widens a table's range.
        let starts: Vec<_> = self.done.iter().skip(1).map(|table| table.min.clone()).collect();
        for (position, table) in self.done.iter_mut().enumerate() {
            let start = position.checked_sub(1).map_or(Vec::new(), |before| starts[before].clone());
            let share = Range { start, end: starts.get(position).cloned() };
            for hole in holes.iter().filter_map(|hole| hole.within(&share)) {
                table.add_hole(hole);
            }
        }
        Ok(())
    }
}

/// Merges the tables of `job`; returns the holes that are left.
pub(super) fn merge(
    job: &Job,
    outputs: &mut Outputs<'_>,
    is_closed: &dyn Fn() -> bool,
) -> Result<Vec<Hole>, Failure> {
    let mut holes: Vec<(Rank, Hole)> = Vec::new();
    let mut cursors = Vec::new();
    let groups = job.upper.iter().map(std::slice::from_ref).chain([job.lower.as_slice()]);
    for (rank, tables) in groups.enumerate() {
        let all = tables.iter().flat_map(|table| table.meta.holes.iter().cloned());
        holes.extend(all.map(|hole| (rank, hole)));
        let cursor = TableCursor::new(tables.to_vec(), Range::all(), Order::Forward);
        cursors.push((rank, Cursor::Tables(cursor)));
    }
    let mut merge = Merge::new(cursors, Order::Forward)?;
    let mut count = 0_u64;
    while let Some((rank, Item { key, value })) = merge.next()? {
        count += 1;
        if count.is_multiple_of(1024) && is_closed() {
            return Err(Failure::Closed);
        }
        // Whether this was replaced or removed is not known any more.
        if holes.iter().any(|(newer, hole)| *newer < rank && hole.contains(&key)) {
            continue;
        }
        let covered = if holes.is_empty() { None } else { covered_range(&key, value.as_deref()) };
        if let Some(covered) = covered {
            uncover(&mut holes, rank, &covered);
        }
        // A mark of removal has done its work when nothing older is left that it could hide.
        let is_spent = value.is_none() && job.is_bottom;
        if !is_spent || holes.iter().any(|(_, hole)| hole.contains(&key)) {
            outputs.add(&key, value.as_deref())?;
        }
    }
    Ok(holes.into_iter().map(|(_, hole)| hole).collect())
}

/// Takes the range of a deleted oplog out of the holes that are older than its deletion.
fn uncover(holes: &mut Vec<(Rank, Hole)>, rank: Rank, covered: &Range) {
    let rest = std::mem::take(holes).into_iter().flat_map(|(age, hole)| {
        let rest = if rank < age { hole.without(covered) } else { vec![hole] };
        rest.into_iter().map(move |hole| (age, hole))
    });
    *holes = rest.collect();
}
