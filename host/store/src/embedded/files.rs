//! Small helpers around the file system that name the path in every error.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::StoreError;

/// Makes a [`StoreError::Io`] of what failed while `operation` was tried on `path`.
pub(crate) fn io_error(
    operation: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { operation, path, source: Arc::new(source) }
}

/// Creates `directory` and its parents, and makes the entry in its parent durable.
#[expect(clippy::disallowed_methods, reason = "host/store owns the state directory")]
pub(crate) fn create_directory(directory: &Path) -> Result<(), StoreError> {
    if directory.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(directory).map_err(io_error("create", directory))?;
    directory.parent().map_or(Ok(()), sync_directory)
}

/// Makes the entries of `directory` durable: what was created, renamed or removed in it.
#[expect(clippy::disallowed_methods, reason = "host/store owns the state directory")]
pub(super) fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    // The parent of a relative path of one component is the empty path, which cannot be opened.
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    File::open(directory).and_then(|handle| handle.sync_all()).map_err(io_error("sync", directory))
}
