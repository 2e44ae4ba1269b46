//! Schedules, as the tests make and watch them.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::api::{Api, send};
use crate::reply::Reply;
use crate::worker::Worker;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Asks for something about schedules.
pub async fn ask(api: &Api, method: Method, below: &[&str]) -> Reply {
    send(api.request(method, &[&["v1", "schedules"], below].concat())).await
}

/// Adds a schedule that calls `add` of a counter with 1, with further members of the body.
pub async fn add(api: &Api, name: &str, worker: &str, members: Value) -> Reply {
    let mut body = json!({
        "name": name, "component": "counter", "worker": worker, "function": "add", "arguments": [1],
    });
    for (name, member) in members.as_object().into_iter().flatten() {
        body[name] = member.clone();
    }
    send(api.request(Method::POST, &["v1", "schedules"]).json(&body)).await
}

/// A call that a schedule has made: when it was due, and how much later it was accepted, in seconds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The second of the day.
    pub due: u64,
    /// How late it was.
    pub late: u64,
}

/// Returns the calls that schedules made of a worker, in the order of its oplog.
///
/// # Panics
/// If a call was made twice, or its key says nothing.
pub async fn calls(worker: &Worker) -> Vec<Call> {
    let accepted = worker.oplog_of_type("accepted").await;
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let keys: BTreeSet<String> =
        accepted.iter().map(|entry| text(entry, "idempotencyKey")).collect();
    assert_eq!(keys.len(), accepted.len(), "no call is made twice");
    let call = |entry: &Value| {
        let due = second_of_day(&text(entry, "idempotencyKey"));
        let at = second_of_day(&text(entry, "timestamp"));
        Call { due, late: (at + DAY - due) % DAY }
    };
    accepted.iter().map(call).collect()
}

/// Of a text that ends like `2026-03-01T12:00:00.5Z`.
fn second_of_day(text: &str) -> u64 {
    let (_, time) = text.rsplit_once('T').unwrap_or_else(|| panic!("no time in {text:?}"));
    let parts = time[..8].split(':').map(|part| part.parse::<u64>().expect("a number"));
    parts.fold(0, |seconds, part| seconds * 60 + part)
}
