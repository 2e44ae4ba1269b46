//! Walks through the items of tables, in either direction.

use std::sync::Arc;

use super::Item;
use super::fault::Fault;
use super::meta::Range;
use super::section::Section;
use super::table::Table;
use crate::Order;

/// The items of one level's tables within a range; the tables do not overlap.
pub(super) struct TableCursor {
    /// Those that are not begun, the next one last.
    tables: Vec<Arc<Table>>,
    range: Range,
    order: Order,
    current: Option<Place>,
    /// Items of the current page, the next one last.
    items: Vec<Item>,
}

/// Where the cursor stands in a table: the page that is to be read next.
struct Place {
    table: Arc<Table>,
    section: usize,
    index: Arc<Section>,
    page: usize,
}

impl TableCursor {
    /// `tables` are in the order of their keys.
    pub(super) fn new(mut tables: Vec<Arc<Table>>, range: Range, order: Order) -> Self {
        if order == Order::Forward {
            tables.reverse();
        }
        Self { tables, range, order, current: None, items: Vec::new() }
    }

    pub(super) fn next(&mut self) -> Result<Option<Item>, Fault> {
        loop {
            if let Some(item) = self.items.pop() {
                return Ok(Some(item));
            }
            let place = match self.current.take() {
                Some(place) => place,
                None => match self.tables.pop() {
                    None => return Ok(None),
                    Some(table) => match Place::enter(table, &self.range, self.order)? {
                        None => continue,
                        Some(place) => place,
                    },
                },
            };
            self.items = place.table.page(&place.index, place.page)?;
            let (start, range) = (self.range.start.as_slice(), &self.range);
            self.items
                .retain(|item| start <= item.key.as_slice() && range.is_before_end(&item.key));
            if self.order == Order::Forward {
                self.items.reverse();
            }
            self.current = place.beyond(&self.range, self.order)?;
        }
    }
}

impl Place {
    /// Where `range` begins in `table`, in this order; `None` if it has no page in it.
    fn enter(table: Arc<Table>, range: &Range, order: Order) -> Result<Option<Self>, Fault> {
        let sections = table.sections()?;
        if sections == 0 {
            return Ok(None);
        }
        let (section, key) = match (order, &range.end) {
            (Order::Forward, _) => {
                (table.section_of(&range.start)?.unwrap_or(0), Some(&range.start))
            }
            (Order::Backward, Some(end)) => match table.section_of(end)? {
                None => return Ok(None),
                Some(section) => (section, Some(end)),
            },
            (Order::Backward, None) => (sections - 1, None),
        };
        let index = table.section(section)?;
        let page = match key {
            Some(key) => index.page_of(key).unwrap_or(0),
            None => index.pages.len() - 1,
        };
        Ok(Some(Self { table, section, index, page }))
    }

    /// The page behind this one, in this order, if it may hold keys of `range`.
    fn beyond(mut self, range: &Range, order: Order) -> Result<Option<Self>, Fault> {
        match order {
            Order::Forward => {
                self.page += 1;
                if self.page == self.index.pages.len() {
                    self.section += 1;
                    if self.section == self.table.sections()? {
                        return Ok(None);
                    }
                    self.index = self.table.section(self.section)?;
                    self.page = 0;
                }
                let first = &self.index.pages[self.page].first_key;
                Ok(range.is_before_end(first).then_some(self))
            }
            Order::Backward => {
                // The page that was read began at or before the start: nothing of the range is
                // left.
                if self.index.pages[self.page].first_key <= range.start {
                    return Ok(None);
                }
                if self.page > 0 {
                    self.page -= 1;
                    return Ok(Some(self));
                }
                let Some(section) = self.section.checked_sub(1) else {
                    return Ok(None);
                };
                self.section = section;
                self.index = self.table.section(section)?;
                self.page = self.index.pages.len() - 1;
                Ok(Some(self))
            }
        }
    }
}
