//! Workers as JSON.

use everlog_oplog::WorkerState;
use everlog_oplog::status::Status;
use everlog_runtime::WorkerMetadata;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::time::format_instant;

/// The name of a state in the API.
pub(crate) fn state_name(state: WorkerState) -> &'static str {
    match state {
        WorkerState::Idle => "idle",
        WorkerState::Running => "running",
        WorkerState::Suspended => "suspended",
        WorkerState::Interrupted => "interrupted",
        WorkerState::Retrying => "retrying",
        WorkerState::Failed => "failed",
        WorkerState::Exited => "exited",
        WorkerState::Stalled => "stalled",
    }
}

/// What is known of a worker.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct WorkerJson {
    component: String,
    component_id: Uuid,
    worker: String,
    version: u64,
    status: &'static str,
    args: Vec<String>,
    env: Map<String, Value>,
    created_at: String,
    retry_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    pending_invocations: Vec<String>,
    updates: UpdatesJson,
    oplog: OplogJson,
    memory_bytes: u64,
    owned_resources: Vec<ResourceJson>,
}

/// Versions that the worker is to go over to, went over to, and did not go over to.
#[derive(Debug, Serialize)]
struct UpdatesJson {
    pending: Vec<u64>,
    successful: Vec<u64>,
    failed: Vec<FailedUpdateJson>,
}

#[derive(Debug, Serialize)]
struct FailedUpdateJson {
    version: u64,
    details: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OplogJson {
    last_index: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct ResourceJson {
    id: u64,
    resource: String,
    params: String,
}

impl WorkerJson {
    /// Describes a worker; `component` is its component's name.
    pub(in crate::http) fn of(metadata: &WorkerMetadata, component: &str) -> Self {
        let status = &metadata.status;
        let variable = |(key, value): &(String, String)| (key.clone(), value.clone().into());
        Self {
            component: component.to_owned(),
            component_id: metadata.worker.component,
            worker: metadata.worker.name.clone(),
            version: status.component_version,
            status: state_name(status.state),
            args: status.create.args.clone(),
            env: status.create.env.iter().map(variable).collect(),
            created_at: format_instant(status.created_at),
            retry_count: status.retry_count(),
            last_error: last_error(status),
            pending_invocations: metadata.pending(),
            updates: UpdatesJson::of(status),
            oplog: OplogJson { last_index: status.last_index.get(), bytes: status.log_bytes },
            memory_bytes: status.memory_bytes,
            owned_resources: resources(status),
        }
    }
}

fn last_error(status: &Status) -> Option<String> {
    if let Some(stall) = &status.stalled {
        return Some(format!(
            "replay diverged at entry {}: recorded is {}, the component asked for {}",
            stall.entry, stall.recorded, stall.asked
        ));
    }
    status.failure.as_ref().map(|failure| failure.message.clone())
}

impl UpdatesJson {
    fn of(status: &Status) -> Self {
        let updates = &status.updates;
        let failed = updates.failed.iter().map(|update| FailedUpdateJson {
            version: update.version,
            details: update.details.clone(),
        });
        Self {
            pending: updates.pending.iter().map(|update| update.version).collect(),
            successful: updates.successful.clone(),
            failed: failed.collect(),
        }
    }
}

fn resources(status: &Status) -> Vec<ResourceJson> {
    let resources = status.resources.iter().map(|(id, owned)| ResourceJson {
        id: *id,
        resource: owned.resource.clone(),
        params: owned.params.clone(),
    });
    resources.collect()
}
