//! One table: a file of items in the order of their keys, each key once, written once and then
//! only read. See `section` and `top` for its form.
//!
//! A table that does not read as it was written is a [`Fault::Table`]: whoever meets it has the
//! table replaced (see `salvage`) and tries again. A damaged *value* is none: it is returned as it
//! is, and its own checksum tells (see `envelope`).

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::fault::Fault;
use super::meta::TableMeta;
use super::section::Section;
use super::top::{self, FOOTER_BYTES, SectionPlace};
use super::{Found, Item, filter};
use crate::embedded::block::{self, Head, Slots};
use crate::embedded::cache::Recent;

/// Indices of sections that were used recently, of all tables.
pub(super) type IndexCache = Mutex<Recent<(u64, usize), Arc<Section>>>;

pub(super) struct Table {
    pub(super) meta: TableMeta,
    pub(super) path: PathBuf,
    cache: Arc<IndexCache>,
    opened: OnceLock<Opened>,
    obsolete: AtomicBool,
}

struct Opened {
    file: File,
    sections: Vec<SectionPlace>,
}

impl Table {
    pub(super) fn new(meta: TableMeta, directory: &Path, cache: Arc<IndexCache>) -> Self {
        let path = table_path(directory, meta.id);
        Self { meta, path, cache, opened: OnceLock::new(), obsolete: AtomicBool::new(false) }
    }

    /// Removes the file when nobody reads it any more.
    pub(super) fn retire(&self) {
        self.obsolete.store(true, Ordering::Relaxed);
    }

    pub(super) fn get(&self, key: &[u8], hash: u64) -> Result<Found, Fault> {
        if *key < *self.meta.min || *key > *self.meta.max {
            return Ok(Found::Nothing);
        }
        match self.look_up(key, hash)? {
            Found::Nothing => {
                let hole = self.meta.holes.iter().find(|hole| hole.contains(key));
                Ok(hole.map_or(Found::Nothing, |hole| Found::Hole(hole.clone())))
            }
            found => Ok(found),
        }
    }

    fn look_up(&self, key: &[u8], hash: u64) -> Result<Found, Fault> {
        let Some(section) = self.section_of(key)? else {
            return Ok(Found::Nothing);
        };
        let index = self.section(section)?;
        if !filter::may_contain(&index.filter, hash) {
            return Ok(Found::Nothing);
        }
        let Some(page) = index.page_of(key) else {
            return Ok(Found::Nothing);
        };
        let bytes = self.page_bytes(&index, page)?;
        let (head, keys) = self.parse(&bytes, index.pages[page].offset)?;
        let values = &bytes[head.shape_bytes()..];
        let mut slots = Slots::new(keys);
        while slots.advance() {
            if slots.key() >= key {
                return match slots.value() {
                    _ if slots.key() != key => Ok(Found::Nothing),
                    None => Ok(Found::Removed),
                    Some(range) => {
                        let value = values.get(range).ok_or_else(|| self.fault("a value"))?;
                        Ok(Found::Value(value.to_vec()))
                    }
                };
            }
        }
        Ok(Found::Nothing)
    }

    /// How many sections there are.
    pub(super) fn sections(&self) -> Result<usize, Fault> {
        if self.meta.pages == 0 {
            return Ok(0);
        }
        Ok(self.opened()?.sections.len())
    }

    /// The section that holds `key` if any does.
    pub(super) fn section_of(&self, key: &[u8]) -> Result<Option<usize>, Fault> {
        if self.meta.pages == 0 {
            return Ok(None);
        }
        let sections = &self.opened()?.sections;
        Ok(sections.partition_point(|section| *section.first_key <= *key).checked_sub(1))
    }

