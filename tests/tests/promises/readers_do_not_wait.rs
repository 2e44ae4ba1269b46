//! A function that was declared as read-only does not wait behind one that takes long: it sees the worker as it was
//! after the last invocation that has ended, beside any number of others, and can change nothing.

use std::time::Duration;

use everlog_tests::api::{Component, send};
use everlog_tests::server::Server;
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, wait};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

async fn deploy(server: &Server, read_only: &str) -> Component {
    let path = format!("/v1/components/relay?read-only={read_only}");
    let request = server.api().request_path(Method::PUT, &path);
    let reply = send(request.body(fixtures::RELAY.bytes())).await;
    assert!(matches!(reply.status, 200 | 201), "{}", reply.text());
    server.api().component("relay")
}

/// Starts an invocation that takes long, and returns its key when it runs.
async fn start_slow(worker: &Worker, n: u64, milliseconds: u64) -> String {
    let key = worker.start("add-slowly", json!([n, milliseconds])).await;
    wait::until("it runs", async || (state(worker, &key).await == "running").then_some(())).await;
    key
}

async fn state(worker: &Worker, key: &str) -> Value {
    worker.invocation_state(key).await.json()["status"].clone()
}

#[tokio::test]
async fn readers_see_what_was_when_nothing_was_half_done() {
    let mut server = Server::start().await;
    let component = deploy(&server, "total,added").await;
    let worker = component.worker("mary");
    assert_eq!(worker.call("add", json!([1])).await, 1);
    let slow = start_slow(&worker, 10, 2_500).await;
    let mut readers = JoinSet::new();
    for _ in 0..40 {
        let worker = worker.clone();
        readers.spawn(async move { worker.call("total", json!([])).await });
    }
    let totals = wait::patiently("all readers", readers.join_all()).await;
    assert!(totals.iter().all(|total| *total == 1), "{totals:?}");
    assert_eq!(worker.call("added", json!([])).await, json!([1]));
    assert_eq!(state(&worker, &slow).await, "running", "nobody has waited for it");
    // The same when what runs was cut off by a crash and runs again.
    server.restart_after_kill().await;
    assert_eq!(worker.call("total", json!([])).await, 1);
    assert_eq!(state(&worker, &slow).await, "running");
    assert_eq!(worker.outcome(&slow).await["result"], 11);
    assert_eq!(worker.call("total", json!([])).await, 11);
    // Beside the worker nothing is recorded.
    let started = worker.oplog_of_type("invocation-started").await;
    let read = started.iter().filter(|entry| entry["function"] != "everlog:relay/calls.{add}");
    assert!(read.count() <= 3, "{started:?}");
}

#[tokio::test]
async fn readers_change_nothing() {
    let server = Server::start_with(&["--suspend-after", "100ms"]).await;
    let component = deploy(&server, "call,send,fail,total").await;
    let worker = component.worker("mary");
    worker.call("add", json!([1])).await;
    let slow = start_slow(&worker, 10, 2_000).await;
    let other = "urn:worker:relay/other";
    for (function, arguments) in
        [("call", json!([other, "add", 1])), ("send", json!([other, 1])), ("fail", json!([1]))]
    {
        let refused = worker.invoke(function, arguments).await;
        let problem = refused.expect_problem(500, "invocation-failed");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("failed as a reader"), "{detail}");
    }
    assert_eq!(worker.call("total", json!([])).await, 1);
    assert_eq!(state(&worker, &slow).await, "running");
    let missing = send(component.worker("other").request(Method::GET, &[])).await;
    missing.expect_problem(404, "worker-not-found");
    assert_eq!(worker.outcome(&slow).await["result"], 11);
}

#[tokio::test]
async fn what_waits_in_line_goes_ahead_when_it_takes_long() {
    let server = Server::start().await;
    let component = deploy(&server, "total").await;
    let worker = component.worker("mary");
    worker.call("add", json!([1])).await;
    // The reader comes before anybody knows that it takes long.
    let slow = worker.start("add-slowly", json!([10, 3_000])).await;
    let total = wait::at_most(Duration::from_secs(2), worker.call("total", json!([]))).await;
    assert_eq!(total, Some(json!(1)));
    assert_eq!(state(&worker, &slow).await, "running");
}

#[tokio::test]
async fn readers_see_nothing_of_a_former_worker_of_that_name() {
    let server = Server::start().await;
    let component = deploy(&server, "total").await;
    let worker = component.worker("mary");
    for n in [1, 2] {
        assert_eq!(worker.call("add", json!([n])).await, json!(n));
        let slow = start_slow(&worker, 10, 600_000).await;
        assert_eq!(worker.call("total", json!([])).await, json!(n));
        assert_eq!(state(&worker, &slow).await, "running");
        send(worker.request(Method::DELETE, &[])).await.expect(204);
    }
}

#[tokio::test]
async fn what_is_declared_must_be_there() {
    let server = Server::start().await;
    let path = "/v1/components/relay?read-only=total,totall";
    let request = server.api().request_path(Method::PUT, path);
    let refused = send(request.body(fixtures::RELAY.bytes())).await;
    let problem = refused.expect_problem(400, "invalid-request");
    assert!(problem["detail"].as_str().is_some_and(|it| it.contains("totall")), "{problem}");
    server.api().get("/v1/components/relay").await.expect_problem(404, "component-not-found");
    let component = deploy(&server, "total").await;
    let said = component.description().await;
    assert_eq!(said["readOnly"], json!(["everlog:relay/calls.{total}"]));
    assert_eq!(said["version"], 0);
    deploy(&server, "calls.{total}").await;
    assert_eq!(component.description().await["version"], 0, "it says the same");
    deploy(&server, "total,added").await;
    assert_eq!(component.description().await["version"], 1);
}
