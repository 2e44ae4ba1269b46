//! Which worker: a component and a name.

use std::fmt;

use everlog_store::{StoreError, WorkerKey};
use uuid::Uuid;

use crate::error::WorkerError;

/// Names of workers are at most this long, in bytes.
pub const MAX_WORKER_NAME_BYTES: usize = 512;

/// Ends the name in a [`WorkerKey`]; no name holds it, so no key is the beginning of another.
const END: u8 = 0;
const UUID_BYTES: usize = 16;

/// The identity of a worker: unique in a server, and for life.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId {
    /// The component's UUID.
    pub component: Uuid,
    /// The worker's name.
    pub name: String,
}

impl WorkerId {
    /// Checks the name.
    ///
    /// # Errors
    /// [`WorkerError::InvalidName`] unless it has 1 to [`MAX_WORKER_NAME_BYTES`] bytes and no control character.
    pub fn new(component: Uuid, name: impl Into<String>) -> Result<Self, WorkerError> {
        let name = name.into();
        let allowed = 1..=MAX_WORKER_NAME_BYTES;
        if !allowed.contains(&name.len()) || name.chars().any(char::is_control) {
            let name = name.chars().take(MAX_WORKER_NAME_BYTES).collect();
            return Err(WorkerError::InvalidName { name });
        }
        Ok(Self { component, name })
    }

    /// The namespace of what is named after the worker's places in its log, for its life.
    pub(crate) fn namespace(&self) -> Uuid {
        Uuid::new_v5(&self.component, self.name.as_bytes())
    }

    /// The key of the worker's oplog and the prefix of its records.
    pub(crate) fn key(&self) -> Result<WorkerKey, StoreError> {
        let mut key = Vec::with_capacity(UUID_BYTES + self.name.len() + 1);
        key.extend_from_slice(self.component.as_bytes());
        key.extend_from_slice(self.name.as_bytes());
        key.push(END);
        WorkerKey::new(key)
    }

    /// The inverse of [`WorkerId::key`]; `None` where the bytes are no such key.
    pub(crate) fn from_key(key: &[u8]) -> Option<Self> {
        let (component, rest) = key.split_at_checked(UUID_BYTES)?;
        let name = rest.strip_suffix(&[END])?;
        let component = Uuid::from_slice(component).ok()?;
        Self::new(component, String::from_utf8(name.to_vec()).ok()?).ok()
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.component, self.name)
    }
}
