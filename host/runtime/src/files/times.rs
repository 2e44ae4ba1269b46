//! The times of files that a replay makes again.
//!
//! A file that was written on Monday must not be from Tuesday because its worker left memory in between. What replay
//! changes gets the time of the entry it stands at. That is no later than the first time (but for the few milliseconds
//! by which a kernel's clock for files lags), so that the order of changes stays what it was, and what the guest was
//! told of other files still fits.

use std::fs::{File, FileTimes};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use everlog_oplog::Timestamp;

/// Knows when the guest first did what it does now.
#[derive(Clone)]
pub(crate) struct FileClock(Arc<dyn Fn() -> Option<Timestamp> + Send + Sync>);

impl FileClock {
    /// A clock that asks `replay_time`, which has no answer where execution is live.
    pub(crate) fn new(replay_time: impl Fn() -> Option<Timestamp> + Send + Sync + 'static) -> Self {
        Self(Arc::new(replay_time))
    }

    /// When the guest first did what it does now; `None` if it does it for the first time.
    pub(crate) fn first_time(&self) -> Option<Timestamp> {
        (self.0)()
    }

    fn first_system_time(&self) -> Option<SystemTime> {
        self.first_time().map(|time| UNIX_EPOCH + Duration::from_nanos(time.nanos()))
    }

    /// Gives `file`, which was just changed, the time of its first change.
    pub(crate) fn date_back(&self, file: &File) -> io::Result<()> {
        match self.first_system_time() {
            Some(time) => file.set_times(FileTimes::new().set_accessed(time).set_modified(time)),
            None => Ok(()),
        }
    }

    /// The same for the directory in which the name `path` was just made or removed.
    pub(crate) fn date_back_directory_of(&self, path: &Path) -> io::Result<()> {
        #[expect(clippy::disallowed_methods, reason = "this module owns the files of workers")]
        match (self.first_system_time(), path.parent()) {
            (Some(time), Some(directory)) => {
                File::open(directory)?.set_times(FileTimes::new().set_modified(time))
            }
            _ => Ok(()),
        }
    }
}
