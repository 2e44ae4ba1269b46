//! How much a worker's directory holds, and how much it may.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::wasi::SharedCount;

/// What a name in a directory costs beside the bytes of its file: about what a file system spends on an empty file.
pub(crate) const ENTRY_BYTES: u64 = 4096;

/// "No space left on device", which guests get as `insufficient-space`. The same number on all Unix systems.
const NO_SPACE: i32 = 28;

/// What a worker's directory may hold, counted by the lengths of files, not by blocks on the disk: so the answer is
/// the same in every replay and on every machine.
///
/// Files that are removed while they are open stay counted until the worker is loaded anew, when replay counts them
/// in the same way: so the limit can't be escaped by unlinking what is written to.
#[derive(Clone, Debug)]
pub(crate) struct Quota {
    limit: u64,
    used: SharedCount,
}

impl Quota {
    /// A quota of `limit` bytes, of which `used` are taken; `used` is shared with the worker's serialisable state.
    pub(crate) fn new(limit: u64, used: SharedCount) -> Self {
        Self { limit, used }
    }

    /// Bytes that count against the limit.
    #[cfg(test)]
    pub(crate) fn used(&self) -> u64 {
        self.used.get()
    }

    /// Whether one more name may be made.
    ///
    /// # Errors
    /// "No space left" if not.
    pub(crate) fn ensure_room_for_entry(&self) -> io::Result<()> {
        self.ensure_room(ENTRY_BYTES)
    }

    /// Books one more name.
    pub(crate) fn add_entry(&self) {
        self.used.add(ENTRY_BYTES);
    }

    /// Counts what was there before the worker was loaded.
    pub(crate) fn count(&self, bytes: u64) {
        self.used.add(bytes);
    }

    /// Counts bytes as free again.
    pub(crate) fn release(&self, bytes: u64) {
        self.used.set(self.used.get().saturating_sub(bytes));
    }

    /// Runs `change`, after which `file` may be `end` bytes long, and books by how much it really grew or shrank.
    ///
    /// # Errors
    /// "No space left" without running `change`, or those of `change`.
    pub(crate) fn book<R>(
        &self,
        file: &File,
        end: u64,
        change: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        let before = file.metadata()?.len();
        self.ensure_room(end.saturating_sub(before))?;
        let outcome = change();
        let after = file.metadata()?.len();
        self.used.add(after.saturating_sub(before));
        self.release(before.saturating_sub(after));
        outcome
    }

    fn ensure_room(&self, bytes: u64) -> io::Result<()> {
        if bytes > self.limit.saturating_sub(self.used.get()) {
            return Err(io::Error::from_raw_os_error(NO_SPACE));
        }
        Ok(())
    }
}

/// What a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NamedFile {
    /// Device and inode: two names of one file have the same.
    pub(crate) identity: (u64, u64),
    /// Length of the file; of anything else nothing.
    pub(crate) bytes: u64,
    /// It has no other name.
    pub(crate) sole_name: bool,
}

impl NamedFile {
    /// What is at `path` now; `None` if nothing is. A symbolic link is not followed.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        let metadata = std::fs::symlink_metadata(path).ok()?;
        Some(Self {
            identity: (metadata.dev(), metadata.ino()),
            bytes: if metadata.is_file() { metadata.len() } else { 0 },
            sole_name: metadata.nlink() == 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_booked_and_refused_at_the_limit() {
        let file = tempfile::tempfile().unwrap();
        let quota = Quota::new(100, SharedCount::default());
        quota.book(&file, 60, || file.set_len(60)).unwrap();
        assert_eq!(quota.used(), 60);

        let refused = quota.book(&file, 101, || file.set_len(101)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        assert_eq!((quota.used(), file.metadata().unwrap().len()), (60, 60));

        quota.book(&file, 10, || file.set_len(10)).unwrap();
        assert_eq!(quota.used(), 10);
    }

    #[test]
    fn a_failed_change_books_nothing() {
        let file = tempfile::tempfile().unwrap();
        let quota = Quota::new(100, SharedCount::default());
        quota.book(&file, 60, || Err::<(), _>(io::ErrorKind::Other.into())).unwrap_err();
        assert_eq!(quota.used(), 0);
    }
}