    /// The index of a section.
    pub(super) fn section(&self, number: usize) -> Result<Arc<Section>, Fault> {
        let cached = || self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (self.meta.id, number);
        if let Some(section) = cached().get(&name) {
            return Ok(section);
        }
        let opened = self.opened()?;
        let place = &opened.sections[number];
        let bytes = self.read(opened, place.index_offset, place.index_bytes.into())?;
        let section = Section::decode(&bytes, self.meta.id, place.offset)
            .filter(|section| !section.pages.is_empty())
            .ok_or_else(|| self.fault("an index"))?;
        let section = Arc::new(section);
        cached().set(name, Arc::clone(&section), section.memory_bytes());
        Ok(section)
    }

    /// The items of a page.
    pub(super) fn page(&self, index: &Section, page: usize) -> Result<Vec<Item>, Fault> {
        let bytes = self.page_bytes(index, page)?;
        let (head, keys) = self.parse(&bytes, index.pages[page].offset)?;
        let values = &bytes[head.shape_bytes()..];
        let items = Slots::new(keys).map(|slot| {
            let value = match slot.value {
                Some(range) => {
                    Some(values.get(range).ok_or_else(|| self.fault("a value"))?.to_vec())
                }
                None => None,
            };
            Ok(Item { key: slot.key, value })
        });
        items.collect()
    }

    fn page_bytes(&self, index: &Section, page: usize) -> Result<Vec<u8>, Fault> {
        let place = &index.pages[page];
        self.read(self.opened()?, place.offset, place.bytes)
    }

    fn parse<'a>(&self, bytes: &'a [u8], offset: u64) -> Result<(Head, &'a [u8]), Fault> {
        let (head, keys) =
            block::parse(self.meta.id, bytes).ok_or_else(|| self.fault("the keys of a page"))?;
        let fits = head.offset == offset && head.block_bytes() == bytes.len();
        if fits { Ok((head, keys)) } else { Err(self.fault("a page")) }
    }

    fn opened(&self) -> Result<&Opened, Fault> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let opened = self.open()?;
        Ok(self.opened.get_or_init(|| opened))
    }

    #[expect(clippy::disallowed_methods, reason = "host/store owns the state directory")]
    fn open(&self) -> Result<Opened, Fault> {
        let file = File::open(&self.path).map_err(|error| self.fault(&error.to_string()))?;
        let mut opened = Opened { file, sections: Vec::new() };
        let Some(footer) = self.meta.bytes.checked_sub(FOOTER_BYTES as u64) else {
            return Err(self.fault("its length"));
        };
        let bytes = self.read(&opened, footer, FOOTER_BYTES as u64)?;
        let place = top::locate(&bytes).filter(|(offset, length)| {
            offset.checked_add((*length).into()).is_some_and(|end| end == footer)
        });
        let (offset, length) = place.ok_or_else(|| self.fault("its footer"))?;
        let bytes = self.read(&opened, offset, u64::from(length) + FOOTER_BYTES as u64)?;
        opened.sections = top::decode(&bytes, self.meta.id)
            .filter(|sections| !sections.is_empty())
            .ok_or_else(|| self.fault("its top"))?;
        Ok(opened)
    }

    fn read(&self, opened: &Opened, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        // What an undamaged table asks for lies within it.
        if offset.checked_add(length).is_none_or(|end| end > self.meta.bytes) {
            return Err(self.fault("a length"));
        }
        let mut bytes = vec![0; length as usize];
        opened
            .file
            .read_exact_at(&mut bytes, offset)
            .map_err(|error| self.fault(&error.to_string()))?;
        Ok(bytes)
    }

    fn fault(&self, detail: &str) -> Fault {
        Fault::Table { id: self.meta.id, detail: format!("{}: {detail}", self.path.display()) }
    }
}

impl Drop for Table {
    #[expect(clippy::disallowed_methods, reason = "host/store owns the state directory")]
    fn drop(&mut self) {
        if *self.obsolete.get_mut() {
            // What stays is removed at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The file of a table.
pub(super) fn table_path(directory: &Path, id: u64) -> PathBuf {
    directory.join(format!("{id}.table"))
}
