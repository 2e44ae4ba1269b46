//! What goes out with a worker's HTTP requests beside what the guest said: the caller's trace, and an
//! idempotency key where that is switched on.

use everlog_tests::outside::Outside;
use everlog_tests::{api::send, fixtures, server::Server};
use serde_json::{Value, json};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn request(method: &str, url: &str, headers: &Value) -> Value {
    json!([{ "method": method, "url": url, "headers": headers, "body": null }])
}

#[tokio::test]
async fn the_trace_of_the_invocation() {
    let outside = Outside::start().await;
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::HTTP_CLIENT).await.worker("w");
    let traced = |url: &str, headers: &Value| {
        let invocation = worker.invocation("send", &request("GET", url, headers));
        invocation.header("traceparent", TRACE).header("tracestate", "a=b")
    };
    send(traced(&outside.url("/echo/1"), &json!([]))).await.expect(200);
    send(traced(&outside.url("/echo/2"), &json!([["traceparent", "mine"]]))).await.expect(200);
    worker.call("send", request("GET", &outside.url("/echo/3"), &json!([]))).await;
    let received = outside.received();
    assert_eq!(received[0].header("traceparent"), Some(TRACE));
    assert_eq!(received[0].header("tracestate"), Some("a=b"));
    assert_eq!(received[1].header("traceparent"), Some("mine"));
    assert_eq!(received[1].header("tracestate"), None);
    assert_eq!(received[2].header("traceparent"), None);

    // Also where it is sent again.
    let invocation =
        worker.invocation("send", &request("GET", &outside.url("/held/a"), &json!([])));
    let headers = invocation.header("traceparent", TRACE).header("Prefer", "respond-async");
    let accepted = send(headers).await.expect(202);
    outside.has_received("/held/a", 1).await;
    server.restart_after_kill().await;
    outside.has_received("/held/a", 2).await;
    outside.allow("a", 2);
    worker.outcome(accepted["idempotencyKey"].as_str().expect("a key")).await;
    let received = outside.received();
    assert!(received[3..].iter().all(|received| received.header("traceparent") == Some(TRACE)));
}

#[tokio::test]
async fn an_idempotency_key_that_a_crash_does_not_change() {
    let outside = Outside::start().await;
    let mut server = Server::start_with(&["--http-idempotency-header"]).await;
    let worker = server.deploy(&fixtures::HTTP_CLIENT).await.worker("w");
    worker.call("send", request("GET", &outside.url("/echo"), &json!([]))).await;
    worker.call("send", request("POST", &outside.url("/echo"), &json!([]))).await;
    let given = json!([["idempotency-key", "mine"]]);
    worker.call("send", request("POST", &outside.url("/echo"), &given)).await;
    let key = worker.start("send", request("PUT", &outside.url("/held/a"), &json!([]))).await;
    outside.has_received("/held/a", 1).await;
    server.restart_after_kill().await;
    outside.has_received("/held/a", 2).await;
    outside.allow("a", 2);
    worker.outcome(&key).await;

    let keys: Vec<_> = outside
        .received()
        .iter()
        .map(|received| received.header("idempotency-key").map(str::to_owned))
        .collect();
    assert_eq!(keys[0], None, "a GET changes nothing");
    assert!(keys[1].is_some());
    assert_eq!(keys[2].as_deref(), Some("mine"));
    assert!(keys[3].is_some() && keys[3] != keys[1]);
    assert_eq!(keys[3], keys[4], "it is the same request");
}
