//! Joins the items of several sources into one order. Of one key the item of the newest source
//! counts.

use super::Item;
use super::cursor::TableCursor;
use super::fault::Fault;
use super::memtable::MemoryCursor;
use crate::Order;

/// The age of a source: a smaller rank is newer.
pub(super) type Rank = usize;

pub(super) enum Cursor {
    Memory(MemoryCursor),
    Tables(TableCursor),
}

pub(super) struct Merge {
    /// In the order of their ranks.
    sources: Vec<Source>,
    order: Order,
}

struct Source {
    rank: Rank,
    cursor: Cursor,
    head: Option<Item>,
}

impl Cursor {
    fn next(&mut self) -> Result<Option<Item>, Fault> {
        match self {
            Self::Memory(cursor) => Ok(cursor.next()),
            Self::Tables(cursor) => cursor.next(),
        }
    }
}

impl Merge {
    /// `cursors` are in the order of their ranks, each in `order`.
    pub(super) fn new(cursors: Vec<(Rank, Cursor)>, order: Order) -> Result<Self, Fault> {
        let sources = cursors.into_iter().map(|(rank, mut cursor)| {
            let head = cursor.next()?;
            Ok(Source { rank, cursor, head })
        });
        Ok(Self { sources: sources.collect::<Result<_, _>>()?, order })
    }

    /// The next key's newest item, and the rank of its source.
    pub(super) fn next(&mut self) -> Result<Option<(Rank, Item)>, Fault> {
        let Some(best) = self.best() else {
            return Ok(None);
        };
        let source = &mut self.sources[best];
        let rank = source.rank;
        let Some(item) = std::mem::replace(&mut source.head, source.cursor.next()?) else {
            return Ok(None);
        };
        // Older versions of the key, all behind the newest in the list.
        for source in &mut self.sources[best + 1..] {
            if source.head.as_ref().is_some_and(|head| head.key == item.key) {
                source.head = source.cursor.next()?;
            }
        }
        Ok(Some((rank, item)))
    }

    /// The source whose head is next; of several with the same key, the newest.
    fn best(&self) -> Option<usize> {
        let mut best: Option<(usize, &Item)> = None;
        for (position, source) in self.sources.iter().enumerate() {
            let Some(head) = &source.head else {
                continue;
            };
            let is_better = best.is_none_or(|(_, item)| match self.order {
                Order::Forward => head.key < item.key,
                Order::Backward => head.key > item.key,
            });
            if is_better {
                best = Some((position, head));
            }
        }
        best.map(|(position, _)| position)
    }
}
