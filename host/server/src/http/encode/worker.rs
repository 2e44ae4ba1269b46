//! Workers as JSON.

use everlog_oplog::WorkerState;
use everlog_oplog::status::{OwnedResource, Status};
use everlog_runtime::WorkerMetadata;
use serde_json::{Map, Value, json};

use crate::time::format_instant;

/// The name of a state in the API.
pub(in crate::http) fn state_name(state: WorkerState) -> &'static str {
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

/// What is known of a worker; `component` is its component's name.
pub(in crate::http) fn worker_json(metadata: &WorkerMetadata, component: &str) -> Value {
    let status = &metadata.status;
    let mut json = json!({
        "component": component,
        "componentId": metadata.worker.component,
        "worker": metadata.worker.name,
        "version": status.component_version,
        "status": state_name(status.state),
        "args": status.create.args,
        "env": env_json(&status.create.env),
        "createdAt": format_instant(status.created_at),
        "retryCount": status.retry_count(),
        "pendingInvocations": metadata.pending(),
        "updates": updates_json(status),
        "oplog": { "lastIndex": status.last_index.get(), "bytes": status.log_bytes },
        "memoryBytes": status.memory_bytes,
        "ownedResources": resources_json(status),
    });
    if let Some(error) = last_error(status) {
        json["lastError"] = error.into();
    }
    json
}

fn env_json(env: &[(String, String)]) -> Map<String, Value> {
    env.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect()
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

fn updates_json(status: &Status) -> Value {
    let updates = &status.updates;
    let pending: Vec<u64> = updates.pending.iter().map(|update| update.version).collect();
    let failed: Vec<Value> = updates
        .failed
        .iter()
        .map(|update| json!({ "version": update.version, "details": update.details }))
        .collect();
    json!({ "pending": pending, "successful": updates.successful, "failed": failed })
}

fn resources_json(status: &Status) -> Vec<Value> {
    status.resources.iter().map(|(id, owned)| resource_json(*id, owned)).collect()
}

fn resource_json(id: u64, owned: &OwnedResource) -> Value {
    json!({ "id": id, "resource": owned.resource, "params": owned.params })
}
