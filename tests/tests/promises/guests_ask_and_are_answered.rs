//! Promises and other workers through the crate for guests: a guest waits for a person while its
//! server is killed, is answered over HTTP or by another guest, and sees who else is there.

use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server, wait};
use reqwest::Method;
use serde_json::json;

/// Waits for a line that begins so, and returns the rest of it.
async fn told(worker: &Worker, beginning: &str) -> String {
    wait::until(&format!("{beginning:?} is in the log"), async || {
        let lines = worker.messages().await;
        lines.iter().find_map(|line| line.strip_prefix(beginning)).map(str::to_owned)
    })
    .await
}

#[tokio::test]
async fn a_person_answers_over_http_after_a_kill() {
    let mut server = Server::start().await;
    // A name that a URL cannot hold as it is.
    let asking = server.deploy(&fixtures::APPROVALS).await.worker("order 1/ü");
    let key = asking.start("ask", json!([])).await;
    let path = told(&asking, "approve at ").await;
    server.restart_after_kill().await;

    let request = server.api().request_path(Method::POST, &path).body("true");
    let answer = everlog_tests::api::send(request).await.expect(200);
    assert_eq!(answer, json!({"completed": true}));
    let state = asking.outcome(&key).await;
    assert_eq!(state["result"], json!({"ok": true}), "{state}");
}

#[tokio::test]
async fn another_guest_answers() {
    let server = Server::start().await;
    let desk = server.deploy(&fixtures::APPROVALS).await;
    let (asking, boss) = (desk.worker("asking"), desk.worker("boss"));
    let key = asking.start("ask", json!([])).await;
    let id = told(&asking, "approve as ").await;
    assert_eq!(boss.call("answer", json!([id, false])).await, json!({"ok": true}));
    assert_eq!(asking.outcome(&key).await["result"], json!({"ok": false}));
    let deleted = boss.invoke("answer", json!([id, true])).await;
    deleted.expect_problem(500, "invocation-failed");
}

#[tokio::test]
async fn the_first_completion_counts() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::APPROVALS).await.worker("w");
    let answer = worker.call("ask-myself", json!([])).await;
    assert_eq!(answer, json!({"ok": b"first"}));
}

#[tokio::test]
async fn workers_are_found() {
    let server = Server::start().await;
    let desk = server.deploy(&fixtures::APPROVALS).await;
    for name in ["order-1", "order-2", "other"] {
        desk.worker(name).call("ask-myself", json!([])).await;
    }
    let boss = desk.worker("boss");
    let siblings = boss.call("siblings", json!(["order-*", "boss"])).await;
    assert_eq!(siblings, json!(["boss", "order-1", "order-2"]));
    assert_eq!(boss.call("status-of", json!(["other"])).await, "Idle");
    assert_eq!(boss.call("status-of", json!(["nobody"])).await, json!(null));
    let uri = format!("urn:worker:{}/boss/ask", desk.id);
    assert_eq!(boss.call("myself", json!([])).await, json!(["boss", "Running", uri]));
}
