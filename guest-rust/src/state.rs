//! State that belongs to the worker: values under keys, as JSON, which callers over HTTP and
//! operators see and may set too.
//!
//! Memory is durable by itself; this is for what others are to see without calling the worker, and
//! for what is too much to be in memory. It exists on servers of everlog only.
//!
//! ```
//! # use everlog::{mock, state};
//! # let host = mock::Host::new();
//! # host.run(|| -> Result<(), state::Error> {
//! let visits: u64 = state::get("visits")?.unwrap_or_default();
//! state::set("visits", &(visits + 1))?;
//! # Ok(())
//! # }).unwrap();
//! # assert_eq!(host.state("visits").as_deref(), Some("1"));
//! ```
//!
//! Each read is recorded with what it found, so a worker that comes back sees again what it saw; each
//! change is stored in one step with the entry that says so, and happens exactly once. What is set
//! from outside in between is seen by the next read. Another worker's state is out of reach.
//!
//! A key has 1 to 1024 bytes, a value at most 16 MiB.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::host;

/// Why state was not read or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The host refused, for this reason; nothing has changed.
    Refused(String),
    /// What is under the key is no JSON, or not of the type that was asked for.
    Unfitting {
        /// The key.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// The value cannot be written as JSON.
    Unwritable {
        /// The key.
        key: String,
        /// What is wrong.
        reason: String,
    },
}

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(reason) => formatter.write_str(reason),
            Self::Unfitting { key, reason } => {
                write!(formatter, "the state under {key:?} is not what was asked for: {reason}")
            }
            Self::Unwritable { key, reason } => {
                write!(formatter, "the state for {key:?} has no JSON: {reason}")
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for String {
    fn from(error: Error) -> Self {
        error.to_string()
    }
}

/// Returns what is under `key`, if anything is.
///
/// # Errors
/// [`Error::Unfitting`] if it is something else; [`Error::Refused`] for a key that can't be one.
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>, Error> {
    let Some(bytes) = host::state_get(key).map_err(Error::Refused)? else { return Ok(None) };
    let unfitting = |error: serde_json::Error| {
        let reason = error.to_string();
        Error::Unfitting { key: key.to_owned(), reason }
    };
    serde_json::from_slice(&bytes).map(Some).map_err(unfitting)
}

/// Puts `value` under `key`, in place of what is there.
///
/// # Errors
/// [`Error::Unwritable`] if it has no JSON; [`Error::Refused`] for a limit that is broken.
pub fn set<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<(), Error> {
    let unwritable = |error: serde_json::Error| {
        let reason = error.to_string();
        Error::Unwritable { key: key.to_owned(), reason }
    };
    let bytes = serde_json::to_vec(value).map_err(unwritable)?;
    host::state_set(key, &bytes).map_err(Error::Refused)
}

/// Removes what is under `key`, if anything is.
///
/// # Errors
/// [`Error::Refused`] for a key that can't be one.
pub fn clear(key: &str) -> Result<(), Error> {
    host::state_clear(key).map_err(Error::Refused)
}

/// Removes everything, in one step.
///
/// # Errors
/// [`Error::Refused`] if there are more than 10,000 keys.
pub fn clear_all() -> Result<(), Error> {
    host::state_clear_all().map_err(Error::Refused)
}

/// Returns all keys that begin with `prefix`, in their order. They are read in pages of 1,000, each
/// as it is at its moment.
///
/// # Errors
/// [`Error::Refused`] if the store is damaged.
pub fn keys(prefix: &str) -> Result<Vec<String>, Error> {
    let (mut keys, mut after) = (Vec::new(), None);
    loop {
        let (page, next) = host::state_keys(prefix, after.as_deref()).map_err(Error::Refused)?;
        keys.extend(page);
        after = next;
        if after.is_none() {
            return Ok(keys);
        }
    }
}
