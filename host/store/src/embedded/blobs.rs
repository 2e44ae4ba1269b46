//! Blobs are files named by their digest: `blobs/ab/<64 hex digits>`.
//!
//! A blob is written to `blobs/incoming`, synced, and renamed to its name, so under its name there
//! is always a whole blob. What a crash leaves in `incoming` is removed at the next start.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::files::{create_directory, io_error, sync_directory};
use crate::store::MAX_BLOB_BYTES;
use crate::{Digest, StoreError};

const ADVICE: &str = "Restore this file from a backup; \
                      only workers that refer to this payload are affected";

pub(super) struct Blobs {
    directory: PathBuf,
    incoming: PathBuf,
    next_temporary: AtomicU64,
}

impl Blobs {
    #[expect(clippy::disallowed_methods, reason = "host/store owns the state directory")]
    pub(super) fn open(state: &Path) -> Result<Self, StoreError> {
        let directory = state.join("blobs");
        let incoming = directory.join("incoming");
        create_directory(&incoming)?;
        sync_directory(&directory)?;
        for leftover in fs::read_dir(&incoming).map_err(io_error("list", &incoming))? {
            let leftover = leftover.map_err(io_error("list", &incoming))?.path();
            fs::remove_file(&leftover).map_err(io_error("remove", &leftover))?;
        }
        Ok(Self { directory, incoming, next_temporary: AtomicU64::new(0) })
    }

    /// Stores `bytes`; durable on return.
    pub(super) fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        if bytes.len() > MAX_BLOB_BYTES {
            let found = bytes.len();
            return Err(StoreError::Limit {
                what: "bytes of a blob",
                limit: MAX_BLOB_BYTES,
                found,
            });
        }
        let digest = Digest::of(bytes);
        let path = self.path(&digest);
        let shard = path.parent().unwrap_or(&self.directory);
        create_directory(shard)?;
        // A damaged blob is written again: whoever puts it has the right bytes.
        if !matches!(self.get(&digest), Ok(Some(_))) {
            self.write(bytes, &path)?;
        }
        // Also if it was there: its writer may not have come to this line yet.
        sync_directory(shard)?;
        Ok(digest)
    }

    /// The blob with this digest, checked against it.
    #[expect(clippy::disallowed_methods, reason = "host/store owns the state directory")]
    pub(super) fn get(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(digest);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("open", &path)(error)),
        };
        let mut bytes = Vec::new();
        // One byte more than a blob may have, so that a file that grew is noticed and not cut.
        file.take(MAX_BLOB_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(io_error("read", &path))?;
        let found = Digest::of(&bytes);
        if found == *digest {
            return Ok(Some(bytes));
        }
        Err(StoreError::Corrupt {
            place: format!("blob {}", path.display()),
            detail: format!("its {} bytes have the digest {found}", bytes.len()),
            advice: ADVICE,
        })
    }

    /// The digests of the blobs in one of the 256 directories.
    pub(super) fn list(&self, shard: u8) -> Result<Vec<Digest>, StoreError> {
        let directory = self.directory.join(format!("{shard:02x}"));
        let files = match fs::read_dir(&directory) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io_error("list", &directory)(error)),
        };
        let mut digests = Vec::new();
        for file in files {
            let name = file.map_err(io_error("list", &directory))?.file_name();
            // What is not named like a blob is none of ours.
            digests.extend(name.to_str().and_then(|name| name.parse::<Digest>().ok()));
        }
        digests.sort_unstable();
        Ok(digests)
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.directory.join(&name[..2]).join(name)
    }

    #[expect(clippy::disallowed_methods, reason = "host/store owns the state directory")]
    fn write(&self, bytes: &[u8], path: &Path) -> Result<(), StoreError> {
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = self.incoming.join(number.to_string());
        let written = File::create(&temporary).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        let moved = written.and_then(|()| fs::rename(&temporary, path));
        moved.map_err(|error| {
            // The next start removes it if this fails as well.
            let _ = fs::remove_file(&temporary);
            io_error("write", path)(error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "damages a file on purpose")]
    fn a_damaged_blob_is_reported_and_healed_by_putting_it_again() {
        let directory = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(directory.path()).unwrap();
        let digest = blobs.put(b"payload").unwrap();
        fs::write(blobs.path(&digest), b"paylaod").unwrap();
        let report = blobs.get(&digest).unwrap_err().to_string();
        assert!(report.contains(&digest.to_string()), "{report}");
        assert_eq!(blobs.put(b"payload").unwrap(), digest);
        assert_eq!(blobs.get(&digest).unwrap().as_deref(), Some(&b"payload"[..]));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "plays a crash while a blob is written")]
    fn what_a_crash_left_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let leftover = Blobs::open(directory.path()).unwrap().incoming.join("0");
        fs::write(&leftover, b"half").unwrap();
        Blobs::open(directory.path()).unwrap();
        assert!(!leftover.exists());
    }
}
