//! Entries about the HTTP requests of a worker.

use everlog_oplog::payload::Excerpt;
use everlog_oplog::{FunctionName, Payload};
use everlog_runtime::HttpSummary;
use serde_json::{Map, Value, json};

/// What the entry of a call, or of the begin of one, says of an HTTP exchange; `None` where it is
/// about something else.
pub(super) fn http_json(
    function: &FunctionName,
    request: Option<&Excerpt>,
    outcome: Option<&Payload>,
) -> Option<Value> {
    let HttpSummary { method, url, status, error, bytes, dropped, ended } =
        HttpSummary::of(function.as_str(), request, outcome)?;
    let members = [
        ("method", json!(method)),
        ("url", json!(url)),
        ("status", json!(status)),
        ("error", json!(error)),
        ("bytes", json!(bytes)),
        ("dropped", if dropped { json!(true) } else { Value::Null }),
        ("ended", if ended { json!(true) } else { Value::Null }),
    ];
    let said = members.into_iter().filter(|(_, member)| !member.is_null());
    Some(said.map(|(name, member)| (name.to_owned(), member)).collect::<Map<_, _>>().into())
}
