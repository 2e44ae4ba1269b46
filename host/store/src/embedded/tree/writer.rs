//! Writes a table, item by item.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::filter;
use super::meta::TableMeta;
use super::section::{PAGES, PagePlace, Section};
use super::table::table_path;
use super::top::{self, SectionPlace};
use crate::StoreError;
use crate::embedded::block::Builder;
use crate::embedded::files::io_error;
use crate::embedded::keys::covered_range;

/// A page takes no further item when it has this many bytes.
const PAGE_BYTES: usize = 8 * 1024;

/// A section takes no further page when its pages have this many keys and heads together.
const MIRROR_BYTES: usize = 1024 * 1024;

pub(super) struct TableWriter {
    path: PathBuf,
    file: BufWriter<File>,
    meta: TableMeta,
    page: Builder,
    page_first_key: Vec<u8>,
    pages: Vec<PagePlace>,
    mirror: Vec<u8>,
    hashes: Vec<u64>,
    sections: Vec<SectionPlace>,
    buffer: Vec<u8>,
    is_finished: bool,
}

impl TableWriter {
    #[expect(clippy::disallowed_methods, reason = "host/store owns the state directory")]
    pub(super) fn create(directory: &Path, id: u64) -> Result<Self, StoreError> {
        let path = table_path(directory, id);
        let file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(&path)
            .map_err(io_error("create", &path))?;
        let (min, max, holes) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self {
            path,
            file: BufWriter::with_capacity(256 * 1024, file),
            meta: TableMeta { id, bytes: 0, pages: 0, min, max, holes },
            page: Builder::default(),
            page_first_key: Vec::new(),
            pages: Vec::new(),
            mirror: Vec::new(),
            hashes: Vec::new(),
            sections: Vec::new(),
            buffer: Vec::new(),
            is_finished: false,
        })
    }

    /// Adds an item; keys come in their order.
    pub(super) fn add(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
        if self.page.is_empty() {
            self.page_first_key = key.to_vec();
        }
        if self.bytes() == 0 {
            self.meta.min = key.to_vec();
        }
        self.extend_to(key);
        // A cover must meet the holes that it covers in every merge.
        if let Some(end) = covered_range(key, value).and_then(|covered| covered.end) {
            self.extend_to(&end);
        }
        self.page.add(key, value);
        self.hashes.push(filter::hash(key));
        if self.page.bytes() < PAGE_BYTES { Ok(()) } else { self.end_page() }
    }

    /// The largest key so far, or the end of what is covered.
    pub(super) fn max(&self) -> &[u8] {
        &self.meta.max
    }

    /// Roughly how large the table is so far.
    pub(super) fn bytes(&self) -> u64 {
        let open = if self.page.is_empty() { 0 } else { self.page.bytes() };
        self.meta.bytes + open as u64
    }

    /// Writes what is left and makes the file durable; its entry in the directory is not yet.
    /// Without an item there is no table.
    pub(super) fn finish(mut self) -> Result<Option<TableMeta>, StoreError> {
        if self.bytes() == 0 {
            return Ok(None);
        }
        self.end_page()?;
        self.end_section()?;
        let mut buffer = std::mem::take(&mut self.buffer);
        top::encode(&self.sections, self.meta.id, self.meta.bytes, &mut buffer);
        self.write(&buffer)?;
        let flushed = self.file.flush();
        let synced = flushed.and_then(|()| self.file.get_ref().sync_all());
        synced.map_err(io_error("write", &self.path))?;
        self.is_finished = true;
        Ok(Some(self.meta.clone()))
    }

    fn extend_to(&mut self, key: &[u8]) {
        if *self.meta.max < *key {
            self.meta.max.clear();
            self.meta.max.extend_from_slice(key);
        }
    }

    fn end_page(&mut self) -> Result<(), StoreError> {
        if self.page.is_empty() {
            return Ok(());
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let (id, number, offset) = (self.meta.id, self.meta.pages, self.meta.bytes);
        let head = self.page.finish(id, number, offset, &mut buffer);
        self.mirror.extend_from_slice(&buffer[..head.shape_bytes()]);
        self.pages.push(PagePlace {
            offset,
            bytes: buffer.len() as u64,
            first_key: std::mem::take(&mut self.page_first_key),
        });
        self.meta.pages += 1;
        self.write(&buffer)?;
        self.keep_buffer(buffer);
        if self.pages.len() < PAGES && self.mirror.len() < MIRROR_BYTES {
            return Ok(());
        }
        self.end_section()
    }

    fn end_section(&mut self) -> Result<(), StoreError> {
        let Some(first) = self.pages.first().cloned() else {
            return Ok(());
        };
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.append(&mut self.mirror);
        let index_offset = self.meta.bytes + buffer.len() as u64;
        let index_start = buffer.len();
        Section::encode(&self.pages, &self.hashes, self.meta.id, &mut buffer);
        self.sections.push(SectionPlace {
            offset: first.offset,
            index_offset,
            // Sections end at 64 pages or a few MiB of keys.
            index_bytes: (buffer.len() - index_start) as u32,
            first_key: first.first_key,
        });
        self.pages.clear();
        self.hashes.clear();
        self.write(&buffer)?;
        self.keep_buffer(buffer);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write_all(bytes).map_err(io_error("write", &self.path))?;
        self.meta.bytes += bytes.len() as u64;
        Ok(())
    }

    fn keep_buffer(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        buffer.shrink_to(MIRROR_BYTES);
        self.buffer = buffer;
    }
}

impl Drop for TableWriter {
    #[expect(clippy::disallowed_methods, reason = "host/store owns the state directory")]
    fn drop(&mut self) {
        if !self.is_finished {
            // What stays is removed at the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
