//! A look at fjall's manifests before fjall reads them.
//!
//! A manifest says which files make up a table. fjall writes a checksum of it beside it, but does
//! not compare it: what a damaged manifest does not name would be missing without a word, or the
//! process would end while it reads. So the comparison is made here.
//!
//! ```text
//! tables/keyspaces/<table>/current = version: u64 | xxh3-128 of v<version> | 0: u8
//! ```

use std::fs;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

use super::files::io_error;
use crate::StoreError;

const TABLES: &str = "keyspaces";
const CURRENT: &str = "current";

/// The only kind of checksum there is, xxh3.
const CHECKSUM_KIND: u8 = 0;

const ADVICE: &str = "Restore the state directory from a backup; nothing was changed";

/// Checks the manifest of every table in fjall's `directory`, if there are any.
///
/// # Errors
/// [`StoreError::Corrupt`] with the file that is damaged.
pub(super) fn inspect(directory: &Path) -> Result<(), StoreError> {
    let tables = directory.join(TABLES);
    if !tables.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(&tables).map_err(io_error("list", &tables))? {
        let table = entry.map_err(io_error("list", &tables))?.path();
        // A crash while a table was created leaves it without; fjall creates it again.
        if table.join(CURRENT).exists() {
            inspect_table(&table)?;
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "host/store owns the state directory")]
fn inspect_table(table: &Path) -> Result<(), StoreError> {
    let current = table.join(CURRENT);
    let bytes = fs::read(&current).map_err(io_error("read", &current))?;
    let Some((version, expected, kind)) = parse_current(&bytes) else {
        return Err(damaged(&current, format!("expected 25 bytes, found {}", bytes.len())));
    };
    if kind != CHECKSUM_KIND {
        return Err(damaged(&current, format!("expected kind {CHECKSUM_KIND}, found {kind}")));
    }
    let manifest = table.join(format!("v{version}"));
    if !manifest.exists() {
        return Err(damaged(
            &current,
            format!("it names {}, which is missing", manifest.display()),
        ));
    }
    let bytes = fs::read(&manifest).map_err(io_error("read", &manifest))?;
    let found = xxh3_128(&bytes);
    if found != expected {
        let detail = format!("checksum: expected {expected:032x}, found {found:032x}");
        return Err(damaged(&manifest, detail));
    }
    Ok(())
}

/// Version, checksum and kind of checksum.
fn parse_current(bytes: &[u8]) -> Option<(u64, u128, u8)> {
    let (version, rest) = bytes.split_first_chunk()?;
    let (checksum, rest) = rest.split_first_chunk()?;
    let [kind] = *rest else {
        return None;
    };
    Some((u64::from_le_bytes(*version), u128::from_le_bytes(*checksum), kind))
}

fn damaged(file: &Path, detail: String) -> StoreError {
    StoreError::Corrupt { place: file.display().to_string(), detail, advice: ADVICE }
}
