//! A request that cannot be executed leaves no trace: the answer says what is wrong and where, the
//! oplog stays as it was, and a worker that did not exist still does not.

use everlog_tests::api::send;
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server};
use reqwest::Method;
use serde_json::{Value, json};

/// More than any limit on the body of an invocation, in bytes.
const TOO_LARGE: usize = 64 << 20;

/// More than any limit on the nesting of JSON.
const TOO_DEEP: usize = 100_000;

/// Sends a body as it is.
async fn post(worker: &Worker, function: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
    let request = worker.request(Method::POST, &["invoke", function]).body(body.into());
    let reply = send(request.header("Content-Type", "application/json")).await;
    assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{}", reply.text());
    (reply.status, reply.json())
}

async fn last_index(worker: &Worker) -> Value {
    worker.metadata().await["oplog"]["lastIndex"].clone()
}

#[tokio::test]
async fn bad_arguments_leave_the_worker_untouched() {
    let server = Server::start().await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    mary.call("add", json!([5])).await;
    let before = last_index(&mary).await;

    for (body, pointer) in [
        ("[]", ""),
        ("[1, 2]", ""),
        ("[\"five\"]", "/0"),
        ("[-1]", "/0"),
        ("[1.5]", "/0"),
        ("[18446744073709551616]", "/0"),
        ("[null]", "/0"),
        ("{\"m\": 1}", "/m"),
        ("{}", "/n"),
        ("[1", ""),
        ("", ""),
        ("nonsense", ""),
        ("5", ""),
    ] {
        let (status, problem) = post(&mary, "add", body).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid-arguments")), "{body}");
        let found = problem["pointer"].as_str().unwrap_or_default();
        assert!(found.starts_with(pointer), "{body}: {problem}");
    }
    assert_eq!(last_index(&mary).await, before);
    assert_eq!(mary.call("get", json!([])).await, 5);
}

#[tokio::test]
async fn hostile_bodies_are_refused() {
    let server = Server::start().await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    mary.call("add", json!([5])).await;
    let before = last_index(&mary).await;

    let (status, problem) = post(&mary, "add", "[".repeat(TOO_DEEP)).await;
    assert_eq!(status, 400, "{problem}");
    let (status, problem) = post(&mary, "add", [0xff, 0xfe].as_slice()).await;
    assert_eq!(status, 400, "{problem}");
    let request = mary.request(Method::POST, &["invoke", "add"]).body(vec![b' '; TOO_LARGE]);
    // The server may close the connection before it has read it all.
    if let Ok(reply) = everlog_tests::api::try_send(request).await {
        assert_eq!(reply.status, 413, "{}", reply.text());
    }
    assert_eq!(last_index(&mary).await, before);
    assert_eq!(mary.call("add", json!([1])).await, 6);
}

#[tokio::test]
async fn an_unknown_function_is_no_call() {
    let server = Server::start().await;
    let component = server.deploy(&fixtures::COUNTER).await;
    let mary = component.worker("mary");
    let (status, problem) = post(&mary, "ad", "[5]").await;
    assert_eq!((status, &problem["code"]), (404, &json!("function-not-found")));
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("add")), "{problem}");
    send(mary.request(Method::GET, &[])).await.expect_problem(404, "worker-not-found");

    let nobody = server.api().component("no-such-component").worker("mary");
    let (status, problem) = post(&nobody, "add", "[5]").await;
    assert_eq!((status, &problem["code"]), (404, &json!("component-not-found")));
}

#[tokio::test]
async fn impossible_names_are_refused() {
    let server = Server::start().await;
    let component = server.deploy(&fixtures::COUNTER).await;
    for name in ["x".repeat(513).as_str(), "line\nbreak", "null\0"] {
        let (status, problem) = post(&component.worker(name), "add", "[1]").await;
        assert_eq!(status, 400, "{name:?}: {problem}");
    }
    assert_eq!(component.worker(&"x".repeat(512)).call("add", json!([1])).await, 1);

    let key = "k".repeat(10_000);
    let reply = component.worker("mary").invoke_with_key("add", json!([1]), &key).await;
    assert!((400..500).contains(&reply.status), "{}", reply.text());
}

#[tokio::test]
async fn unknown_routes_and_verbs_are_problems() {
    let server = Server::start().await;
    for path in ["/", "/v1", "/v1/nothing", "/v1/workers/counter/mary/nothing"] {
        let reply = server.api().get(path).await;
        let problem = reply.expect(404);
        assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{problem}");
    }
    let reply = send(server.api().request_path(Method::PATCH, "/v1/components")).await;
    assert_eq!(reply.status, 405);
}
