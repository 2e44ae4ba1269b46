//! Records in their order, the way two sorted lists are compared.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::mem::take;
use std::ops::Bound;

use super::{CopyError, Run, record_name};
use crate::{Batch, Change, KeyRange, KeyValue, Order, Space, Store, StoreError};

/// Records that are read at once. Values may be as large as a batch, but seldom are.
const PAGE_RECORDS: usize = 64;

/// What one batch takes.
const BATCH_BYTES: usize = 256 << 10;

impl Run<'_> {
    /// Makes the records of `range` the same in the target, or checks that they are.
    pub(super) async fn records(&mut self, space: Space, range: KeyRange) -> Result<(), CopyError> {
        let mut theirs = Walk::new(self.job.source.store, space, range.clone());
        let mut ours = Walk::new(self.job.target.store, space, range);
        if !self.compares {
            ours.rest = None;
        }
        let mut changes = Changes::default();
        loop {
            theirs.fill().await?;
            ours.fill().await?;
            let Some(order) = order(&theirs, &ours) else { break };
            let change = match (order, theirs.page.front(), ours.page.front()) {
                (Ordering::Greater, _, Some((key, _))) => {
                    Some(Change::Delete { space, key: key.clone() })
                }
                (Ordering::Equal, Some((_, theirs)), Some((_, ours))) if theirs == ours => None,
                (_, Some((key, value)), _) => {
                    Some(Change::Put { space, key: key.clone(), value: value.clone() })
                }
                _ => None,
            };
            if let Some(change) = &change
                && self.is_check()
            {
                return Err(self.record_differs(&theirs, &ours, change));
            }
            self.step(order, &mut theirs, &mut ours);
            if let Some(change) = change
                && let Some(batch) = changes.add(change)
            {
                self.writer.submit(batch).await?;
            }
        }
        if let Some(batch) = changes.take() {
            self.writer.submit(batch).await?;
        }
        self.tell();
        Ok(())
    }

    /// Leaves the smaller of the two keys behind, or both if they are the same.
    fn step(&mut self, order: Ordering, theirs: &mut Walk<'_>, ours: &mut Walk<'_>) {
        if order.is_le()
            && let Some((key, value)) = theirs.page.pop_front()
        {
            self.progress.records += 1;
            self.progress.bytes += (key.len() + value.len()) as u64;
            if theirs.page.is_empty() {
                self.tell();
            }
        }
        if order.is_ge() {
            ours.page.pop_front();
        }
    }

    fn record_differs(&self, theirs: &Walk<'_>, ours: &Walk<'_>, change: &Change) -> CopyError {
        let (space, key) = change.target();
        let shown = |walk: &Walk<'_>| match walk.page.front() {
            Some((found, value)) if found == key => {
                format!("{} bytes with digest {}", value.len(), crate::Digest::of(value))
            }
            _ => "nothing".to_owned(),
        };
        self.differs(record_name(space, key), shown(theirs), shown(ours))
    }
}

/// Which of the two stands at the smaller key; `None` at the end of both.
fn order(theirs: &Walk<'_>, ours: &Walk<'_>) -> Option<Ordering> {
    match (theirs.page.front(), ours.page.front()) {
        (None, None) => None,
        (Some(_), None) => Some(Ordering::Less),
        (None, Some(_)) => Some(Ordering::Greater),
        (Some((key, _)), Some((our_key, _))) => Some(key.cmp(our_key)),
    }
}

/// Reads the records of a range, a page at a time.
struct Walk<'a> {
    store: &'a dyn Store,
    space: Space,
    /// What was read and not passed.
    page: VecDeque<KeyValue>,
    /// What was not read.
    rest: Option<KeyRange>,
}

impl<'a> Walk<'a> {
    fn new(store: &'a dyn Store, space: Space, range: KeyRange) -> Self {
        Self { store, space, page: VecDeque::new(), rest: Some(range) }
    }

    /// Reads on if everything that was read is passed.
    async fn fill(&mut self) -> Result<(), StoreError> {
        let Some(range) = self.rest.clone().filter(|_| self.page.is_empty()) else {
            return Ok(());
        };
        let page = self.store.scan(self.space, range.clone(), Order::Forward, PAGE_RECORDS).await?;
        self.rest = match page.last() {
            Some((key, _)) if page.len() == PAGE_RECORDS => {
                Some(KeyRange { start: Bound::Excluded(key.clone()), end: range.end })
            }
            _ => None,
        };
        self.page = page.into();
        Ok(())
    }
}

/// Changes that will be one batch.
#[derive(Default)]
struct Changes {
    changes: Vec<Change>,
    bytes: usize,
}

impl Changes {
    /// Returns a batch when there is enough for one.
    fn add(&mut self, change: Change) -> Option<Batch> {
        let size = match &change {
            Change::Put { key, value, .. } => key.len() + value.len(),
            Change::Delete { key, .. } => key.len(),
        };
        // What is large goes alone, so that no batch is above its limit.
        let full = (self.bytes + size > BATCH_BYTES).then(|| self.take()).flatten();
        self.bytes += size;
        self.changes.push(change);
        full
    }

    fn take(&mut self) -> Option<Batch> {
        self.bytes = 0;
        let changes = take(&mut self.changes);
        (!changes.is_empty()).then(|| Batch { changes, ..Batch::default() })
    }
}
