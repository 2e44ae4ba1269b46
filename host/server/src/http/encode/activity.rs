//! What a worker is doing, as JSON.

use everlog_runtime::value::HandleUrns;
use everlog_runtime::{Activity, CallUnderWay, Index, Status, Timestamp, WaitsFor, WorkerState};
use serde_json::{Map, Value, json};

use super::{EntryJson, state_name};
use crate::time::format_instant;

/// What a worker is doing, what it waits for, and since when.
pub(in crate::http) fn activity_json(
    activity: &Activity,
    component: &str,
    urns: &HandleUrns,
) -> Value {
    let Activity { metadata, last, open_calls, calls, started_at } = activity;
    let status = &metadata.status;
    let entry = |(index, entry): &(Index, _)| json!(EntryJson::of(*index, entry, urns));
    let mut json = Map::new();
    json.insert("component".to_owned(), component.into());
    json.insert("componentId".to_owned(), metadata.worker.component.to_string().into());
    json.insert("worker".to_owned(), metadata.worker.name.clone().into());
    json.insert("version".to_owned(), status.component_version.into());
    json.insert("status".to_owned(), state_name(status.state).into());
    json.insert("since".to_owned(), format_instant(status.updated_at).into());
    if let Some(current) = status.current() {
        let mut invocation = json!({
            "idempotencyKey": current.key, "function": current.function,
            "entry": current.started.get(),
            "cancelled": status.cancel_requested().is_some(),
        });
        if let Some(started_at) = started_at {
            invocation["startedAt"] = format_instant(*started_at).into();
        }
        json.insert("invocation".to_owned(), invocation);
    }
    json.insert("waitingFor".to_owned(), waiting_for(activity));
    json.insert("calls".to_owned(), calls.iter().map(call_json).collect());
    json.insert("openCalls".to_owned(), open_calls.iter().map(entry).collect());
    json.insert("lastEntry".to_owned(), last.as_ref().map_or(Value::Null, entry));
    json.insert("retries".to_owned(), status.retry_count().into());
    if let Some(failure) = &status.failure {
        json.insert("lastError".to_owned(), failure.message.clone().into());
        let at = failure.retry_at.filter(|_| status.state == WorkerState::Retrying);
        json.insert("nextRetryAt".to_owned(), at.map(format_instant).into());
    }
    if let Some(stall) = &status.stalled {
        let (recorded, asked) = (&stall.recorded, &stall.asked);
        let entry = stall.entry.get();
        json.insert(
            "stalledBy".to_owned(),
            json!({ "entry": entry, "recorded": recorded, "asked": asked }),
        );
    }
    let queue: Vec<Value> = open_invocations(activity)
        .into_iter()
        .filter(|invocation| invocation["status"] != "running")
        .collect();
    json.insert("queue".to_owned(), queue.into());
    json.into()
}

fn call_json(call: &CallUnderWay) -> Value {
    let CallUnderWay { component, worker, function, key, since } = call;
    json!({
        "component": component, "worker": worker, "function": function, "idempotencyKey": key,
        "since": format_instant(*since),
    })
}

fn waiting_for(activity: &Activity) -> Value {
    let status = &activity.metadata.status;
    let time =
        |kind: &str, until: Timestamp| json!({ "kind": kind, "until": format_instant(until) });
    match status.state {
        WorkerState::Retrying => status
            .failure
            .as_ref()
            .and_then(|failure| failure.retry_at)
            .map_or(Value::Null, |at| time("retry", at)),
        WorkerState::Suspended => match (status.awaited, status.suspended_until) {
            (_, Some(Timestamp(0))) => json!({ "kind": "its turn to go on" }),
            (Some(promise), None) => json!({ "kind": "promise", "promise": promise.get() }),
            (_, Some(until)) => time("time", until),
            (None, None) => json!({ "kind": "event" }),
        },
        WorkerState::Interrupted => json!({ "kind": "operator", "action": "resume" }),
        WorkerState::Failed | WorkerState::Stalled => {
            json!({ "kind": "operator", "action": "resume, update or revert" })
        }
        WorkerState::Exited => Value::Null,
        WorkerState::Idle => json!({ "kind": "invocation" }),
        WorkerState::Running => in_memory(activity, status),
    }
}

/// What a guest waits for that is in memory.
fn in_memory(activity: &Activity, status: &Status) -> Value {
    let Some(waits) = &activity.metadata.waits else {
        return if status.execution.open_writes.is_empty() {
            Value::Null
        } else {
            json!({ "kind": "calls", "entries": entries(status) })
        };
    };
    let mut json = match &waits.waits_for {
        WaitsFor::Poll { until: Some(until), pollables: 1 } => {
            json!({ "kind": "time", "until": format_instant(*until) })
        }
        WaitsFor::Poll { until, pollables } => {
            let until = until.map(format_instant);
            json!({ "kind": "poll", "pollables": pollables, "until": until,
                "entries": entries(status) })
        }
        WaitsFor::Promise(promise) => json!({ "kind": "promise", "promise": promise.get() }),
        WaitsFor::PromiseOf(worker, promise) => json!({
            "kind": "promise", "promise": promise.get(), "worker": worker.name,
            "componentId": worker.component.to_string(),
        }),
    };
    json["since"] = format_instant(waits.since).into();
    json
}

fn entries(status: &Status) -> Vec<u64> {
    status.execution.open_writes.keys().map(|begin| begin.get()).collect()
}

/// Invocations that have not ended: the running one, those that wait in the log, those that wait with their callers.
pub(crate) fn open_invocations(activity: &Activity) -> Vec<Value> {
    let status = &activity.metadata.status;
    let ended = matches!(status.state, WorkerState::Failed | WorkerState::Exited);
    let running = status.current().filter(|_| !ended).map(|current| {
        let mut json = json!({
            "idempotencyKey": current.key, "status": "running", "function": current.function,
            "entry": current.started.get(),
        });
        if let Some(started_at) = activity.started_at {
            json["startedAt"] = format_instant(started_at).into();
        }
        if status.cancel_requested().is_some() {
            json["cancelled"] = true.into();
        }
        json
    });
    let accepted = status.accepted.iter().map(|(index, call)| {
        let mut json = json!({
            "idempotencyKey": call.key, "status": "pending", "function": call.function,
            "entry": index.get(),
        });
        if let Some(due) = call.due {
            json["status"] = "scheduled".into();
            json["due"] = format_instant(due).into();
        }
        json
    });
    let queued = activity
        .metadata
        .queued
        .iter()
        .map(|key| json!({ "idempotencyKey": key, "status": "pending" }));
    running.into_iter().chain(accepted).chain(queued).collect()
}
