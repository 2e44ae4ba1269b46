//! One version of a component, compiled and linked.

use everlog_oplog::Timestamp;
use uuid::Uuid;
use wasmtime::component::InstancePre;

use crate::exports::Exports;
use crate::wasi::WorkerState;

/// A deployed component, ready to run.
pub struct ComponentVersion {
    /// The component's name.
    pub name: String,
    /// The component's UUID; guest code sees it.
    pub id: Uuid,
    /// 0, 1, 2, …
    pub version: u64,
    /// SHA-256 of the binary, in hex.
    pub digest: String,
    /// Bytes of the binary.
    pub size: u64,
    /// When it was uploaded.
    pub created_at: Timestamp,
    /// The interfaces it imports, with their versions.
    pub imports: Vec<String>,
    pub(crate) exports: Exports,
    pub(crate) pre: InstancePre<WorkerState>,
}

impl ComponentVersion {
    /// The functions that callers can invoke.
    #[must_use]
    pub fn exports(&self) -> &Exports {
        &self.exports
    }
}
