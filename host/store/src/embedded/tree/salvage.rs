//! What can be read of a damaged table, and what cannot.
//!
//! The shape of each page is in the file twice, each copy with a checksum, and says which page it
//! is and where its values are. So all that is needed is found by looking at every byte: neither
//! top nor index must be whole. A page of which no copy is left is a [`Hole`] between its
//! neighbours.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::meta::{Hole, TableMeta, successor};
use super::table::Table;
use super::{Item, Range};
use crate::embedded::block::{self, Slots};

/// What is read at once where reading fails: the unit in which disks fail.
const SECTOR_BYTES: usize = 4096;

/// How much is read at once.
const CHUNK_BYTES: usize = 1024 * 1024;

pub(super) struct Salvaged {
    bytes: Vec<u8>,
    /// Where the shape of each page was found, by the page's number.
    shapes: BTreeMap<u64, usize>,
    id: u64,
    /// What could not be read.
    pub(super) holes: Vec<Hole>,
}

/// Looks through the file of `table`.
pub(super) fn salvage(table: &Table) -> Salvaged {
    let meta = &table.meta;
    let bytes = read_what_can_be_read(table);
    let mut shapes = BTreeMap::new();
    let mut from = 0;
    while let Some(at) = block::find_magic(&bytes, from) {
        from = at + 1;
        if let Some((head, _)) = block::parse(meta.id, &bytes[at..])
            && head.number < meta.pages
        {
            shapes.entry(head.number).or_insert(at);
            from = at + head.shape_bytes();
        }
    }
    let mut salvaged = Salvaged { bytes, shapes, id: meta.id, holes: Vec::new() };
    salvaged.holes = salvaged.find_holes(meta);
    salvaged
}

impl Salvaged {
    /// The items that are left, in order. A value that is not in the file any more is cut short, so
    /// that its own checksum does not fit.
    pub(super) fn items(&self) -> impl Iterator<Item = Item> {
        self.shapes.values().flat_map(|at| self.page(*at))
    }

    fn page(&self, at: usize) -> Vec<Item> {
        let Some((head, keys)) = block::parse(self.id, &self.bytes[at..]) else {
            return Vec::new();
        };
        let values = usize::try_from(head.offset).ok().and_then(|offset| {
            let start = offset.checked_add(head.shape_bytes())?;
            self.bytes.get(start.min(self.bytes.len())..)
        });
        let values = values.unwrap_or_default();
        let items = Slots::new(keys).map(|slot| {
            let value = slot.value.map(|range| {
                let end = range.end.min(values.len());
                values.get(range.start..end).unwrap_or_default().to_vec()
            });
            Item { key: slot.key, value }
        });
        items.collect()
    }

    /// The keys of pages without a shape, and the holes there were.
    fn find_holes(&self, meta: &TableMeta) -> Vec<Hole> {
        let mut holes = meta.holes.clone();
        let mut from = meta.min.clone();
        let mut expected = 0;
        for (number, at) in &self.shapes {
            let items = self.page(*at);
            if let Some(first) = items.first()
                && *number > expected
            {
                holes.push(Hole { from, to: first.key.clone(), origin: meta.id });
            }
            from = items.last().map_or(Vec::new(), |last| successor(&last.key));
            expected = number + 1;
        }
        if expected < meta.pages {
            holes.push(Hole {
                from,
                to: Range::up_to(Vec::new(), &meta.max).end.unwrap_or_default(),
                origin: meta.id,
            });
        }
        holes.retain(|hole| hole.from < hole.to);
        holes
    }
}

/// The file's bytes, with zeros where the disk gives none.
#[expect(clippy::disallowed_methods, reason = "host/store owns the state directory")]
fn read_what_can_be_read(table: &Table) -> Vec<u8> {
    let Ok(file) = File::open(&table.path) else {
        return Vec::new();
    };
    // The length of a file that was damaged is no guide; that in the catalog is.
    let length = file.metadata().map_or(0, |metadata| metadata.len()).min(table.meta.bytes);
    let mut bytes = vec![0; length as usize];
    for (number, chunk) in bytes.chunks_mut(CHUNK_BYTES).enumerate() {
        let offset = (number * CHUNK_BYTES) as u64;
        if file.read_exact_at(chunk, offset).is_err() {
            read_by_sectors(&file, offset, chunk);
        }
    }
    bytes
}

fn read_by_sectors(file: &File, offset: u64, chunk: &mut [u8]) {
    for (number, sector) in chunk.chunks_mut(SECTOR_BYTES).enumerate() {
        let place = offset + (number * SECTOR_BYTES) as u64;
        let read: io::Result<()> = file.read_exact_at(sector, place);
        if read.is_err() {
            sector.fill(0);
        }
    }
}
