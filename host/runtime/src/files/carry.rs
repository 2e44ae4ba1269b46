//! Taking a worker's files along where its replay will not make them again.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bincode::{Decode, Encode};
use fs_set_times::SystemTimeSpec;

use super::{ENTRY_BYTES, WorkerFiles};

/// What the files of one worker may hold to be taken along, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// The files of a worker, each directory before what is in it.
#[derive(Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct SavedFiles(Vec<SavedFile>);

#[derive(Debug, PartialEq, Eq, Encode, Decode)]
struct SavedFile {
    /// Relative to the worker's directory.
    path: String,
    kind: Kind,
    /// Of the last change, in nanoseconds since 1970.
    modified: u64,
}

#[derive(Debug, PartialEq, Eq, Encode, Decode)]
enum Kind {
    Directory,
    File(Vec<u8>),
    Link(String),
}

impl SavedFile {
    fn bytes(&self) -> u64 {
        match &self.kind {
            Kind::File(bytes) => bytes.len() as u64,
            Kind::Directory | Kind::Link(_) => 0,
        }
    }
}

impl WorkerFiles {
    /// Reads everything in the worker's directory.
    ///
    /// # Errors
    /// What cannot be taken along: too much, hard links, or files that cannot be read.
    pub(crate) async fn save(&self) -> io::Result<SavedFiles> {
        if self.directory.is_none() {
            return Ok(SavedFiles::default());
        }
        let path = self.path.clone();
        let saved = tokio::task::spawn_blocking(move || {
            let mut reading = Reading { root: path.clone(), files: Vec::new(), bytes: 0 };
            reading.directory(&path)?;
            Ok(SavedFiles(reading.files))
        });
        saved.await.map_err(io::Error::other)?
    }

    /// Makes the files again, in a worker that was just loaded.
    ///
    /// # Errors
    /// When that fails.
    pub(crate) async fn restore(&mut self, saved: &SavedFiles) -> io::Result<()> {
        if saved.0.is_empty() {
            return Ok(());
        }
        self.directory().await?;
        saved.0.iter().try_for_each(|file| file.write(&self.path))?;
        // A directory changes with what is made in it, so the innermost are dated first.
        saved.0.iter().rev().try_for_each(|file| file.date(&self.path))?;
        self.quota.count(saved.0.iter().map(|file| ENTRY_BYTES + file.bytes()).sum());
        Ok(())
    }
}

struct Reading {
    root: PathBuf,
    files: Vec<SavedFile>,
    bytes: u64,
}

#[expect(clippy::disallowed_methods, reason = "this module owns the files of workers")]
impl Reading {
    fn directory(&mut self, directory: &Path) -> io::Result<()> {
        let entries: io::Result<Vec<_>> = std::fs::read_dir(directory)?.collect();
        let mut paths: Vec<PathBuf> = entries?.iter().map(std::fs::DirEntry::path).collect();
        paths.sort();
        for path in paths {
            self.entry(&path)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path) -> io::Result<()> {
        let metadata = std::fs::symlink_metadata(path)?;
        let name = path.strip_prefix(&self.root).unwrap_or(path);
        let name = text(name)?;
        let kind = if metadata.is_dir() {
            Kind::Directory
        } else if metadata.is_symlink() {
            Kind::Link(text(&std::fs::read_link(path)?)?)
        } else if metadata.nlink() > 1 {
            let problem = format!("{name} has several names, and links cannot be taken along");
            return Err(io::Error::other(problem));
        } else {
            self.bytes += metadata.len();
            if self.bytes > MAX_BYTES {
                let problem = format!(
                    "the worker's files have more than {MAX_BYTES} bytes, the most that can be \
                     taken along"
                );
                return Err(io::Error::other(problem));
            }
            Kind::File(std::fs::read(path)?)
        };
        let modified = nanos(metadata.modified()?);
        let is_directory = kind == Kind::Directory;
        self.files.push(SavedFile { path: name, kind, modified });
        if is_directory { self.directory(path) } else { Ok(()) }
    }
}

#[expect(clippy::disallowed_methods, reason = "this module owns the files of workers")]
impl SavedFile {
    fn write(&self, root: &Path) -> io::Result<()> {
        let path = root.join(&self.path);
        match &self.kind {
            Kind::Directory => std::fs::create_dir(path),
            Kind::File(bytes) => std::fs::write(path, bytes),
            Kind::Link(target) => std::os::unix::fs::symlink(target, path),
        }
    }

    /// Sets the times of the entry itself, also where it is a link.
    fn date(&self, root: &Path) -> io::Result<()> {
        let time = || SystemTimeSpec::Absolute(UNIX_EPOCH + Duration::from_nanos(self.modified));
        fs_set_times::set_symlink_times(root.join(&self.path), Some(time()), Some(time()))
    }
}

fn text(path: &Path) -> io::Result<String> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| io::Error::other(format!("{} is no UTF-8", path.display())))
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "this module owns the files of workers")]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::files::{FileClock, FilesRoot, Quota};
    use crate::wasi::SharedCount;
    use crate::worker::WorkerId;

    fn worker_files(root: &Arc<FilesRoot>) -> WorkerFiles {
        let worker = WorkerId { component: uuid::Uuid::nil(), name: "mary".to_owned() };
        let quota = Quota::new(1 << 20, SharedCount::default());
        WorkerFiles::new(Arc::clone(root), worker, quota, FileClock::new(|| None))
    }

    #[tokio::test]
    async fn files_come_back_as_they_were() {
        let state = tempfile::tempdir().unwrap();
        let root = Arc::new(FilesRoot::open(state.path()).unwrap());
        let mut first = worker_files(&root);
        assert_eq!(first.save().await.unwrap(), SavedFiles::default());
        first.directory().await.unwrap();
        std::fs::create_dir(first.path().join("a")).unwrap();
        std::fs::write(first.path().join("a/note"), "1").unwrap();
        std::os::unix::fs::symlink("note", first.path().join("a/link")).unwrap();
        let saved = first.save().await.unwrap();

        let mut second = worker_files(&root);
        second.restore(&saved).await.unwrap();
        assert_eq!(std::fs::read(second.path().join("a/link")).unwrap(), b"1");
        assert_eq!(second.save().await.unwrap(), saved, "times included");
        assert_eq!(second.quota.used(), 3 * ENTRY_BYTES + 1);
    }

    #[tokio::test]
    async fn what_cannot_be_taken_along_is_named() {
        let state = tempfile::tempdir().unwrap();
        let root = Arc::new(FilesRoot::open(state.path()).unwrap());
        let mut files = worker_files(&root);
        files.directory().await.unwrap();
        std::fs::write(files.path().join("one"), "1").unwrap();
        std::fs::hard_link(files.path().join("one"), files.path().join("two")).unwrap();
        let error = files.save().await.unwrap_err().to_string();
        assert!(error.contains("several names"), "{error}");
        std::fs::remove_file(files.path().join("two")).unwrap();
        std::fs::File::create(files.path().join("big")).unwrap().set_len(MAX_BYTES + 1).unwrap();
        let error = files.save().await.unwrap_err().to_string();
        assert!(error.contains("at most") || error.contains("most that"), "{error}");
    }
}
