//! A call with `?delay` or `?at` runs when it is due, not before, whatever happens to the server
//! meanwhile; if it was due while the server was down, it runs after the start.

use everlog_tests::api::send;
use everlog_tests::{fixtures, server::Server, wait};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn it_runs_when_it_is_due() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::SLEEPER).await.worker("s");
    let accepted_at = wait::wall_clock();
    let key = worker.start_when("sleep-for", json!([0]), &[("delay", "3s")]).await;
    let state = worker.invocation_state(&key).await.expect(200);
    assert_eq!(state["status"], "scheduled");
    server.restart_after_kill().await;

    let outcome = worker.outcome(&key).await;
    let started_at = outcome["result"][0].as_u64().expect("the clock before the sleep");
    assert!(started_at >= accepted_at + 3_000, "{outcome}, accepted at {accepted_at}");
}

#[tokio::test]
async fn it_runs_late_if_the_server_was_down() {
    let mut server = Server::start().await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    let key = mary.start_when("add", json!([5]), &[("delay", "500ms")]).await;
    let due = wait::wall_clock() + 500;
    server.kill();
    wait::until_wall_clock(due).await;
    server.start_again().await;
    assert_eq!(mary.outcome(&key).await["result"], 5);
    assert_eq!(mary.call("get", json!([])).await, 5);
}

#[tokio::test]
async fn others_do_not_wait_for_it() {
    let server = Server::start().await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    let later = mary.start_when("add", json!([100]), &[("delay", "1h")]).await;
    assert_eq!(mary.call("add", json!([1])).await, 1);
    let past = mary.start_when("add", json!([1]), &[("at", "2020-01-01T00:00:00Z")]).await;
    assert_eq!(mary.outcome(&past).await["result"], 2);
    assert_eq!(mary.invocation_state(&later).await.expect(200)["status"], "scheduled");
}

#[tokio::test]
async fn it_can_be_cancelled() {
    let mut server = Server::start().await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    let key = mary.start_when("add", json!([5]), &[("delay", "1500ms")]).await;
    let due = wait::wall_clock() + 1_500;
    let reply = send(mary.request(Method::DELETE, &["invocations", &key])).await;
    assert!((200..300).contains(&reply.status), "{}", reply.text());
    server.restart_after_kill().await;
    wait::until_wall_clock(due).await;
    assert_eq!(mary.outcome(&key).await["status"], "cancelled");
    assert_eq!(mary.call("get", json!([])).await, 0);
}

#[tokio::test]
async fn a_time_that_is_none_is_refused() {
    let server = Server::start().await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    for query in [[("delay", "soon")], [("delay", "-1s")], [("at", "tomorrow")]] {
        let request = mary.invocation("add", &json!([5])).query(&query);
        let reply = send(request.header("Prefer", "respond-async")).await;
        assert_eq!(reply.status, 400, "{query:?}: {}", reply.text());
    }
    send(mary.request(Method::GET, &[])).await.expect_problem(404, "worker-not-found");
}
