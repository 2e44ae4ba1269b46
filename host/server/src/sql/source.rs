//! Where the tables read from, and what goes wrong there.

use std::sync::{Arc, Mutex, PoisonError};

use everlog_runtime::{Runtime, WorkerError};
use tokio::runtime::Handle;

use super::SqlError;
use super::limits::Clock;

/// The runtime, for one query.
pub(super) struct Source {
    pub(super) runtime: Arc<Runtime>,
    handle: Handle,
    pub(super) clock: Clock,
    failure: Mutex<Option<WorkerError>>,
}

impl Source {
    pub(super) fn new(runtime: Arc<Runtime>, handle: Handle, clock: Clock) -> Self {
        Self { runtime, handle, clock, failure: Mutex::new(None) }
    }

    /// Waits, on the thread of the query.
    pub(super) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.handle.block_on(future)
    }

    /// Keeps why the store could not be read, which SQLite would turn into a text.
    pub(super) fn fail(&self, error: WorkerError) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    pub(super) fn failure(&self) -> Option<SqlError> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.map(|error| SqlError::Failed(error.to_string()))
    }
}
