//! What becomes of a worker's calls at the workers that it calls, and of theirs.

use std::fmt::Write as _;

use futures::future::BoxFuture;
use reqwest::Method;
use serde_json::Value;

use super::table::cell;
use crate::client::Client;

/// Calls of calls are followed so far.
const MAX_DEPTH: usize = 8;

/// Most workers that are asked for one tree.
const MAX_WORKERS: usize = 100;

/// Says of each of the `calls` in a worker's activity what the worker that is called does about it: its `status` there,
/// `behind` how many others it waits there, and where it runs what it waits for and its own `calls`.
pub(super) async fn follow(client: &Client, activity: &mut Value) {
    let mut left = MAX_WORKERS;
    follow_calls(client, activity, MAX_DEPTH, &mut left).await;
}

fn follow_calls<'a>(
    client: &'a Client,
    of: &'a mut Value,
    depth: usize,
    left: &'a mut usize,
) -> BoxFuture<'a, ()> {
    Box::pin(async move {
        let calls = of["calls"].as_array_mut().map_or(&mut [][..], Vec::as_mut_slice);
        for call in calls {
            if depth == 0 || *left == 0 {
                call["status"] = "not followed".into();
                continue;
            }
            *left -= 1;
            match activity_at(client, call).await {
                Ok(activity) => {
                    add(call, &activity);
                    follow_calls(client, call, depth - 1, left).await;
                }
                Err(error) => call["status"] = format!("unknown: {error}").into(),
            }
        }
    })
}

async fn activity_at(client: &Client, call: &Value) -> anyhow::Result<Value> {
    let name = |member: &str| call[member].as_str().unwrap_or_default();
    let path = ["v1", "workers", name("component"), name("worker"), "activity"];
    Ok(client.json(client.request(Method::GET, &path)?).await?)
}

/// What a worker's activity says of a call that it was sent.
fn add(call: &mut Value, activity: &Value) {
    let key = call["idempotencyKey"].clone();
    if activity["invocation"]["idempotencyKey"] == key {
        for member in ["status", "waitingFor", "calls", "retries", "lastError", "nextRetryAt"] {
            let said = &activity[member];
            if !said.is_null() && *said != 0 {
                call[member] = said.clone();
            }
        }
        return;
    }
    let queue = activity["queue"].as_array().map(Vec::as_slice).unwrap_or_default();
    match queue.iter().position(|queued| queued["idempotencyKey"] == key) {
        Some(place) => {
            let running = usize::from(!activity["invocation"].is_null());
            call["status"] = queue[place]["status"].clone();
            call["behind"] = (place + running).into();
        }
        // Between two looks it may have ended.
        None => call["status"] = "not there, or ended".into(),
    }
}

/// The tree as text, a call a line.
pub(super) fn text(calls: &Value, indent: usize) -> String {
    let mut text = String::new();
    for call in calls.as_array().map(Vec::as_slice).unwrap_or_default() {
        let said = |member: &str| cell(&call[member]);
        let _ = write!(
            text,
            "{:indent$}{}/{} {} [{}] {}",
            "",
            said("component"),
            said("worker"),
            said("function"),
            said("idempotencyKey"),
            said("status"),
        );
        for (words, member) in [
            ("behind", "behind"),
            ("waiting for", "waitingFor"),
            ("after", "lastError"),
            ("tried again at", "nextRetryAt"),
        ] {
            if !call[member].is_null() {
                let _ = write!(text, ", {words} {}", said(member));
            }
        }
        text.push('\n');
        text.push_str(&self::text(&call["calls"], indent + 2));
    }
    text
}
