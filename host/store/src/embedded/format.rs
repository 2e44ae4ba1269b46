//! Which format a state directory has.

use std::fs;
use std::path::Path;

use super::files::{io_error, sync_directory};
use super::tree::replace_file;
use crate::StoreError;

const NAME: &str = "format";

/// What the file says. Another number means that this program cannot read the directory.
const FORMAT: &str = "everlog-store 2\n";

/// Whether `directory` holds a store of this format; `false` if it holds none yet.
///
/// # Errors
/// [`StoreError::Format`] if it holds something else.
#[expect(clippy::disallowed_methods, reason = "host/store owns the state directory")]
pub(super) fn is_marked(directory: &Path) -> Result<bool, StoreError> {
    let path = directory.join(NAME);
    let refuse = |found: String| StoreError::Format {
        directory: directory.to_owned(),
        expected: FORMAT.trim_end(),
        found,
    };
    match fs::read(&path) {
        Ok(bytes) if bytes == FORMAT.as_bytes() => Ok(true),
        Ok(bytes) => Err(refuse(format!("\"{}\" in its file `{NAME}`", bytes.escape_ascii()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // Before format 2 there was no such file, and the tables were fjall's.
            let tables = directory.join("tables");
            let is_fjall = tables.join("keyspaces").exists() || tables.join("version").exists();
            let found =
                if is_fjall { "format 1, of fjall" } else { "tables, but no file `format`" };
            if is_fjall || has_tables(&tables) { Err(refuse(found.into())) } else { Ok(false) }
        }
        Err(error) => Err(io_error("read", &path)(error)),
    }
}

/// Says that everything in `directory` has this format now; durable on return.
pub(super) fn mark(directory: &Path) -> Result<(), StoreError> {
    replace_file(directory, NAME, FORMAT.as_bytes())?;
    sync_directory(directory)
}

fn has_tables(tables: &Path) -> bool {
    let entries = fs::read_dir(tables).into_iter().flatten();
    let mut names = entries.filter_map(|entry| Some(entry.ok()?.path()));
    names.any(|path| path.extension().is_some_and(|extension| extension == "table"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "makes directories that are not ours")]
    fn only_its_own_format_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        assert!(!is_marked(path).unwrap());
        mark(path).unwrap();
        assert!(is_marked(path).unwrap());
        fs::write(path.join(NAME), "everlog-store 3\n").unwrap();
        let refusal = is_marked(path).unwrap_err().to_string();
        assert!(refusal.contains("everlog-store 3") && refusal.contains("everlog-store 2"));
        fs::remove_file(path.join(NAME)).unwrap();
        fs::create_dir_all(path.join("tables/keyspaces")).unwrap();
        let refusal = is_marked(path).unwrap_err().to_string();
        assert!(refusal.contains("fjall"), "{refusal}");
    }
}
