//! A worker's memory has a limit: growing beyond it is refused to the guest, which may cope, and the
//! server and its other workers go on.

use everlog_tests::{fixtures, server::Server};
use serde_json::json;

/// Mebibytes that one worker may have.
const LIMIT: u64 = 64;

async fn start() -> Server {
    Server::start_with(&["--worker-memory", &format!("{LIMIT}MiB")]).await
}

#[tokio::test]
async fn growth_beyond_the_limit_is_refused() {
    let mut server = start().await;
    let component = server.deploy(&fixtures::MEMORY).await;
    let worker = component.worker("hog");
    let held = worker.call("take", json!([100_000])).await.as_u64().expect("a number");
    assert!((LIMIT / 2..LIMIT).contains(&held), "{held}");
    assert_eq!(component.worker("modest").call("take", json!([10])).await, 10);
    server.restart_after_kill().await;
    assert_eq!(worker.call("take", json!([0])).await, held);
}

#[tokio::test]
async fn a_guest_that_insists_fails() {
    let server = start().await;
    let component = server.deploy(&fixtures::MEMORY).await;
    let worker = component.worker("hog");
    let failed = worker.invoke("insist", json!([2 * LIMIT])).await;
    failed.expect_problem(500, "invocation-failed");
    assert_eq!(component.worker("modest").call("take", json!([10])).await, 10);
}
