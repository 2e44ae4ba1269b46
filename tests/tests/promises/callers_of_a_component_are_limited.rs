//! A component that was deployed with a limit serves so many callers at once, lets so many more wait, and tells the
//! others when to come back; calls between workers are not held up by it.

use std::time::Duration;

use everlog_tests::api::{Component, send};
use everlog_tests::server::Server;
use everlog_tests::{fixtures, wait};
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

async fn deploy(server: &Server, settings: &str) -> Component {
    let path = format!("/v1/components/relay?{settings}");
    let request = server.api().request_path(Method::PUT, &path);
    send(request.body(fixtures::RELAY.bytes())).await.expect(201);
    server.api().component("relay")
}

#[tokio::test]
async fn so_many_are_served_and_so_many_wait() {
    let server = Server::start().await;
    let component = deploy(&server, "max-concurrent=2&max-waiting=3").await;
    let started = wait::Stopwatch::start();
    let mut calling = JoinSet::new();
    for number in 0..9 {
        let worker = component.worker(&format!("w{number}"));
        calling.spawn(async move { worker.invoke("add-slowly", json!([1, 700])).await });
    }
    let replies = calling.join_all().await;
    let served = replies.iter().filter(|reply| reply.status == 200).count();
    assert_eq!(served, 5);
    // Two, two and one after the other.
    assert!(started.elapsed() >= Duration::from_millis(2_100), "{:?}", started.elapsed());
    for refused in replies.iter().filter(|reply| reply.status != 200) {
        let problem = refused.expect_problem(429, "too-many-requests");
        assert!(refused.header("retry-after").is_some(), "{problem}");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("component relay"), "{detail}");
    }
    // Their places are free again.
    assert_eq!(component.worker("late").call("add", json!([1])).await, 1);
}

#[tokio::test]
async fn calls_between_workers_need_no_place() {
    let server = Server::start().await;
    let component = deploy(&server, "max-concurrent=1&max-waiting=0").await;
    let caller = component.worker("caller");
    let chain = json!([["urn:worker:relay/a", "urn:worker:relay/b"], 1]);
    assert_eq!(caller.call("chain", chain).await, json!([1, 1, 1]));
}

#[tokio::test]
async fn limits_that_make_no_sense_are_refused() {
    let server = Server::start().await;
    for settings in ["max-concurrent=0", "max-concurrent=many", "max-waiting=3"] {
        let path = format!("/v1/components/relay?{settings}");
        let request = server.api().request_path(Method::PUT, &path);
        let refused = send(request.body(fixtures::RELAY.bytes())).await;
        refused.expect_problem(400, "invalid-request");
    }
    server.api().get("/v1/components/relay").await.expect_problem(404, "component-not-found");
}
