//! A sleeping worker keeps its deadline: it does not sleep again after a restart, it wakes by itself,
//! and a long sleep does not keep it in memory.

use std::time::Duration;

use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server, wait};
use serde_json::json;

/// Waits until the guest has looked at the clock and lies down.
async fn sleeps(worker: &Worker) {
    wait::until("the sleep has begun", async || {
        let oplog = worker.oplog().await;
        oplog.iter().any(|entry| entry.to_string().contains("wall-clock")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_deadline_that_passed_wakes_at_once() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::SLEEPER).await.worker("s");
    let key = worker.start("sleep-for", json!([8_000])).await;
    sleeps(&worker).await;
    let begun = wait::wall_clock();
    server.kill();
    wait::until_wall_clock(begun + 8_000).await;
    server.start_again().await;

    let stopwatch = wait::Stopwatch::start();
    let outcome = worker.outcome(&key).await;
    assert!(stopwatch.elapsed() < Duration::from_secs(6), "it slept again: {outcome}");
    let (before, after) = (outcome["result"][0].as_u64(), outcome["result"][1].as_u64());
    assert!(after >= before.map(|before| before + 8_000), "{outcome}");
}

#[tokio::test]
async fn a_deadline_ahead_is_kept() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::SLEEPER).await.worker("s");
    let key = worker.start("sleep-for", json!([4_000])).await;
    sleeps(&worker).await;
    server.restart_after_kill().await;
    let outcome = worker.outcome(&key).await;
    let slept = outcome["result"][1].as_u64().zip(outcome["result"][0].as_u64());
    assert!(slept.is_some_and(|(after, before)| after - before >= 4_000), "{outcome}");
    assert_eq!(worker.call("awakenings", json!([])).await, 1);
}

#[tokio::test]
async fn a_long_sleep_leaves_memory_and_comes_back() {
    let mut server = Server::start_with(&["--suspend-after", "500ms"]).await;
    let worker = server.deploy(&fixtures::SLEEPER).await.worker("s");
    let key = worker.start("sleep-for", json!([5_000])).await;
    worker.reaches("suspended").await;
    server.restart_after_kill().await;
    assert_eq!(worker.metadata().await["status"], "suspended");
    let outcome = worker.outcome(&key).await;
    let slept = outcome["result"][1].as_u64().zip(outcome["result"][0].as_u64());
    assert!(slept.is_some_and(|(after, before)| after - before >= 5_000), "{outcome}");
}

#[tokio::test]
async fn many_short_sleeps_are_each_slept_once() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::SLEEPER).await.worker("s");
    let key = worker.start("sleep-often", json!([100, 20])).await;
    for _ in 0..3 {
        let entries = worker.oplog().await.len();
        wait::until("some more sleeps are in the oplog", async || {
            (worker.oplog().await.len() > entries + 10).then_some(())
        })
        .await;
        server.restart_after_kill().await;
    }
    assert_eq!(worker.outcome(&key).await["result"], 100);
    assert_eq!(worker.call("awakenings", json!([])).await, 100);
}
