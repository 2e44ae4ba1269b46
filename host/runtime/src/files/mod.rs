//! The directories of workers: one each, empty when the worker is loaded, filled again by its replay.
//!
//! **Invariant:** a worker's directory is a consequence of its oplog. Nothing is ever read from a directory that an
//! earlier life of the worker has left behind.

mod carry;
mod paths;
mod quota;
mod streams;
mod times;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime_wasi::filesystem::{Dir, WasiFilesystemCtx};
use wasmtime_wasi::{FsPerms, OpenMode, WasiCtx};

pub(crate) use carry::SavedFiles;
pub(crate) use paths::locate;
pub(crate) use quota::{ENTRY_BYTES, NamedFile, Quota};
pub(crate) use streams::{FileInput, FileOutput, MAX_CHUNK_BYTES, WriteAt};
pub(crate) use times::FileClock;

use crate::entropy;
use crate::worker::WorkerId;

/// Bytes of the digest that names a worker's directory: names of workers hold what paths can't.
const DIRECTORY_NAME_BYTES: usize = 16;

/// Where replays beside a worker have their files, below the directory of all workers.
const SCRATCH: &str = "scratch";

/// Whether file calls run on the thread that asks: yes. They are short, and a round trip to another thread costs more
/// than most of them.
const ON_CALLING_THREAD: bool = true;

/// Where the directories of all workers are.
pub(crate) struct FilesRoot {
    path: PathBuf,
    /// Stands for a worker's directory until the worker first uses it: empty, not writable, shared by all.
    placeholder: Dir,
    context: WasiFilesystemCtx,
}

impl FilesRoot {
    /// Makes `path` if it is not there. Directories of workers that an earlier process has left stay until their
    /// workers are loaded or deleted.
    ///
    /// # Errors
    /// When the directory can't be made or opened.
    #[expect(clippy::disallowed_methods, reason = "this module owns the files of workers")]
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let empty = path.join("empty");
        std::fs::create_dir_all(&empty)?;
        remove_if_there(&path.join(SCRATCH))?;
        let placeholder = Dir::new(
            File::open(&empty)?,
            FsPerms::ReadOnly,
            OpenMode::READ | OpenMode::WRITE,
            ON_CALLING_THREAD,
        );
        let mut context = WasiCtx::builder();
        context.allow_blocking_current_thread(ON_CALLING_THREAD);
        let context = context.build().filesystem().clone();
        Ok(Self { path: path.canonicalize()?, placeholder, context })
    }

    /// Removes what a worker has on the disk: when it leaves memory, since replay makes it again, or is deleted.
    ///
    /// # Errors
    /// When the directory is there and can't be removed.
    pub(crate) fn remove(&self, worker: &WorkerId) -> io::Result<()> {
        remove_if_there(&self.directory_of(worker))
    }

    /// Another place for the files of workers, which is gone when it is dropped.
    ///
    /// # Errors
    /// When it can't be made.
    pub(crate) fn scratch(&self) -> io::Result<Scratch> {
        let path = self.path.join(SCRATCH).join(entropy::uuid().to_string());
        Ok(Scratch { root: Arc::new(Self::open(&path)?) })
    }

    fn directory_of(&self, worker: &WorkerId) -> PathBuf {
        use std::fmt::Write;
        let digest = Sha256::digest(worker.name.as_bytes());
        let name =
            digest.iter().take(DIRECTORY_NAME_BYTES).fold(String::new(), |mut name, byte| {
                // Writing to a string can't fail.
                let _ = write!(name, "{byte:02x}");
                name
            });
        self.path.join(worker.component.to_string()).join(name)
    }
}

/// A place for the files of a replay beside a worker.
pub(crate) struct Scratch {
    root: Arc<FilesRoot>,
}

