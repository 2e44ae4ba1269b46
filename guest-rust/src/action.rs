//! Actions: closures of which the outcome is recorded as one entry, whatever they do.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::host;

/// Runs a closure and records its outcome, as JSON, in one entry under this name. A worker that comes
/// back gets the recorded outcome, and the closure is not run again. It exists on servers of everlog
/// only.
///
/// ```
/// # use everlog::{http, mock};
/// # let host = mock::Host::new().on_http(|_| http::Response::new(200, "3"));
/// # host.run(|| {
/// // Any number of requests, one entry.
/// let stars: Result<u32, String> = everlog::run("stars", || {
///     let mut stars = 0;
///     for page in 1..=10 {
///         let url = format!("http://repositories.example/stars?page={page}");
///         stars += http::get(url).send()?.json::<u32>()?;
///     }
///     Ok(stars)
/// });
/// # assert_eq!(stars, Ok(30));
/// # });
/// # assert_eq!(host.oplog(), ["run stars"]);
/// ```
///
/// A crash in the middle runs the closure again from its beginning, so what it does outside should
/// bear that: [`generate_idempotency_key`](crate::generate_idempotency_key) draws the same keys again.
/// Where [`with_idempotence_mode(false, …)`](crate::with_idempotence_mode) says that it must not be
/// repeated, the worker fails instead, and says which action may have happened. A panic is a failure
/// of the invocation as anywhere else, and tried again by its retry policy.
///
/// Whatever the closure learns counts only as far as it is in the outcome, since a replay skips the
/// closure: it must not put anything into captured variables, statics or files. The host traps where
/// it sees that: for an action inside of it; for atomic regions, transactions that start over, modes
/// and promises; for a request that was begun outside; for a connection, or another host resource,
/// that is left open. In asynchronous code, finish other futures before.
///
/// # Panics
/// If the outcome has no JSON, more than 4 MiB of it, or the recorded one is not of type `T`.
pub fn run<T: Serialize + DeserializeOwned>(name: &str, action: impl FnOnce() -> T) -> T {
    let outcome = host::action_begin(name).unwrap_or_else(|| {
        let outcome = serde_json::to_vec(&action());
        let outcome =
            outcome.unwrap_or_else(|error| panic!("action {name:?}: no JSON for it: {error}"));
        host::action_end(name, &outcome);
        outcome
    });
    // From the bytes also where it has just run: what the guest sees is the same in every replay.
    let read = serde_json::from_slice(&outcome);
    read.unwrap_or_else(|error| {
        panic!("action {name:?}: the recorded outcome is not of the type asked for: {error}")
    })
}

/// As [`run`], for a closure with any error: the error is recorded too, as its message. It is an
/// outcome like others, so the closure is not tried again.
///
/// # Errors
/// An [`ActionError`] where the closure returned one.
///
/// # Panics
/// As [`run`].
pub fn try_run<T, E>(name: &str, action: impl FnOnce() -> Result<T, E>) -> Result<T, ActionError>
where
    T: Serialize + DeserializeOwned,
    E: fmt::Display,
{
    let outcome: Result<T, String> = run(name, || action().map_err(|error| error.to_string()));
    outcome.map_err(|message| ActionError { action: name.to_owned(), message })
}

/// An action returned an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionError {
    /// The name of the action.
    pub action: String,
    /// What the error said.
    pub message: String,
}

impl fmt::Display for ActionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "action {}: {}", self.action, self.message)
    }
}

impl std::error::Error for ActionError {}

impl From<ActionError> for String {
    fn from(error: ActionError) -> Self {
        error.to_string()
    }
}

/// Returns the idempotency key of the invocation that is running: the caller's, or the one that the
/// server drew for it. It exists on servers of everlog only.
#[must_use]
pub fn invocation_key() -> Option<String> {
    host::invocation_key()
}

/// Returns a UUID that is the same for this name whenever an invocation of this worker runs under this
/// idempotency key, unlike [`generate_idempotency_key`](crate::generate_idempotency_key) also in a
/// transaction that was undone and starts over. It exists on servers of everlog only.
///
/// ```
/// assert_eq!(everlog::uuid_for("payment"), everlog::uuid_for("payment"));
/// assert_ne!(everlog::uuid_for("payment"), everlog::uuid_for("refund"));
/// ```
#[must_use]
pub fn uuid_for(name: &str) -> Uuid {
    host::invocation_id(name)
}
