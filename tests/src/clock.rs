//! A wall clock that a test sets for a server, as people and time servers set those of machines.
//!
//! libfaketime stands between the process and the system's clock; timers, which go by the monotonic clock, are left alone,
//! as they are when a machine's clock is set.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

/// Where distributions put the library, below one directory per architecture in Debian.
const PLACES: [&str; 2] = ["/usr/lib", "/usr/lib64"];

/// The clock: it goes as the system's, so far ahead of it or behind it.
#[derive(Debug)]
pub struct SetClock {
    directory: TempDir,
    library: PathBuf,
}

impl SetClock {
    /// A clock that shows the right time.
    ///
    /// # Panics
    /// If libfaketime is not installed.
    pub fn right() -> Self {
        let directory = TempDir::with_prefix("everlog-clock-").expect("a temporary directory");
        let library = library().expect("libfaketime is installed by `make setup-tests`");
        let clock = Self { directory, library };
        clock.set("+0");
        clock
    }

    /// Sets the clock forward of the right time.
    pub fn set_ahead(&self, by: Duration) {
        self.set(&format!("+{}", by.as_secs()));
    }

    /// Sets the clock back behind the right time.
    pub fn set_behind(&self, by: Duration) {
        self.set(&format!("-{}", by.as_secs()));
    }

    /// What a process needs in its environment to go by this clock.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file().display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("offset")
    }

    /// In one step, since the process reads it whenever it asks for the time.
    #[expect(clippy::disallowed_methods, reason = "the harness owns the file")]
    fn set(&self, offset: &str) {
        let new = self.directory.path().join("offset.new");
        std::fs::write(&new, offset).expect("the temporary directory takes a file");
        std::fs::rename(&new, self.file()).expect("the temporary directory takes a file");
    }
}

fn library() -> Option<PathBuf> {
    let found = PLACES.iter().flat_map(|place| {
        let mut directories = vec![Path::new(place).to_owned()];
        directories.extend(subdirectories(Path::new(place)));
        directories
    });
    found
        .map(|directory| directory.join("faketime/libfaketime.so.1"))
        .find(|library| library.is_file())
}

fn subdirectories(of: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(of).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}
