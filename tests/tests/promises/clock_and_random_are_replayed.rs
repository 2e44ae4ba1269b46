//! What a guest once saw of the clock or drew at random, it has seen: after a restart its memory
//! holds the same values, which came from the oplog. In a persist-nothing region nothing is written.

use everlog_tests::{fixtures, server::Server};
use serde_json::{Value, json};

fn numbers(list: &Value) -> Vec<u64> {
    list.as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
}

#[tokio::test]
async fn clock_readings_come_back() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::CLOCKS).await.worker("c");
    let mut seen = numbers(&worker.call("wall", json!([20])).await);
    assert!(seen.is_sorted());
    let monotonic = numbers(&worker.call("monotonic", json!([20])).await);
    assert!(monotonic.is_sorted());
    seen.extend(&monotonic);
    server.restart_after_kill().await;

    assert_eq!(numbers(&worker.call("remembered", json!([])).await), seen);
    let later = numbers(&worker.call("monotonic", json!([1])).await);
    assert!(later[0] >= monotonic[19], "the monotonic clock goes on after a restart");
}

#[tokio::test]
async fn random_numbers_come_back() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::RANDOM).await;
    let worker = component.worker("r");
    let drawn = worker.call("draw", json!([20])).await;
    worker.call("insecure", json!([])).await;
    let other = component.worker("other").call("draw", json!([20])).await;
    assert_ne!(drawn, other, "two workers draw different numbers");
    server.restart_after_kill().await;

    assert_eq!(worker.call("remembered", json!([])).await, drawn);
    assert_ne!(worker.call("draw", json!([20])).await, drawn);
}

#[tokio::test]
async fn random_bytes_have_a_limit() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::RANDOM).await.worker("r");
    let bytes = worker.call("bytes", json!([1_000])).await;
    assert_eq!(numbers(&bytes).len(), 1_000);
    worker.invoke("bytes", json!([u64::MAX])).await.expect_problem(500, "invocation-failed");
}

#[tokio::test]
async fn unrecorded_readings_are_not_written() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::CLOCKS).await.worker("c");
    let entries = async || worker.oplog().await.len();
    worker.call("spend", json!([1])).await;
    let before = entries().await;
    worker.call("spend", json!([1_000])).await;
    let recorded = entries().await - before;
    worker.call("spend-unrecorded", json!([1_000])).await;
    let unrecorded = entries().await - before - recorded;
    assert!(recorded >= 1_000, "{recorded}");
    assert!(unrecorded <= 10, "{unrecorded}");
}

#[tokio::test]
async fn unrecorded_readings_are_made_again() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::CLOCKS).await.worker("c");
    worker.call("monotonic-unrecorded", json!([3])).await;
    server.restart_after_kill().await;
    let seen = numbers(&worker.call("remembered", json!([])).await);
    assert_eq!(seen.len(), 3);
    assert_eq!(worker.metadata().await["status"], "idle");
}
