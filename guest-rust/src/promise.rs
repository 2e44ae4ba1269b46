//! Values that somebody else provides, perhaps days later.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::host;
use crate::oplog::OplogIndex;
use crate::worker::WorkerId;

/// The name of a promise. Whoever knows it can complete the promise.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PromiseId {
    /// The worker that made it.
    pub worker_id: WorkerId,
    /// The entry of that worker's oplog that says so.
    pub oplog_idx: OplogIndex,
}

impl PromiseId {
    /// Returns where a server of everlog takes the completion by POST.
    #[must_use]
    pub fn completion_path(&self) -> String {
        let WorkerId { component_id, worker_name } = &self.worker_id;
        let worker = percent_encoded(worker_name);
        format!("/v1/promises/{component_id}/{worker}/{}/complete", self.oplog_idx)
    }
}

/// Keeps what every URL takes as it is.
fn percent_encoded(segment: &str) -> String {
    let encode = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    segment.bytes().map(encode).collect()
}

/// Makes a promise of this worker.
#[must_use]
pub fn create_promise() -> PromiseId {
    host::create_promise()
}

/// Waits until a promise is completed, as long as it takes, and returns with what. A worker that
/// waits for its own promise leaves memory meanwhile.
///
/// The host traps if there is no such promise, or it is deleted.
#[must_use]
pub fn await_promise(id: &PromiseId) -> Vec<u8> {
    host::await_promise(id)
}

/// Completes a promise, of this worker or of another. The first completion counts; tells whether
/// this is it.
///
/// The host traps if there is no such promise, or it is deleted.
pub fn complete_promise(id: &PromiseId, data: &[u8]) -> bool {
    host::complete_promise(id, data)
}

/// Deletes a promise of this worker.
///
/// The host traps if there is no such promise, or it is deleted already.
pub fn delete_promise(id: &PromiseId) {
    host::delete_promise(id);
}

/// A promise whose completion is a JSON value of type `T`.
///
/// ```
/// use everlog::Promise;
///
/// let approval: Promise<bool> = Promise::create();
/// println!("to approve: POST true to {}", approval.id().completion_path());
/// # approval.complete(&true).unwrap();
/// if approval.wait().unwrap() {
///     println!("approved");
/// }
/// approval.delete();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise<T> {
    id: PromiseId,
    value: PhantomData<fn() -> T>,
}

impl<T> Promise<T> {
    /// Makes a promise of this worker.
    #[must_use]
    pub fn create() -> Self {
        Self::with_id(create_promise())
    }

    /// A promise that was made before, perhaps by another worker.
    #[must_use]
    pub fn with_id(id: PromiseId) -> Self {
        Self { id, value: PhantomData }
    }

    /// Returns its name.
    #[must_use]
    pub fn id(&self) -> &PromiseId {
        &self.id
    }

    /// Waits until it is completed, see [`await_promise`].
    ///
    /// # Errors
    /// If it was completed with something else than a `T` in JSON.
    pub fn wait(&self) -> Result<T, serde_json::Error>
    where
        T: DeserializeOwned,
    {
        serde_json::from_slice(&await_promise(&self.id))
    }

    /// Completes it, see [`complete_promise`].
    ///
    /// # Errors
    /// If the value cannot be written as JSON.
    pub fn complete(&self, value: &T) -> Result<bool, serde_json::Error>
    where
        T: Serialize,
    {
        Ok(complete_promise(&self.id, &serde_json::to_vec(value)?))
    }

    /// Deletes it, see [`delete_promise`].
    pub fn delete(self) {
        delete_promise(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_one_segment_per_part() {
        let worker_id = WorkerId { component_id: uuid::Uuid::nil(), worker_name: "a/b ü".into() };
        let id = PromiseId { worker_id, oplog_idx: 7 };
        let component = "00000000-0000-0000-0000-000000000000";
        let expected = format!("/v1/promises/{component}/a%2Fb%20%C3%BC/7/complete");
        assert_eq!(id.completion_path(), expected);
    }

    #[test]
    fn a_promise_is_completed_once() {
        let promise: Promise<Vec<u8>> = Promise::create();
        assert!(promise.complete(&vec![1]).unwrap());
        assert!(!promise.complete(&vec![2]).unwrap());
        assert_eq!(promise.wait().unwrap(), [1]);
        let same: Promise<String> = Promise::with_id(promise.id().clone());
        assert!(same.wait().is_err());
    }
}
