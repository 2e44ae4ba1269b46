//! SIGTERM: the server exits with 0 within ten seconds, whatever its workers do; they go on after the
//! next start.

use std::time::Duration;

use everlog_tests::{fixtures, server::Server, wait};
use serde_json::json;

const LONGEST_STOP: Duration = Duration::from_secs(10);

#[tokio::test]
async fn an_idle_server_stops() {
    let mut server = Server::start().await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    mary.call("add", json!([5])).await;
    assert_eq!(server.terminate().await.code(), Some(0));
    server.start_again().await;
    assert_eq!(mary.call("add", json!([1])).await, 6);
}

#[tokio::test]
async fn a_busy_server_stops_in_time() {
    let mut server = Server::start().await;
    let printer = server.deploy(&fixtures::PRINTER).await.worker("p");
    let sleeper = server.deploy(&fixtures::SLEEPER).await.worker("s");
    let spinner = server.deploy(&fixtures::SPINNER).await.worker("s");
    spinner.start("spin-for-ever", json!([])).await;
    let sleep = sleeper.start("sleep-for", json!([3_000])).await;
    let count = printer.start("count", json!([30, 30])).await;
    spinner.reaches("running").await;
    printer.has_logged("line 3").await;

    let stopwatch = wait::Stopwatch::start();
    assert_eq!(server.terminate().await.code(), Some(0));
    assert!(stopwatch.elapsed() < LONGEST_STOP, "{:?}", stopwatch.elapsed());
    server.start_again().await;

    assert_eq!(sleeper.outcome(&sleep).await["status"], "completed");
    assert_eq!(printer.outcome(&count).await["status"], "completed");
    let lines: Vec<String> = (1..=30).map(|line| format!("line {line}")).collect();
    assert_eq!(printer.messages().await, lines);
    assert_eq!(spinner.metadata().await["status"], "running", "it was not interrupted by anybody");
}
