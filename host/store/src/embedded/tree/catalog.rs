//! Which tables make up the tree: written whole at each change, twice.
//!
//! ```text
//! catalog, catalog.copy = magic | check of the rest: u64 | generation, next id, flushed: u64
//!         | table …                                                      (little-endian)
//! table   = level: u8 | id, bytes, pages: u64 | min, max | count: varint | hole …
//! hole    = from, to | origin: u64
//! min, max, from, to = length: varint | key
//! ```
//! What a change needs no more is removed after both are durable, so each alone will do: of two
//! whole ones the newer generation counts.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::levels::LEVELS;
use super::meta::{Hole, TableMeta};
use crate::StoreError;
use crate::embedded::block::{put_varint, take, take_varint};
use crate::embedded::files::{io_error, sync_directory};

const MAGIC: &[u8; 8] = b"evtables";
const NAMES: [&str; 2] = ["catalog", "catalog.copy"];

const ADVICE: &str = "Restore the state directory from a backup; nothing was changed";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Catalog {
    pub(super) generation: u64,
    /// No table has had this number yet, nor a larger one.
    pub(super) next_id: u64,
    /// Everything up to this group is in tables.
    pub(super) flushed: u64,
    /// Each with its level; those of level 0 from the newest on, the others by their keys.
    pub(super) tables: Vec<(usize, TableMeta)>,
}

impl Catalog {
    /// The newer one of the two in `directory`.
    #[expect(clippy::disallowed_methods, reason = "host/store owns the state directory")]
    pub(super) fn read(directory: &Path) -> Result<Self, StoreError> {
        let mut newest: Option<Self> = None;
        let mut damage = Vec::new();
        for name in NAMES {
            let path = directory.join(name);
            match fs::read(&path).map_err(|error| error.to_string()).and_then(|bytes| {
                Self::decode(&bytes).ok_or_else(|| "its checksum does not fit".into())
            }) {
                Ok(catalog)
                    if newest
                        .as_ref()
                        .is_some_and(|newest| newest.generation >= catalog.generation) => {}
                Ok(catalog) => newest = Some(catalog),
                Err(error) => damage.push(format!("{}: {error}", path.display())),
            }
        }
        let Some(newest) = newest else {
            return Err(StoreError::Corrupt {
                place: format!("tables in {}", directory.display()),
                detail: damage.join("; "),
                advice: ADVICE,
            });
        };
        for damage in damage {
            tracing::warn!(damage, "one of the two table catalogs is damaged; the other is used");
        }
        Ok(newest)
    }

    /// Writes both; durable on return, and so is every table that is in `directory` by now.
    pub(super) fn write(&self, directory: &Path) -> Result<(), StoreError> {
        sync_directory(directory)?;
        let bytes = self.encode();
        for name in NAMES {
            replace_file(directory, name, &bytes)?;
        }
        sync_directory(directory)
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(MAGIC);
        bytes.extend([0; 8]);
        for number in [self.generation, self.next_id, self.flushed] {
            bytes.extend(number.to_le_bytes());
        }
        for (level, table) in &self.tables {
            bytes.push(*level as u8);
            for number in [table.id, table.bytes, table.pages] {
                bytes.extend(number.to_le_bytes());
            }
            put_key(&mut bytes, &table.min);
            put_key(&mut bytes, &table.max);
            put_varint(&mut bytes, table.holes.len());
            for hole in &table.holes {
                put_key(&mut bytes, &hole.from);
                put_key(&mut bytes, &hole.to);
                bytes.extend(hole.origin.to_le_bytes());
            }
        }
        let check = xxh3_64(&bytes[16..]);
        bytes[8..16].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(MAGIC)?;
        let check = u64::from_le_bytes(take(&mut rest)?);
        if xxh3_64(rest) != check {
            return None;
        }
        let mut catalog = Self {
            generation: take_number(&mut rest)?,
            next_id: take_number(&mut rest)?,
            flushed: take_number(&mut rest)?,
            tables: Vec::new(),
        };
        while !rest.is_empty() {
            let [level] = take(&mut rest)?;
            let level = usize::from(level);
            if level >= LEVELS {
                return None;
            }
            catalog.tables.push((level, take_table(&mut rest)?));
        }
        Some(catalog)
    }
}

/// Writes a file under a temporary name and then gives it its own.
#[expect(clippy::disallowed_methods, reason = "host/store owns the state directory")]
pub(in crate::embedded) fn replace_file(
    directory: &Path,
    name: &str,
    bytes: &[u8],
) -> Result<(), StoreError> {
    let path = directory.join(name);
    let temporary = directory.join(format!("{name}.new"));
    File::create(&temporary)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&temporary, &path))
        .map_err(io_error("write", &path))
}

fn take_table(bytes: &mut &[u8]) -> Option<TableMeta> {
    let mut table = TableMeta {
        id: take_number(bytes)?,
        bytes: take_number(bytes)?,
        pages: take_number(bytes)?,
        min: take_key(bytes)?,
        max: take_key(bytes)?,
        holes: Vec::new(),
    };
    for _ in 0..take_varint(bytes)? {
        let (from, to) = (take_key(bytes)?, take_key(bytes)?);
        table.holes.push(Hole { from, to, origin: take_number(bytes)? });
    }
    Some(table)
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(take(bytes)?))
}

fn put_key(bytes: &mut Vec<u8>, key: &[u8]) {
    put_varint(bytes, key.len());
    bytes.extend_from_slice(key);
}

fn take_key(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let length = take_varint(bytes)?;
    let (key, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(key.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(generation: u64) -> Catalog {
        let hole = Hole { from: b"c".to_vec(), to: b"d".to_vec(), origin: 3 };
        let table = |id, holes| TableMeta {
            id,
            bytes: 1000,
            pages: 3,
            min: b"a".to_vec(),
            max: b"z".to_vec(),
            holes,
        };
        let tables = vec![(0, table(7, vec![hole])), (2, table(4, Vec::new()))];
        Catalog { generation, next_id: 8, flushed: 99, tables }
    }

    #[test]
    fn a_catalog_reads_back_whole_or_not_at_all() {
        let bytes = catalog(1).encode();
        assert_eq!(Catalog::decode(&bytes).unwrap(), catalog(1));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Catalog::decode(&damaged), None, "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert_eq!(Catalog::decode(&bytes[..length]), None, "length {length}");
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "damages files on purpose")]
    fn either_one_will_do_and_the_newer_counts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        catalog(1).write(path).unwrap();
        assert_eq!(Catalog::read(path).unwrap(), catalog(1));
        fs::write(path.join("catalog"), b"nonsense").unwrap();
        assert_eq!(Catalog::read(path).unwrap(), catalog(1));
        // As after a crash between the two.
        replace_file(path, "catalog", &catalog(2).encode()).unwrap();
        assert_eq!(Catalog::read(path).unwrap(), catalog(2));
        fs::remove_file(path.join("catalog.copy")).unwrap();
        fs::write(path.join("catalog"), b"nonsense").unwrap();
        let report = Catalog::read(path).unwrap_err().to_string();
        assert!(report.contains("catalog.copy") && report.contains("Restore"), "{report}");
    }
}
