//! Places in a log, and points in time.

use std::fmt;

use bincode::{Decode, Encode};

/// The place of an entry in its worker's log. The first entry is 1 and there are no gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Index(pub u64);

impl Index {
    /// The place of the entry that created the worker.
    pub const FIRST: Index = Index(1);

    /// The place after this one.
    #[must_use]
    pub fn next(self) -> Index {
        // A log that writes a billion entries a second needs five centuries to get here.
        Index(self.0.saturating_add(1))
    }

    /// The place as a number, 1-based.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Index {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The entries from `start` to `end`, both included. Empty where `end < start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Region {
    /// The first entry in the region.
    pub start: Index,
    /// The last entry in the region.
    pub end: Index,
}

impl Region {
    /// Whether the entry at `index` lies in the region.
    #[must_use]
    pub fn contains(&self, index: Index) -> bool {
        self.start <= index && index <= self.end
    }
}

impl fmt::Display for Region {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}..={}", self.start, self.end)
    }
}

/// How far an execution has come, counted so that what a crash undid does not show but a deliberate
/// return does: what runs again after a crash is at the same position, what was taken back and
/// starts over is at a new one, and no two places of one history share a position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Position {
    /// Jumps of the guest and reverts so far.
    pub returns: u64,
    /// Replayed entries so far that are part of the history.
    pub entries: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.returns, self.entries)
    }
}

/// A point in time in nanoseconds since the Unix epoch, good until the year 2554.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Nanoseconds since the Unix epoch.
    #[must_use]
    pub fn nanos(self) -> u64 {
        self.0
    }

    /// The time `nanos` nanoseconds later, or the end of time where that cannot be written down.
    #[must_use]
    pub fn after(self, nanos: u64) -> Timestamp {
        Timestamp(self.0.saturating_add(nanos))
    }
}
