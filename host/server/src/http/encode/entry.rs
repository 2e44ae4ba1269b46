//! Oplog entries as JSON that reads well.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use everlog_oplog::payload::Excerpt;
use everlog_oplog::{
    Create, Entry, EntryKind, Index, Payload, Region, RetryPolicy, TraceContext, WorkerId,
};
use everlog_runtime::Outcome;
use everlog_runtime::value::{self, HandleUrns, Value as WitValue};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::http_call::http_json;
use super::names::{
    category_name, failure_name, jump_name, level_name, persistence_name, stream_name, update_name,
};
use super::worker_call::worker_call_json;
use crate::time::format_instant;
use crate::values::{BytesAs, Json};

/// The most bytes of a payload that an entry shows; `GET …/oplog.bin` is for the rest.
const MAX_SHOWN_BYTES: usize = 4_096;

/// Every `type` that an entry can have, as [`EntryKind::name`] spells them.
pub(in crate::http) const ENTRY_TYPES: [&str; 38] = [
    "create",
    "invocation-started",
    "invocation-completed",
    "host-call",
    "write-begin",
    "no-op",
    "atomic-begin",
    "atomic-end",
    "set-persistence-level",
    "set-idempotence",
    "set-retry-policy",
    "promise-created",
    "promise-deleted",
    "jump",
    "revert",
    "accepted",
    "cancelled",
    "failed",
    "suspended",
    "woken",
    "interrupted",
    "resumed",
    "exited",
    "stalled",
    "log",
    "resource-created",
    "resource-dropped",
    "promise-completed",
    "update-requested",
    "update-done",
    "update-failed",
    "snapshot-loaded",
    "snapshot",
    "forked",
    "promise-completed-by",
    "update-requested-by",
    "awaiting",
    "cancel-requested",
];

/// A line that a guest printed, as followers of its log get it.
#[derive(Debug, Serialize)]
pub(in crate::http) struct LogLine<'a> {
    timestamp: String,
    index: u64,
    stream: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
    message: &'a str,
}

impl<'a> LogLine<'a> {
    /// The line of an entry; `None` for entries that are none.
    pub(in crate::http) fn of(index: Index, entry: &'a Entry) -> Option<Self> {
        let EntryKind::Log { stream, level, context, message } = &entry.kind else { return None };
        Some(Self {
            timestamp: format_instant(entry.timestamp),
            index: index.get(),
            stream: stream_name(*stream),
            level: level.map(level_name),
            context: context.as_deref(),
            message,
        })
    }
}

/// An entry: its index, time and type, then what belongs to the type.
#[derive(Debug, Serialize)]
pub(in crate::http) struct EntryJson {
    index: u64,
    timestamp: String,
    r#type: &'static str,
    #[serde(flatten)]
    members: Map<String, Value>,
}

