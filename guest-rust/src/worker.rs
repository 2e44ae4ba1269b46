//! This worker and others: what they do, and which there are.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::host;

/// The name of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WorkerId {
    /// The component that it runs.
    pub component_id: Uuid,
    /// Its name among the workers of the component.
    pub worker_name: String,
}

/// What a worker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkerStatus {
    /// An invocation is being executed.
    Running,
    /// It waits for invocations.
    Idle,
    /// An invocation waits for a time or for a promise.
    Suspended,
    /// An operator stopped it.
    Interrupted,
    /// An invocation failed and will be tried again.
    Retrying,
    /// An invocation failed for good.
    Failed,
    /// The guest ended it.
    Exited,
}

/// A worker as it was when it was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerMetadata {
    /// Its name.
    pub worker_id: WorkerId,
    /// Its command line arguments.
    pub args: Vec<String>,
    /// Its own environment variables.
    pub env: Vec<(String, String)>,
    /// What it is doing.
    pub status: WorkerStatus,
    /// The version of the component that it runs.
    pub component_version: u64,
    /// Retries of the last failure.
    pub retry_count: u64,
}

/// How a worker goes over to another version of its component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateMode {
    /// The new version replays the whole history; a divergence keeps the old one.
    Automatic,
    /// The old version saves what it wants to keep, and the new one loads it.
    SnapshotBased,
}

/// Returns what is known of this worker.
#[must_use]
pub fn get_self_metadata() -> WorkerMetadata {
    host::get_self_metadata()
}

/// Returns what is known of a worker, none if there is no such worker.
#[must_use]
pub fn get_worker_metadata(id: &WorkerId) -> Option<WorkerMetadata> {
    host::get_worker_metadata(id)
}

/// Returns the name under which a function of this worker can be called.
#[must_use]
pub fn get_self_uri(function: &str) -> String {
    host::get_self_uri(function)
}

/// Asks that a worker go over to another version of its component, and does not wait for it.
pub fn update_worker(id: &WorkerId, target_version: u64, mode: UpdateMode) {
    host::update_worker(id, target_version, mode);
}

/// Returns the workers of a component that satisfy a filter, in the order of their names.
///
/// Precise statuses are brought up to date for each worker; others may lag behind for workers that
/// a crash took out of memory.
///
/// ```
/// use everlog::{TextComparison, WorkerFilter, WorkerStatus, get_self_metadata, get_workers};
///
/// let siblings = get_self_metadata().worker_id.component_id;
/// let stuck = WorkerFilter::name(TextComparison::Like, "order-*")
///     .and(WorkerFilter::status_is(WorkerStatus::Failed));
/// for worker in get_workers(siblings, Some(stuck), true) {
///     println!("{} has failed", worker.worker_id.worker_name);
/// }
/// ```
pub fn get_workers(
    component_id: Uuid,
    filter: Option<WorkerFilter>,
    precise: bool,
) -> impl Iterator<Item = WorkerMetadata> {
    let mut pages = host::Pages::new(component_id, filter, precise);
    std::iter::from_fn(move || pages.next_page()).flatten()
}

/// How a number or a status is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are what they are called")]
pub enum Comparison {
    Equal,
    NotEqual,
    GreaterEqual,
    Greater,
    LessEqual,
    Less,
}

/// How a text is compared; in `Like` and `NotLike` a `*` stands for any text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are what they are called")]
pub enum TextComparison {
    Equal,
    NotEqual,
    Like,
    NotLike,
}

/// What a worker must satisfy to be listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerFilter {
    /// Any of these, each of which is all of those.
    pub(crate) any: Vec<Vec<Property>>,
}

/// One thing that a worker must satisfy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Property {
    Name(TextComparison, String),
    Status(Comparison, WorkerStatus),
    Version(Comparison, u64),
    CreatedAt(Comparison, u64),
    Env(String, TextComparison, String),
}

impl WorkerFilter {
    /// Compares the worker's name.
    pub fn name(comparison: TextComparison, value: impl Into<String>) -> Self {
        Self::one(Property::Name(comparison, value.into()))
    }

    /// Compares what the worker is doing, in the order of [`WorkerStatus`].
    #[must_use]
    pub fn status(comparison: Comparison, value: WorkerStatus) -> Self {
        Self::one(Property::Status(comparison, value))
    }

    /// Satisfied by workers of this status.
    #[must_use]
    pub fn status_is(value: WorkerStatus) -> Self {
        Self::status(Comparison::Equal, value)
    }

    /// Compares the version of the component that the worker runs.
    #[must_use]
    pub fn version(comparison: Comparison, value: u64) -> Self {
        Self::one(Property::Version(comparison, value))
    }

    /// Compares when the worker was created, to the millisecond.
    #[must_use]
    pub fn created_at(comparison: Comparison, value: SystemTime) -> Self {
        let since = value.duration_since(UNIX_EPOCH).unwrap_or_default();
        let milliseconds = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Self::one(Property::CreatedAt(comparison, milliseconds))
    }

    /// Compares an environment variable of the worker.
    pub fn env(
        name: impl Into<String>,
        comparison: TextComparison,
        value: impl Into<String>,
    ) -> Self {
        Self::one(Property::Env(name.into(), comparison, value.into()))
    }

    /// Satisfied by workers that satisfy both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let pairs = other.any.into_iter().flat_map(|right| {
            self.any.iter().map(move |left| [left.as_slice(), right.as_slice()].concat())
        });
        Self { any: pairs.collect() }
    }

    /// Satisfied by workers that satisfy one of the two, or both.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        self.any.extend(other.any);
        self
    }

    fn one(property: Property) -> Self {
        Self { any: vec![vec![property]] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn and_distributes_over_or() {
        let version = |value| WorkerFilter::version(Comparison::Equal, value);
        let both = version(1).or(version(2)).and(version(3).or(version(4)));
        let pair = |left, right| {
            let property = |value| Property::Version(Comparison::Equal, value);
            vec![property(left), property(right)]
        };
        assert_eq!(both.any, [pair(1, 3), pair(2, 3), pair(1, 4), pair(2, 4)]);
    }
}
