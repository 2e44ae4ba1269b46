//! A trap is retried by the retry policy, with back-off, and its attempts are counted across
//! restarts; what can never succeed is not tried again.

use std::time::Duration;

use everlog_tests::{fixtures, server::Server, wait};
use serde_json::json;

/// What three retries wait at least by the default policy: 100 ms, 300 ms, 900 ms.
const DEFAULT_BACK_OFF: Duration = Duration::from_millis(1_300);

#[tokio::test]
async fn a_passing_failure_is_not_seen_by_the_caller() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::TRAPPER).await.worker("t");
    let deadline = wait::wall_clock() + 700;
    assert_eq!(worker.call("until", json!([deadline])).await, 1);
    assert!(!worker.oplog_of_type("failed").await.is_empty());
    let metadata = worker.metadata().await;
    assert_eq!(metadata["status"], "idle");
    worker.obey("crash").await;
    assert_eq!(worker.call("successes", json!([])).await, 1);
}

#[tokio::test]
async fn a_lasting_failure_is_answered_with_its_cause() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::TRAPPER).await.worker("t");
    let stopwatch = wait::Stopwatch::start();
    let problem = worker.invoke("always", json!(["no bread"])).await;
    let problem = problem.expect_problem(500, "invocation-failed");
    assert!(stopwatch.elapsed() >= DEFAULT_BACK_OFF, "{:?}", stopwatch.elapsed());
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("no bread"), "the panic's message: {detail}");
    assert!(detail.contains("trapper"), "a backtrace of the guest: {detail}");

    let metadata = worker.metadata().await;
    assert_eq!((&metadata["status"], &metadata["retryCount"]), (&json!("failed"), &json!(3)));
    assert!(metadata["lastError"].is_string());
    assert_eq!(worker.oplog_of_type("failed").await.len(), 4, "the first execution and 3 retries");
}

#[tokio::test]
async fn a_policy_of_the_guest_is_followed() {
    let server = Server::start().await;
    let component = server.deploy(&fixtures::TRAPPER).await;
    for retries in [0, 1, 6] {
        let worker = component.worker(&format!("{retries} retries"));
        let failed = worker.invoke("always-with-policy", json!([retries, 20])).await;
        failed.expect_problem(500, "invocation-failed");
        assert_eq!(worker.oplog_of_type("failed").await.len(), retries + 1);
    }
}

#[tokio::test]
async fn attempts_are_counted_across_restarts() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::TRAPPER).await.worker("t");
    let key = worker.start("always-with-policy", json!([4, 700])).await;
    for attempts in 1..=3 {
        wait::until("the next attempt has failed", async || {
            (worker.oplog_of_type("failed").await.len() >= attempts).then_some(())
        })
        .await;
        server.restart_after_kill().await;
    }
    assert_eq!(worker.outcome(&key).await["status"], "failed");
    assert_eq!(worker.oplog_of_type("failed").await.len(), 5);
}

#[tokio::test]
async fn calls_wait_while_a_worker_is_retrying() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::TRAPPER).await.worker("t");
    let deadline = wait::wall_clock() + 700;
    let retried = worker.start("until", json!([deadline])).await;
    worker.reaches("retrying").await;
    assert_eq!(worker.call("successes", json!([])).await, 1, "it ran after the retries");
    assert_eq!(worker.outcome(&retried).await["result"], 1);
}

#[tokio::test]
async fn a_stack_overflow_is_not_retried() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::RECURSION).await;
    let worker = component.worker("r");
    assert_eq!(worker.call("descend", json!([100])).await, 100);
    let problem = worker.invoke("overflow", json!([])).await;
    let problem = problem.expect_problem(500, "invocation-failed");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("call stack exhausted"), "{detail}");
    assert_eq!(worker.oplog_of_type("failed").await.len(), 1);
    assert_eq!(component.worker("other").call("descend", json!([100])).await, 100);
    server.restart_after_kill().await;
    assert_eq!(worker.metadata().await["status"], "failed");
}
