//! Entries about calls between workers.

use everlog_oplog::payload::Excerpt;
use everlog_oplog::{FunctionName, Payload};
use everlog_runtime::CallSummary;
use everlog_runtime::value::HandleUrns;
use serde_json::{Map, Value, json};

use crate::values::{BytesAs, Json};

/// What the entry of a call, or of the begin of one, says of a call of another worker; `None` where
/// it is about something else.
pub(super) fn worker_call_json(
    function: &FunctionName,
    request: Option<&Excerpt>,
    outcome: Option<&Payload>,
    begun: bool,
) -> Option<Value> {
    let summary = CallSummary::of(function.as_str(), request, outcome, begun)?;
    let CallSummary { component, worker, function, accepted, result, error, dropped } = summary;
    let urns = HandleUrns::local();
    let result = result.map(|value| {
        let json = Json { value: &value, urns: &urns, bytes: BytesAs::Base64 }.to_bytes();
        serde_json::from_slice(&json).unwrap_or(Value::Null)
    });
    let members = [
        ("component", json!(component)),
        ("worker", json!(worker)),
        ("function", json!(function)),
        ("acceptedAs", json!(accepted)),
        ("result", json!(result)),
        ("error", json!(error)),
        ("dropped", if dropped { json!(true) } else { Value::Null }),
    ];
    let said = members.into_iter().filter(|(_, member)| !member.is_null());
    Some(said.map(|(name, member)| (name.to_owned(), member)).collect::<Map<_, _>>().into())
}
