//! Workers that compute without end share the machine with the others: more of them than there are
//! cores do not keep a small call waiting for long.

use std::time::Duration;

use everlog_tests::{fixtures, server::Server, wait::Stopwatch};
use serde_json::json;

/// More than a test machine has cores.
const LOOPS: usize = 16;

/// Longer than any fair share of the machine makes a small call wait.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn small_calls_are_answered_beside_endless_loops() {
    let server = Server::start().await;
    let spinner = server.deploy(&fixtures::SPINNER).await;
    let counter = server.deploy(&fixtures::COUNTER).await;
    for number in 0..LOOPS {
        let worker = spinner.worker(&format!("loop-{number}"));
        worker.start("spin-for-ever", json!([])).await;
        worker.reaches("running").await;
    }
    for total in 1..=30 {
        let stopwatch = Stopwatch::start();
        assert_eq!(counter.worker("mary").call("add", json!([1])).await, total);
        assert!(stopwatch.elapsed() < LONGEST_WAIT, "{:?}", stopwatch.elapsed());
    }
}
