//! What was answered with 202 is durable: it runs without anybody asking, in the order of
//! acceptance, also if the server is killed before it started.

use everlog_tests::api::send;
use everlog_tests::{fixtures, server::Server};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn accepted_calls_outlive_the_server() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::SLEEPER).await.worker("s");
    let first = worker.start("sleep-for", json!([1_500])).await;
    let mut keys = Vec::new();
    for _ in 0..5 {
        keys.push(worker.start("sleep-often", json!([1, 1])).await);
    }
    let last = worker.start("awakenings", json!([])).await;
    server.restart_after_kill().await;

    assert_eq!(worker.outcome(&last).await["result"], 6, "all ran, and before the last");
    for key in keys.iter().chain([&first]) {
        assert_eq!(worker.outcome(key).await["status"], "completed");
    }
}

#[tokio::test]
async fn the_answer_says_where_to_look() {
    let server = Server::start().await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    let request = mary.invocation("add", &json!([2])).header("Prefer", "respond-async");
    let reply = send(request.header("Idempotency-Key", "first")).await;
    let accepted = reply.expect(202);
    assert_eq!(accepted, json!({"idempotencyKey": "first", "status": "accepted"}));
    let location = "/v1/workers/counter/mary/invocations/first";
    assert_eq!(reply.header("location"), Some(location));

    let state = server.api().get(&format!("{location}?wait=30s")).await.expect(200);
    assert_eq!((&state["status"], &state["result"]), (&json!("completed"), &json!(2)));
    mary.invocation_state("never-sent").await.expect(404);
}

#[tokio::test]
async fn calls_wait_their_turn_and_can_be_withdrawn() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::SLEEPER).await.worker("s");
    let running = worker.start("sleep-for", json!([2_000])).await;
    let withdrawn = worker.start("sleep-often", json!([1, 1])).await;
    let waiting = worker.start("awakenings", json!([])).await;
    worker.reaches("running").await;

    let pending = worker.metadata().await["pendingInvocations"].clone();
    assert!(pending.as_array().is_some_and(|keys| keys.contains(&Value::from(waiting.as_str()))));
    let delete = |key: String| send(worker.request(Method::DELETE, &["invocations", &key]));
    let reply = delete(withdrawn.clone()).await;
    assert!((200..300).contains(&reply.status), "{}", reply.text());
    delete(running.clone()).await.expect(409);
    server.restart_after_kill().await;

    assert_eq!(worker.outcome(&waiting).await["result"], 1, "only the sleep before it ran");
    assert_eq!(worker.outcome(&withdrawn).await["status"], "cancelled");
    let delete = |key: String| send(worker.request(Method::DELETE, &["invocations", &key]));
    delete(running).await.expect(409);
}

#[tokio::test]
async fn also_one_that_a_caller_was_waiting_for() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::SLEEPER).await.worker("s");
    worker.start("sleep-for", json!([2_000])).await;
    let request = || worker.invocation("awakenings", &json!([])).header("Idempotency-Key", "q");
    let waiting = tokio::spawn(everlog_tests::api::try_send(request()));
    everlog_tests::wait::until("the call waits in memory", async || {
        let metadata = worker.metadata().await;
        metadata["pendingInvocations"].to_string().contains("\"q\"").then_some(())
    })
    .await;
    let accepted = send(request().header("Prefer", "respond-async")).await;
    accepted.expect(202);
    server.restart_after_kill().await;
    assert!(waiting.await.expect("no panic").is_err(), "the caller lost its connection");
    assert_eq!(worker.outcome("q").await["result"], 1);
}
