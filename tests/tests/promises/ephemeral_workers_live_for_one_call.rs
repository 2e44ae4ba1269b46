//! A call to a component without a worker's name runs on a fresh worker that is gone afterwards.

use everlog_tests::{fixtures, server::Server};
use serde_json::json;

#[tokio::test]
async fn each_call_starts_from_nothing() {
    let server = Server::start().await;
    let counter = server.deploy(&fixtures::COUNTER).await;
    for _ in 0..3 {
        assert_eq!(counter.call_ephemeral("add", json!([5])).await.expect(200), 5);
    }
    let listed = server.api().get("/v1/workers?component=counter").await.expect(200);
    assert_eq!(listed["workers"], json!([]));
}

#[tokio::test]
async fn failures_are_answered_too() {
    let server = Server::start().await;
    let trapper = server.deploy(&fixtures::TRAPPER).await;
    let reply = trapper.call_ephemeral("always", json!(["boom"])).await;
    let problem = reply.expect_problem(500, "invocation-failed");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("boom")), "{problem}");
    trapper.call_ephemeral("nothing-like-it", json!([])).await.expect(404);
    trapper.call_ephemeral("always", json!([])).await.expect_problem(400, "invalid-arguments");
}
