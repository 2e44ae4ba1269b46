//! A request to `/http/{component}/{worker}/…` is an invocation like any other: it stands in the
//! oplog, survives a kill in the middle, and runs once under its idempotency key.

use everlog_tests::api::{send, try_send};
use everlog_tests::{fixtures, server::Server, wait};
use reqwest::Method;
use serde_json::json;

const FUNCTION: &str = "wasi:http/incoming-handler.{handle}";

#[tokio::test]
async fn a_request_stands_in_the_oplog() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::HTTP_SERVER).await.worker("w");
    let request = server.api().request_path(Method::PUT, "/http/http-server/w/a%2Fb?c=%20");
    let reply = send(request.header("x-mine", "yes").body("hello")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let text = reply.text();
    for line in ["method Method::Put", "target /a%2Fb?c=%20", "header x-mine: yes", "body hello"] {
        assert!(text.lines().any(|found| found == line), "{line:?} is not in\n{text}");
    }

    let started = worker.oplog_of_type("invocation-started").await;
    assert_eq!(started[0]["function"], FUNCTION);
    let argument = &started[0]["arguments"][0];
    assert_eq!(argument["method"], "PUT");
    assert_eq!(argument["path-with-query"], "/a%2Fb?c=%20");
    assert_eq!(argument["body"], "hello");
    let completed = worker.oplog_of_type("invocation-completed").await;
    assert_eq!(completed[0]["result"]["ok"]["status"], 200);
    assert_eq!(completed[0]["result"]["ok"]["body"], text);

    server.restart_after_kill().await;
    let again = server.api().get("/http/http-server/w/count").await;
    assert_eq!(again.text(), "1", "replay answers the first request from the log");
    assert_eq!(worker.metadata().await["status"], "idle");
}

#[tokio::test]
async fn a_request_survives_a_kill_in_the_middle() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::HTTP_SERVER).await.worker("w");
    assert_eq!(server.api().get("/http/http-server/w/count").await.text(), "1");
    let slow = |api: &everlog_tests::api::Api| {
        api.request_path(Method::GET, "/http/http-server/w/slow-count?1500")
            .header("Idempotency-Key", "k")
    };
    let cut_off = tokio::spawn(try_send(slow(server.api())));
    worker.has_logged("counting slowly").await;
    server.restart_after_kill().await;
    assert!(
        cut_off.await.expect("a task").is_err(),
        "the answer came although the server was killed"
    );

    let reply = send(slow(server.api())).await;
    assert_eq!((reply.status, reply.text()), (200, "2".to_owned()));
    assert_eq!(send(slow(server.api())).await.text(), "2", "the same key gets the same answer");
    assert_eq!(server.api().get("/http/http-server/w/count").await.text(), "3");
    assert_eq!(worker.messages().await, ["counting slowly"]);
}

#[tokio::test]
async fn a_key_belongs_to_its_request() {
    let server = Server::start().await;
    server.deploy(&fixtures::HTTP_SERVER).await;
    let count = |path: &str, trace: &str| {
        let request = server.api().request_path(Method::POST, path);
        request.header("Idempotency-Key", "k").header("x-trace", trace)
    };
    assert_eq!(send(count("/http/http-server/w/count", "1")).await.text(), "1");
    assert_eq!(send(count("/http/http-server/w/count", "2")).await.text(), "1");
    let reused = send(count("/http/http-server/w/count?other", "1")).await;
    reused.expect_problem(422, "idempotency-key-reused");
    let with_body = count("/http/http-server/w/count", "1").body("other");
    send(with_body).await.expect_problem(422, "idempotency-key-reused");
}

#[tokio::test]
async fn requests_queue_with_other_requests() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::HTTP_SERVER).await.worker("w");
    worker.create(json!({})).await.expect(201);
    let request = server.api().request_path(Method::GET, "/http/http-server/w/slow-count?300");
    let first = tokio::spawn(send(request));
    worker.has_logged("counting slowly").await;
    assert_eq!(server.api().get("/http/http-server/w/count").await.text(), "2");
    assert_eq!(wait::patiently("the first", first).await.expect("a task").text(), "1");
    let state = worker.invocation_state("unknown").await;
    state.expect_problem(404, "invocation-not-found");
    let called = worker.invoke(FUNCTION, json!([])).await;
    called.expect_problem(400, "invalid-request");
}
