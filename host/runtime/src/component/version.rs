//! One version of a component, compiled and linked.

use everlog_oplog::Timestamp;
use uuid::Uuid;
use wasmtime::component::InstancePre;

use super::ComponentSettings;
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
    /// What its deployer said of it.
    pub settings: ComponentSettings,
    pub(crate) exports: Exports,
    pub(crate) pre: InstancePre<WorkerState>,
}

impl ComponentVersion {
    /// Whether the function of this full name only reads.
    #[must_use]
    pub fn is_read_only(&self, function: &str) -> bool {
        self.settings.read_only.iter().any(|known| known == function)
    }

    /// Whether its guests ask if their invocation is to come to an end.
    pub(crate) fn asks_for_cancels(&self) -> bool {
        self.imports.iter().any(|import| import.starts_with("everlog:api/cancellation@"))
    }

    /// The functions that callers can invoke.
    #[must_use]
    pub fn exports(&self) -> &Exports {
        &self.exports
    }
}
