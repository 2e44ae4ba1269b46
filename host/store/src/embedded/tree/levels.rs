//! Which tables there are, and which of them are to be merged next.
//!
//! Level 0 holds tables as they come from memory, overlapping, the newest first. In each level
//! below tables do not overlap and are in the order of their keys. Data sinks: what is above is
//! newer.

use std::sync::Arc;

use super::meta::Range;
use super::snapshot::overlapping;
use super::table::Table;

pub(super) const LEVELS: usize = 7;

/// With this many tables level 0 is merged into level 1.
const FRESH_TABLES: usize = 4;

/// How many times larger each level may be than the one above.
const GROWTH: u64 = 10;

#[derive(Clone, Default)]
pub(super) struct Levels {
    levels: [Vec<Arc<Table>>; LEVELS],
}

/// Tables of level `from`, the newest first, to be merged with those of the next level that they
/// overlap.
#[derive(Clone)]
pub(super) struct Job {
    pub(super) from: usize,
    pub(super) upper: Vec<Arc<Table>>,
    pub(super) lower: Vec<Arc<Table>>,
    /// Whether no table below the next level has keys in their range.
    pub(super) is_bottom: bool,
}

impl Levels {
    /// The tables of level 0, the newest first.
    pub(super) fn fresh(&self) -> &[Arc<Table>] {
        &self.levels[0]
    }

    /// The levels below, from the top.
    pub(super) fn sorted(&self) -> impl Iterator<Item = &[Arc<Table>]> {
        self.levels[1..].iter().map(Vec::as_slice)
    }

    /// All tables with their levels.
    pub(super) fn all(&self) -> impl Iterator<Item = (usize, &Arc<Table>)> {
        let levels = self.levels.iter().enumerate();
        levels.flat_map(|(level, tables)| tables.iter().map(move |table| (level, table)))
    }

    pub(super) fn find(&self, id: u64) -> Option<(usize, &Arc<Table>)> {
        self.all().find(|(_, table)| table.meta.id == id)
    }

    /// Adds a table: to level 0 as the newest, else where its keys belong.
    pub(super) fn add(&mut self, level: usize, table: Arc<Table>) {
        let tables = &mut self.levels[level];
        let position = match level {
            0 => 0,
            _ => tables.partition_point(|other| other.meta.min < table.meta.min),
        };
        tables.insert(position, table);
    }

    /// Adds a table as the oldest of its level, as the catalog lists them.
    pub(super) fn push(&mut self, level: usize, table: Arc<Table>) {
        self.levels[level].push(table);
    }

    /// Puts `table` in the place of the one with this number.
    pub(super) fn replace(&mut self, id: u64, table: Option<Arc<Table>>) {
        for tables in &mut self.levels {
            if let Some(position) = tables.iter().position(|old| old.meta.id == id) {
                tables.splice(position..=position, table);
                return;
            }
        }
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.replace(id, None);
    }

    /// What is to be merged next; `base_bytes` is how large level 1 may be. `after` is where the
    /// last merge of each level ended.
    pub(super) fn choose(&self, base_bytes: u64, after: &[Vec<u8>; LEVELS]) -> Option<Job> {
        if self.levels[0].len() >= FRESH_TABLES {
            return Some(self.job(0, self.levels[0].clone()));
        }
        let mut limit = base_bytes;
        for (level, after) in after.iter().enumerate().take(LEVELS - 1).skip(1) {
            let tables = &self.levels[level];
            if tables.iter().map(|table| table.meta.bytes).sum::<u64>() > limit {
                let next = tables.partition_point(|table| table.meta.min <= *after);
                let table = tables.get(next).or(tables.first())?;
                return Some(self.job(level, vec![Arc::clone(table)]));
            }
            limit = limit.saturating_mul(GROWTH);
        }
        None
    }

    /// A merge of all of `level`, or of one table of it; `None` if it is empty.
    #[cfg(test)]
    pub(super) fn job_for_tests(&self, level: usize) -> Option<Job> {
        let tables = &self.levels[level];
        let upper =
            if level == 0 { tables.clone() } else { tables.first().cloned().into_iter().collect() };
        (!upper.is_empty()).then(|| self.job(level, upper))
    }

    fn job(&self, from: usize, upper: Vec<Arc<Table>>) -> Job {
        let min = upper.iter().map(|table| &table.meta.min).min().cloned().unwrap_or_default();
        let max = upper.iter().map(|table| &table.meta.max).max().cloned().unwrap_or_default();
        let range = Range::up_to(min, &max);
        let lower = overlapping(&self.levels[from + 1], &range).to_vec();
        let is_bottom = self.levels[from + 2..].iter().all(|tables| {
            lower.iter().chain(&upper).all(|table| {
                let range = Range::up_to(table.meta.min.clone(), &table.meta.max);
                overlapping(tables, &range).is_empty()
            })
        });
        Job { from, upper, lower, is_bottom }
    }
}
