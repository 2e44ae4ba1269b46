//! A kill between a request and its answer, or in the middle of a body: with idempotence on the
//! request is sent again and the guest goes on as if nothing had happened; with it off nothing is
//! sent twice, and somebody hears of it.

use everlog_tests::outside::Outside;
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server, wait};
use serde_json::{Value, json};

async fn client(server: &Server) -> Worker {
    server.deploy(&fixtures::HTTP_CLIENT).await.worker("w")
}

fn post(url: &str, body: &str) -> Value {
    json!({ "method": "POST", "url": url, "headers": [], "body": body })
}

/// Drops the worker once more: what it went through must hold, and reach nobody.
async fn assert_settled(server: &mut Server, worker: &Worker, outside: &Outside) {
    let received = outside.received();
    server.restart_after_kill().await;
    worker.obey("crash").await;
    assert_eq!(worker.metadata().await["status"], "idle");
    assert_eq!(outside.received(), received, "replay sends nothing");
}

#[tokio::test]
async fn before_the_answer_the_request_is_sent_again_with_its_body() {
    let outside = Outside::start().await;
    let mut server = Server::start().await;
    let worker = client(&server).await;
    let body = "x".repeat(200_000);
    let key = worker.start("send", json!([post(&outside.url("/held/a"), &body)])).await;
    outside.has_received("/held/a", 1).await;
    server.restart_after_kill().await;
    outside.has_received("/held/a", 2).await;
    outside.allow("a", 2);
    let outcome = worker.outcome(&key).await;
    assert_eq!(outcome["result"]["ok"]["body"], format!("POST /held/a {body}"));
    assert_eq!(outside.received()[0].body, outside.received()[1].body);
    assert_settled(&mut server, &worker, &outside).await;
    assert_eq!(outside.count("/held/a"), 2);
}

#[tokio::test]
async fn a_body_that_is_too_long_to_be_kept_fails_clearly() {
    let outside = Outside::start().await;
    let mut server = Server::start_with(&["--http-resent-body", "10KiB"]).await;
    let worker = client(&server).await;
    let body = "x".repeat(20_000);
    let key = worker.start("send", json!([post(&outside.url("/held/a"), &body)])).await;
    outside.has_received("/held/a", 1).await;
    server.restart_after_kill().await;
    let outcome = worker.outcome(&key).await;
    let error = outcome["result"]["err"].as_str().unwrap_or_default();
    assert!(error.contains("10240 bytes"), "{outcome}");
    assert_settled(&mut server, &worker, &outside).await;
    assert_eq!(outside.count("/held/a"), 1);
}

