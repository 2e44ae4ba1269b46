//! The entries that are no longer part of a history.

use bincode::{Decode, Encode};

use crate::entry::{EntryKind, JumpReason};
use crate::index::{Index, Region};

/// A set of indices, as sorted regions with gaps between them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct RegionSet {
    regions: Vec<Region>,
}

impl RegionSet {
    /// Whether the set holds `index`.
    #[must_use]
    pub fn contains(&self, index: Index) -> bool {
        let after = self.regions.partition_point(|region| region.start <= index);
        after > 0 && self.regions[after - 1].end >= index
    }

    /// Adds the indices of `region`, and merges what touches.
    pub fn insert(&mut self, region: Region) {
        if region.end < region.start {
            return;
        }
        let first = self.regions.partition_point(|other| other.end.next() < region.start);
        let last = self.regions.partition_point(|other| other.start <= region.end.next());
        let mut merged = region;
        for other in &self.regions[first..last] {
            merged.start = merged.start.min(other.start);
            merged.end = merged.end.max(other.end);
        }
        self.regions.splice(first..last, [merged]);
    }

    /// The regions in order.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// Whether the set holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.regions.is_empty()
    }
}

/// The deleted regions of a log by who deleted them, since that decides what else they take with
/// them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Deleted {
    /// By the guest's own jumps.
    pub jumped: RegionSet,
    /// By recovery, which found an atomic region without its end. What was in there is as if it had
    /// never been.
    pub retried: RegionSet,
    /// By an operator.
    pub reverted: RegionSet,
}

impl Deleted {
    /// Whether the entry at `index` is no longer part of the history.
    #[must_use]
    pub fn contains(&self, index: Index) -> bool {
        // Most workers never delete anything.
        !self.is_empty()
            && (self.jumped.contains(index)
                || self.retried.contains(index)
                || self.reverted.contains(index))
    }

    /// Notes what `kind` deletes, if it does.
    pub fn note(&mut self, kind: &EntryKind) {
        match kind {
            EntryKind::Jump { deleted, reason: JumpReason::Explicit } => {
                self.jumped.insert(*deleted);
            }
            EntryKind::Jump { deleted, reason: JumpReason::AtomicRetry } => {
                self.retried.insert(*deleted);
            }
            EntryKind::Revert { deleted } => self.reverted.insert(*deleted),
            _ => {}
        }
    }

    /// Whether `kind` at `index` is a return that makes what follows it a new attempt at a new
    /// position. One within a given up attempt of an atomic region is not: it is as if it had never
    /// been.
    #[must_use]
    pub fn counts_return(&self, index: Index, kind: &EntryKind) -> bool {
        let deliberate = matches!(
            kind,
            EntryKind::Jump { reason: JumpReason::Explicit, .. } | EntryKind::Revert { .. }
        );
        deliberate && !self.retried.contains(index)
    }

    /// Whether nothing is deleted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.jumped.is_empty() && self.retried.is_empty() && self.reverted.is_empty()
    }
}
