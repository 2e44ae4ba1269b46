use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use super::files::io_error;
use crate::StoreError;

/// The most that is read of what the holder wrote about itself.
const HOLDER_BYTES: u64 = 64;

/// Keeps a second process out of a state directory, for as long as it lives. The operating system
/// releases the lock when the process ends, however it ends.
pub(crate) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Locks `directory`, which must exist.
    ///
    /// # Errors
    /// [`StoreError::Locked`] with the process that holds it.
    #[expect(clippy::disallowed_methods, reason = "host/store owns the state directory")]
    pub(crate) fn acquire(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join("lock");
        // Not truncated on opening: until the lock is ours the text belongs to its holder.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io_error("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Who holds it is a courtesy; if it cannot be read the refusal stands.
                let _ = (&file).take(HOLDER_BYTES).read_to_string(&mut holder);
                let holder = if holder.is_empty() { "another process".into() } else { holder };
                return Err(StoreError::Locked { directory: directory.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(io_error("lock", &path)(error)),
        }
        let holder = format!("process {}", std::process::id());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(holder.as_bytes()))
            .map_err(io_error("write", &path))?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_with_the_first_ones_process() {
        let directory = tempfile::tempdir().unwrap();
        let first = DirectoryLock::acquire(directory.path()).unwrap();
        let refusal = DirectoryLock::acquire(directory.path()).err().unwrap().to_string();
        let holder = format!("process {}", std::process::id());
        assert!(refusal.contains(&holder), "{refusal}");
        drop(first);
        assert!(DirectoryLock::acquire(directory.path()).is_ok());
    }
}