#[tokio::test]
async fn before_the_answer_with_idempotence_off_the_worker_fails() {
    let outside = Outside::start().await;
    let mut server = Server::start().await;
    let worker = client(&server).await;
    let key = worker.start("send-once", json!([post(&outside.url("/held/a"), "pay")])).await;
    outside.has_received("/held/a", 1).await;
    server.restart_after_kill().await;
    let outcome = worker.outcome(&key).await;
    assert_eq!(outcome["status"], "failed", "{outcome}");
    let detail = outcome["error"]["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("wasi:http/outgoing-handler.handle"), "{detail}");
    assert!(detail.contains("may have happened"), "{detail}");
    assert_eq!(worker.metadata().await["status"], "failed");
    assert_eq!(outside.count("/held/a"), 1);
}

/// Has the guest read two of four pieces and waits until the log has them.
async fn read_half(worker: &Worker, outside: &Outside, function: &str, path: &str) -> String {
    let key = worker.start(function, json!([outside.url(path)])).await;
    outside.allow("a", 2);
    let pieces = "a-0-0 ".len();
    worker.has_logged(&format!("read {}", 2 * pieces)).await;
    key
}

#[tokio::test]
async fn in_the_middle_of_a_body_it_is_resumed() {
    let outside = Outside::start().await;
    let mut server = Server::start().await;
    let worker = client(&server).await;
    let key = read_half(&worker, &outside, "read-slowly", "/slow/a/4").await;
    server.restart_after_kill().await;
    outside.has_received("/slow/a/4", 2).await;
    outside.allow("a", 6);
    let outcome = worker.outcome(&key).await;
    assert_eq!(outcome["result"]["ok"], "a-0-0 a-0-1 a-0-2 a-0-3 ", "{outcome}");
    assert_settled(&mut server, &worker, &outside).await;
    assert_eq!(outside.count("/slow/a/4"), 2);
    let printed = worker.messages().await;
    assert_eq!(printed.iter().filter(|line| *line == "read 12").count(), 1, "{printed:?}");
}

#[tokio::test]
async fn an_interrupted_body_is_resumed() {
    let outside = Outside::start().await;
    let mut server = Server::start().await;
    let worker = client(&server).await;
    let key = read_half(&worker, &outside, "read-slowly", "/slow/a/4").await;
    worker.obey("interrupt").await;
    worker.reaches("interrupted").await;
    assert_eq!(outside.count("/slow/a/4"), 1);
    worker.obey("resume").await;
    outside.has_received("/slow/a/4", 2).await;
    // The broken connection may have taken pieces with it.
    outside.allow("a", 10);
    let outcome = worker.outcome(&key).await;
    assert_eq!(outcome["result"]["ok"], "a-0-0 a-0-1 a-0-2 a-0-3 ", "{outcome}");
    assert_settled(&mut server, &worker, &outside).await;
}

#[tokio::test]
async fn a_body_that_has_changed_breaks_off() {
    let outside = Outside::start().await;
    let mut server = Server::start().await;
    let worker = client(&server).await;
    let key = worker.start("read-slowly", json!([outside.url("/changing/a/4")])).await;
    outside.allow("a", 2);
    worker.has_logged("read 12").await;
    server.restart_after_kill().await;
    outside.has_received("/changing/a/4", 2).await;
    outside.allow("a", 6);
    let outcome = worker.outcome(&key).await;
    assert_eq!(outcome["result"]["err"][0], "a-1-0 a-1-1 ", "{outcome}");
    let error = outcome["result"]["err"][1].as_str().unwrap_or_default();
    assert!(error.contains("ConnectionTerminated"), "{outcome}");
    let calls = worker.oplog_of_type("host-call").await;
    let said = |call: &Value| {
        call["http"]["error"].as_str().is_some_and(|it| it.contains("another one now"))
    };
    assert!(calls.iter().any(said), "{calls:?}");
    assert_settled(&mut server, &worker, &outside).await;
}

#[tokio::test]
async fn in_the_middle_of_a_body_with_idempotence_off_it_breaks_off() {
    let outside = Outside::start().await;
    let mut server = Server::start().await;
    let worker = client(&server).await;
    let key = read_half(&worker, &outside, "read-slowly-once", "/slow/a/4").await;
    server.restart_after_kill().await;
    let outcome = worker.outcome(&key).await;
    assert_eq!(outcome["result"]["err"][0], "a-0-0 a-0-1 ", "{outcome}");
    let error = outcome["result"]["err"][1].as_str().unwrap_or_default();
    assert!(error.contains("ConnectionTerminated"), "{outcome}");
    assert_settled(&mut server, &worker, &outside).await;
    assert_eq!(outside.count("/slow/a/4"), 1);
}

#[tokio::test]
async fn nothing_is_sent_before_what_led_to_it_is_durable() {
    let outside = Outside::start().await;
    let mut server = Server::start_with(&["--commit-interval", "1h"]).await;
    let worker = client(&server).await;
    let key = worker.start("send", json!([post(&outside.url("/held/a"), "x")])).await;
    outside.has_received("/held/a", 1).await;
    // Nobody has read the log or waited for a commit; the begin is there all the same.
    server.restart_after_kill().await;
    let begin = wait::until("the begin is in the log", async || {
        worker.oplog_of_type("write-begin").await.pop()
    })
    .await;
    assert_eq!(begin["http"]["url"], outside.url("/held/a"));
    outside.allow("a", 2);
    assert_eq!(worker.outcome(&key).await["status"], "completed");
    let begins = worker.oplog_of_type("write-begin").await;
    assert_eq!(begins, [begin], "it is the same one");
}
