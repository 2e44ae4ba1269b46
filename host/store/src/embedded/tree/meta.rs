//! What the catalog knows of a table, without reading its file.

use crate::embedded::keys::describe_key;

/// A range of keys of which it is unknown what they held: the part of a table that was damaged
/// beyond its two copies. From `from` up to, but without, `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::embedded) struct Hole {
    pub(in crate::embedded) from: Vec<u8>,
    pub(in crate::embedded) to: Vec<u8>,
    /// The table that was damaged.
    pub(in crate::embedded) origin: u64,
}

impl Hole {
    pub(super) fn contains(&self, key: &[u8]) -> bool {
        *self.from <= *key && *key < *self.to
    }

    /// Whether it has a key of the range.
    pub(super) fn overlaps(&self, range: &Range) -> bool {
        self.within(range).is_some()
    }

    /// What is left of it without `range`.
    pub(super) fn without(&self, range: &Range) -> Vec<Self> {
        let before = Self { to: self.to.clone().min(range.start.clone()), ..self.clone() };
        let mut rest = vec![before];
        if let Some(end) = &range.end {
            rest.push(Self { from: self.from.clone().max(end.clone()), ..self.clone() });
        }
        rest.retain(|hole| hole.from < hole.to);
        rest
    }

    /// The part of it within `range`, if there is any.
    pub(super) fn within(&self, range: &Range) -> Option<Self> {
        let from = self.from.clone().max(range.start.clone());
        let to = range.end.clone().map_or(self.to.clone(), |end| end.min(self.to.clone()));
        (from < to).then_some(Self { from, to, origin: self.origin })
    }

    pub(super) fn describe(&self) -> String {
        let (from, to) = (describe_key(&self.from), describe_key(&self.to));
        format!("table {} was damaged from {from} up to {to}", self.origin)
    }
}

/// Keys from `start` up to, but without, `end`; to the last key if there is no end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::embedded) struct Range {
    pub(in crate::embedded) start: Vec<u8>,
    pub(in crate::embedded) end: Option<Vec<u8>>,
}

impl Range {
    pub(super) fn all() -> Self {
        Self { start: Vec::new(), end: None }
    }

    /// The keys from `start` to `last`, both of them in it.
    pub(in crate::embedded) fn up_to(start: Vec<u8>, last: &[u8]) -> Self {
        Self { start, end: Some(successor(last)) }
    }

    pub(super) fn is_before_end(&self, key: &[u8]) -> bool {
        self.end.as_ref().is_none_or(|end| key < end.as_slice())
    }
}

/// The first key behind `key`.
pub(in crate::embedded) fn successor(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// What the catalog says of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TableMeta {
    pub(super) id: u64,
    pub(super) bytes: u64,
    /// How many pages it has; without any there is no file.
    pub(super) pages: u64,
    /// No key of it, and no hole, is below `min` or above `max`; a hole may end right at it.
    pub(super) min: Vec<u8>,
    pub(super) max: Vec<u8>,
    pub(super) holes: Vec<Hole>,
}

impl TableMeta {
    /// Adds a hole, and takes it into the table's range.
    pub(super) fn add_hole(&mut self, hole: Hole) {
        if self.pages == 0 && self.holes.is_empty() {
            (self.min, self.max) = (hole.from.clone(), hole.to.clone());
        }
        self.min = std::mem::take(&mut self.min).min(hole.from.clone());
        self.max = std::mem::take(&mut self.max).max(hole.to.clone());
        self.holes.push(hole);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hole(from: &str, to: &str) -> Hole {
        Hole { from: from.into(), to: to.into(), origin: 1 }
    }

    fn range(start: &str, end: &str) -> Range {
        Range { start: start.into(), end: Some(end.into()) }
    }

    #[test]
    fn a_hole_loses_what_is_taken_from_it() {
        let whole = hole("b", "f");
        assert_eq!(whole.without(&range("c", "d")), [hole("b", "c"), hole("d", "f")]);
        assert_eq!(whole.without(&range("a", "d")), [hole("d", "f")]);
        assert_eq!(whole.without(&range("d", "z")), [hole("b", "d")]);
        assert_eq!(whole.without(&range("a", "z")), []);
        assert_eq!(whole.without(&range("x", "z")), [hole("b", "f")]);
        assert_eq!(whole.without(&range("a", "b")), [hole("b", "f")]);
    }

    #[test]
    fn ends_do_not_overlap() {
        let whole = hole("b", "f");
        for (start, end, expected) in [
            ("a", "b", false),
            ("a", "bb", true),
            ("e", "z", true),
            ("f", "z", false),
            ("c", "c", false),
            ("c", "d", true),
        ] {
            assert_eq!(whole.overlaps(&range(start, end)), expected, "{start}..{end}");
            assert_eq!(whole.within(&range(start, end)).is_some(), expected, "{start}..{end}");
        }
        assert!(whole.overlaps(&Range::all()));
        assert!(whole.contains(b"b") && !whole.contains(b"f"));
    }
}