impl EntryJson {
    /// Describes an entry; `urns` are the handles of its worker.
    pub(in crate::http) fn of(index: Index, entry: &Entry, urns: &HandleUrns) -> Self {
        let mut members = match kind_json(&entry.kind, urns) {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        // Members without a value are left out; but that a function returned nothing is a value.
        members.retain(|name, value| !value.is_null() || name == "result");
        let timestamp = format_instant(entry.timestamp);
        Self { index: index.get(), timestamp, r#type: entry.kind.name(), members }
    }

    /// Whether a text of the entry, or a number in it, holds `text`.
    pub(in crate::http) fn holds(&self, text: &str) -> bool {
        self.timestamp.contains(text)
            || self.index.to_string().contains(text)
            || self.members.values().any(|member| holds(member, text))
    }
}

fn holds(json: &Value, text: &str) -> bool {
    match json {
        Value::Null => false,
        Value::Bool(_) | Value::Number(_) => json.to_string().contains(text),
        Value::String(found) => found.contains(text),
        Value::Array(elements) => elements.iter().any(|element| holds(element, text)),
        Value::Object(members) => members.values().any(|member| holds(member, text)),
    }
}

fn kind_json(kind: &EntryKind, urns: &HandleUrns) -> Value {
    match kind {
        EntryKind::Create(create) => create_json(create),
        EntryKind::InvocationStarted { key, accepted, request, function, fingerprint, trace } => {
            json!({
                "idempotencyKey": key, "function": function, "acceptedAt": accepted.map(Index::get),
                "arguments": request.as_ref().map(|request| arguments_json(request, urns)),
                "fingerprint": hex(*fingerprint), "trace": trace.as_ref().map(trace_json),
            })
        }
        EntryKind::InvocationCompleted { result, memory_bytes } => {
            json!({ "result": result_json(result, urns), "memoryBytes": memory_bytes })
        }
        EntryKind::Accepted { key, function, request, fingerprint, due, trace } => json!({
            "idempotencyKey": key, "function": function, "arguments": arguments_json(request, urns),
            "fingerprint": hex(*fingerprint), "due": due.map(format_instant),
            "trace": trace.as_ref().map(trace_json),
        }),
        EntryKind::Cancelled { key, reason } => json!({ "idempotencyKey": key, "reason": reason }),
        EntryKind::HostCall { .. } | EntryKind::WriteBegin { .. } => call_json(kind, urns),
        EntryKind::SetPersistenceLevel(_)
        | EntryKind::SetIdempotence(_)
        | EntryKind::SetRetryPolicy(_)
        | EntryKind::AtomicEnd { .. }
        | EntryKind::Jump { .. }
        | EntryKind::Revert { .. } => steering_json(kind),
        EntryKind::Log { stream, level, context, message } => json!({
            "stream": stream_name(*stream), "level": level.map(level_name),
            "context": context, "message": message,
        }),
        EntryKind::ResourceCreated { id, resource, params } => {
            json!({ "id": id, "resource": resource, "params": params })
        }
        EntryKind::ResourceDropped { id } => json!({ "id": id }),
        EntryKind::PromiseDeleted { promise } => json!({ "promise": promise.get() }),
        EntryKind::PromiseCompleted { promise, data } => {
            json!({ "promise": promise.get(), "data": payload_json(data) })
        }
        EntryKind::PromiseCompletedBy { promise, data, completer } => json!({
            "promise": promise.get(), "data": payload_json(data),
            "completer": worker_json(&completer.worker),
            "position": completer.position.to_string(),
        }),
        other => life_json(other),
    }
}

fn create_json(create: &Create) -> Value {
    let env: Map<String, Value> =
        create.env.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
    json!({
        "worker": worker_json(&create.worker), "version": create.component_version,
        "args": create.args, "env": env, "parent": create.parent.as_ref().map(worker_json),
        "ephemeral": create.ephemeral,
    })
}

fn call_json(kind: &EntryKind, urns: &HandleUrns) -> Value {
    match kind {
        EntryKind::HostCall { function, category, fingerprint, request, begin, outcome }
            if let Some(http) = http_json(function, request.as_ref(), Some(outcome)) =>
        {
            json!({
                "function": function.as_str(), "category": category_name(*category),
                "fingerprint": hex(*fingerprint), "begin": begin.map(Index::get), "http": http,
            })
        }
        EntryKind::HostCall { function, category, fingerprint, request, begin, outcome }
            if let Some(call) =
                worker_call_json(function, request.as_ref(), Some(outcome), begin.is_some()) =>
        {
            json!({
                "function": function.as_str(), "category": category_name(*category),
                "fingerprint": hex(*fingerprint), "begin": begin.map(Index::get), "call": call,
            })
        }
        EntryKind::WriteBegin { function, fingerprint, request, idempotent }
            if let Some(call) = worker_call_json(function, Some(request), None, true) =>
        {
            json!({
                "function": function.as_str(), "fingerprint": hex(*fingerprint), "call": call,
                "idempotent": idempotent,
            })
        }
        EntryKind::WriteBegin { function, fingerprint, request, idempotent }
            if let Some(http) = http_json(function, Some(request), None) =>
        {
            json!({
                "function": function.as_str(), "fingerprint": hex(*fingerprint), "http": http,
                "idempotent": idempotent,
            })
        }
        EntryKind::HostCall { function, category, fingerprint, request, begin, outcome } => json!({
            "function": function.as_str(), "category": category_name(*category),
            "fingerprint": hex(*fingerprint), "request": request.as_ref().map(excerpt_json),
            "begin": begin.map(Index::get), "outcome": outcome_json(function.as_str(), outcome, urns),
        }),
        EntryKind::WriteBegin { function, fingerprint, request, idempotent } => json!({
            "function": function.as_str(), "fingerprint": hex(*fingerprint),
            "request": excerpt_json(request), "idempotent": idempotent,
        }),
        _ => Value::Null,
    }
}

/// What a host call brought: as a value where it can be read, as bytes otherwise.
fn outcome_json(function: &str, outcome: &Payload, urns: &HandleUrns) -> Value {
    match Outcome::of(function, outcome) {
        Some(Outcome::Value(value)) => json!({ "value": value_json(&value, urns) }),
        Some(Outcome::Data(data)) => payload_json(&data),
        None => payload_json(outcome),
    }
}

fn steering_json(kind: &EntryKind) -> Value {
    match kind {
        EntryKind::SetPersistenceLevel(level) => json!({ "level": persistence_name(*level) }),
        EntryKind::SetIdempotence(idempotent) => json!({ "idempotent": idempotent }),
        EntryKind::SetRetryPolicy(policy) => json!({ "policy": policy_json(policy) }),
        EntryKind::AtomicEnd { begin } => json!({ "begin": begin.get() }),
        EntryKind::Jump { deleted, reason } => {
            json!({ "deleted": region_json(*deleted), "reason": jump_name(*reason) })
        }
        EntryKind::Revert { deleted } => json!({ "deleted": region_json(*deleted) }),
        _ => Value::Null,
    }
}

/// Entries about the life of the worker itself.
fn life_json(kind: &EntryKind) -> Value {
    match kind {
        EntryKind::Failed { position, attempt, kind, message, retry_at } => json!({
            "position": position.to_string(), "attempt": attempt, "kind": failure_name(*kind),
            "message": message, "retryAt": retry_at.map(format_instant),
        }),
        EntryKind::Suspended { until } => json!({ "until": until.map(format_instant) }),
        EntryKind::Awaiting { promise } => json!({ "promise": promise.get() }),
        EntryKind::CancelRequested { key } => json!({ "idempotencyKey": key }),
        EntryKind::Exited { code } => json!({ "code": code }),
        EntryKind::Stalled { entry, recorded, asked } => {
            json!({ "entry": entry.get(), "recorded": recorded, "asked": asked })
        }
        EntryKind::UpdateRequested { version, mode } => {
            json!({ "version": version, "mode": update_name(*mode) })
        }
        EntryKind::UpdateRequestedBy { version, mode, requester } => json!({
            "version": version, "mode": update_name(*mode),
            "requester": worker_json(&requester.worker),
            "position": requester.position.to_string(),
        }),
        EntryKind::UpdateDone { version } => json!({ "version": version }),
        EntryKind::UpdateFailed { version, details } => {
            json!({ "version": version, "details": details })
        }
        EntryKind::SnapshotLoaded { version, data } => {
            json!({ "version": version, "data": payload_json(data) })
        }
        EntryKind::Snapshot { covers, digest, size, version } => json!({
            "covers": covers.get(), "sha256": hex_bytes(digest), "size": size, "version": version,
        }),
        EntryKind::Forked { source, at } => {
            json!({ "source": worker_json(source), "at": at.get() })
        }
        _ => Value::Null,
    }
}

/// An entry as the API shows it.
pub(crate) fn entry_json(index: Index, entry: &Entry, urns: &HandleUrns) -> Value {
    serde_json::to_value(EntryJson::of(index, entry, urns)).unwrap_or_default()
}

/// The arguments of an invocation as callers write them.
fn arguments_json(payload: &Payload, urns: &HandleUrns) -> Value {
    let Payload::Inline(bytes) = payload else { return payload_json(payload) };
    match value::decode_values(bytes) {
        Ok(values) => values.iter().map(|value| value_json(value, urns)).collect(),
        Err(_) => payload_json(payload),
    }
}

/// The result of an invocation as callers get it.
fn result_json(payload: &Payload, urns: &HandleUrns) -> Value {
    let Payload::Inline(bytes) = payload else { return payload_json(payload) };
    match value::decode_result(bytes) {
        Ok(value) => value.map_or(Value::Null, |value| value_json(&value, urns)),
        Err(_) => payload_json(payload),
    }
}

fn value_json(value: &WitValue, urns: &HandleUrns) -> Value {
    let json = Json { value, urns, bytes: BytesAs::Base64 };
    serde_json::to_value(json).unwrap_or_default()
}

fn payload_json(payload: &Payload) -> Value {
    match payload {
        Payload::Inline(bytes) => bytes_json(bytes, bytes.len() as u64),
        Payload::Blob { digest, size } => json!({ "size": size, "sha256": hex_bytes(digest) }),
    }
}

fn excerpt_json(excerpt: &Excerpt) -> Value {
    bytes_json(&excerpt.bytes, excerpt.size)
}

/// Bytes of which `size` were recorded: as text where they are one, in base64 otherwise, cut where
/// they are many.
fn bytes_json(bytes: &[u8], size: u64) -> Value {
    let shown = &bytes[..bytes.len().min(MAX_SHOWN_BYTES)];
    match std::str::from_utf8(shown) {
        Ok(text) if !text.chars().any(|character| character.is_control() && character != '\n') => {
            json!({ "size": size, "text": text })
        }
        _ => json!({ "size": size, "base64": STANDARD.encode(shown) }),
    }
}

fn worker_json(worker: &WorkerId) -> Value {
    json!({ "componentId": worker.component.to_string(), "worker": worker.name })
}

fn region_json(region: Region) -> Value {
    json!({ "from": region.start.get(), "to": region.end.get() })
}

fn trace_json(trace: &TraceContext) -> Value {
    json!({ "traceparent": trace.traceparent, "tracestate": trace.tracestate })
}

fn policy_json(policy: &RetryPolicy) -> Value {
    let time = |nanos| crate::units::format_duration(std::time::Duration::from_nanos(nanos));
    json!({
        "maxAttempts": policy.max_attempts, "minDelay": time(policy.min_delay_nanos),
        "maxDelay": time(policy.max_delay_nanos), "multiplier": policy.multiplier,
        "jitter": policy.jitter,
    })
}

fn hex(fingerprint: u64) -> String {
    format!("{fingerprint:016x}")
}

fn hex_bytes(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use everlog_oplog::{LogLevel, LogStream, Timestamp};

    use super::*;

    fn entry(kind: EntryKind) -> Value {
        let urns = HandleUrns::of_worker("id", "w");
        let entry = Entry { timestamp: Timestamp(0), kind };
        serde_json::to_value(EntryJson::of(Index(7), &entry, &urns)).expect("JSON")
    }

    #[test]
    fn an_entry_reads_as_what_happened() {
        let arguments = value::encode_values(&[WitValue::U32(5), WitValue::Bytes(vec![1, 2])]);
        let json = entry(EntryKind::InvocationStarted {
            key: "k".to_owned(),
            accepted: None,
            request: Some(Payload::Inline(arguments.expect("encodes"))),
            function: "add".to_owned(),
            fingerprint: 255,
            trace: None,
        });
        let expected = json!({
            "index": 7, "timestamp": "1970-01-01T00:00:00Z", "type": "invocation-started",
            "idempotencyKey": "k", "function": "add", "arguments": [5, "AQI="],
            "fingerprint": "00000000000000ff",
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn bytes_are_text_where_they_can_be() {
        assert_eq!(bytes_json(b"GET /", 5), json!({ "size": 5, "text": "GET /" }));
        assert_eq!(bytes_json(&[0, 255], 2), json!({ "size": 2, "base64": "AP8=" }));
        let long = bytes_json(&vec![b'a'; 10_000], 10_000);
        assert_eq!(long["text"].as_str().map(str::len), Some(MAX_SHOWN_BYTES));
        assert_eq!(long["size"], 10_000);
    }

    #[test]
    fn only_log_entries_are_log_lines() {
        let kind = EntryKind::Log {
            stream: LogStream::Log,
            level: Some(LogLevel::Warn),
            context: Some("db".to_owned()),
            message: "slow".to_owned(),
        };
        assert!(ENTRY_TYPES.contains(&kind.name()));
        let log = Entry { timestamp: Timestamp(0), kind };
        let line = serde_json::to_value(LogLine::of(Index(3), &log)).expect("JSON");
        let expected = json!({
            "timestamp": "1970-01-01T00:00:00Z", "index": 3, "stream": "log", "level": "warn",
            "context": "db", "message": "slow",
        });
        assert_eq!(line, expected);
        let other = Entry { timestamp: Timestamp(0), kind: EntryKind::NoOp };
        assert!(LogLine::of(Index(3), &other).is_none());
    }

    #[test]
    fn text_is_found_wherever_it_is() {
        let json = json!({ "arguments": [{ "name": "Mary \"M\"" }, 17] });
        assert!(holds(&json, "Mary \"M"));
        assert!(holds(&json, "17"));
        assert!(!holds(&json, "mary"));
        assert!(!holds(&json, "arguments"));
    }
}