impl Scratch {
    /// The place.
    pub(crate) fn root(&self) -> Arc<FilesRoot> {
        Arc::clone(&self.root)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = remove_if_there(&self.root.path) {
            let path = self.root.path.display();
            tracing::warn!(%path, %error, "files of a replay could not be removed");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this module owns the files of workers")]
fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The directory of one loaded worker. Costs nothing on the disk until the worker uses it.
pub(crate) struct WorkerFiles {
    root: Arc<FilesRoot>,
    worker: WorkerId,
    path: PathBuf,
    directory: Option<Dir>,
    /// What the directory may hold.
    pub(crate) quota: Quota,
    /// What time it is for changes of files.
    pub(crate) clock: FileClock,
    /// wasmtime-wasi's settings for file calls.
    pub(crate) context: WasiFilesystemCtx,
}

impl WorkerFiles {
    /// The directory of `worker`; nothing is made yet.
    pub(crate) fn new(
        root: Arc<FilesRoot>,
        worker: WorkerId,
        quota: Quota,
        clock: FileClock,
    ) -> Self {
        let path = root.directory_of(&worker);
        let context = root.context.clone();
        Self { root, worker, path, directory: None, quota, clock, context }
    }

    /// Where the directory is, or will be, on this machine.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What a guest is given for its directory before it uses it.
    pub(crate) fn placeholder(&self) -> Dir {
        self.root.placeholder.clone()
    }

    /// Whether `directory` is the placeholder.
    pub(crate) fn is_placeholder(&self, directory: &Dir) -> bool {
        Arc::ptr_eq(&directory.dir, &self.root.placeholder.dir)
    }

    /// The worker's directory; the first call since the worker was loaded empties and makes it.
    ///
    /// # Errors
    /// When that fails.
    pub(crate) async fn directory(&mut self) -> io::Result<Dir> {
        if let Some(directory) = &self.directory {
            return Ok(directory.clone());
        }
        let (root, worker, path) = (Arc::clone(&self.root), self.worker.clone(), self.path.clone());
        // A directory that an earlier life has left may be large, and removing it slow.
        let opened = tokio::task::spawn_blocking(move || {
            root.remove(&worker)?;
            open_new(&path)
        });
        let directory = opened.await.map_err(io::Error::other)??;
        Ok(self.directory.insert(directory).clone())
    }
}

#[expect(clippy::disallowed_methods, reason = "this module owns the files of workers")]
fn open_new(path: &Path) -> io::Result<Dir> {
    std::fs::create_dir_all(path)?;
    Ok(Dir::new(
        File::open(path)?,
        FsPerms::ReadWrite,
        OpenMode::READ | OpenMode::WRITE,
        ON_CALLING_THREAD,
    ))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "this module owns the files of workers")]
mod tests {
    use super::*;
    use crate::wasi::SharedCount;

    fn worker(name: &str) -> WorkerId {
        WorkerId { component: uuid::Uuid::nil(), name: name.to_owned() }
    }

    fn quota() -> Quota {
        Quota::new(1, SharedCount::default())
    }

    #[tokio::test]
    async fn a_directory_appears_on_first_use_and_is_empty_in_each_life() {
        let state = tempfile::tempdir().unwrap();
        let root = Arc::new(FilesRoot::open(&state.path().join("files")).unwrap());
        let life = || {
            WorkerFiles::new(
                Arc::clone(&root),
                worker("mary/../x"),
                quota(),
                FileClock::new(|| None),
            )
        };

        let mut first = life();
        assert!(!first.path().exists());
        first.directory().await.unwrap();
        std::fs::write(first.path().join("note"), "1").unwrap();
        first.directory().await.unwrap();
        assert!(first.path().join("note").exists(), "the second use must not empty it");

        let mut second = life();
        second.directory().await.unwrap();
        assert_eq!(std::fs::read_dir(second.path()).unwrap().count(), 0);

        root.remove(&worker("mary/../x")).unwrap();
        root.remove(&worker("mary/../x")).unwrap();
        assert!(!second.path().exists());
    }

    #[test]
    fn workers_have_directories_of_their_own() {
        let state = tempfile::tempdir().unwrap();
        let root = FilesRoot::open(state.path()).unwrap();
        assert_ne!(root.directory_of(&worker("a")), root.directory_of(&worker("b")));
        assert!(root.directory_of(&worker("../../b")).starts_with(&root.path));
    }
}
