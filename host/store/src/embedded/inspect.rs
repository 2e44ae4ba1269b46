//! A look at each table before fjall opens them.
//!
//! On a damaged manifest fjall panics while it holds locks, and then again when it cleans up, which
//! ends the process. Opened alone, a damaged table fails in a way that can be told.

use std::fs;
use std::path::Path;

use lsm_tree::SequenceNumberCounter;

use super::files::io_error;
use super::guard::without_panic;
use crate::StoreError;

/// Where fjall keeps its tables, and the file that a table has from its creation on.
const TABLES: &str = "keyspaces";
const CREATED: &str = "current";

const ADVICE: &str = "Restore the state directory from a backup; nothing was changed";

/// Opens and closes every table in fjall's `directory`, if there are any.
///
/// # Errors
/// [`StoreError::Corrupt`] with the directory of the table that does not open.
pub(super) fn inspect(directory: &Path) -> Result<(), StoreError> {
    let tables = directory.join(TABLES);
    if !tables.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(&tables).map_err(io_error("list", &tables))? {
        let table = entry.map_err(io_error("list", &tables))?.path();
        // Opening a table that was never finished would create it.
        if table.join(CREATED).is_file() {
            inspect_table(&table)?;
        }
    }
    Ok(())
}

fn inspect_table(table: &Path) -> Result<(), StoreError> {
    let open = || {
        let counter = SequenceNumberCounter::default;
        lsm_tree::Config::new(table, counter(), counter()).open().map(drop)
    };
    let outcome = without_panic(open).and_then(|opened| opened.map_err(|e| e.to_string()));
    outcome.map_err(|detail| StoreError::Corrupt {
        place: format!("table in {}", table.display()),
        detail,
        advice: ADVICE,
    })
}
