//! `crash` drops the instance and recovers at once: a drill that changes nothing a caller can see.

use everlog_tests::{fixtures, server::Server};
use serde_json::json;

#[tokio::test]
async fn an_idle_worker_recovers() {
    let server = Server::start().await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    for total in 1..=10 {
        assert_eq!(mary.call("add", json!([1])).await, total);
        mary.obey("crash").await;
    }
    assert_eq!(mary.call("get", json!([])).await, 10);
}

#[tokio::test]
async fn a_running_worker_recovers() {
    let server = Server::start().await;
    let printer = server.deploy(&fixtures::PRINTER).await.worker("p");
    let key = printer.start("count", json!([20, 30])).await;
    for line in ["line 3", "line 7", "line 12"] {
        printer.has_logged(line).await;
        printer.obey("crash").await;
    }
    assert_eq!(printer.outcome(&key).await["status"], "completed");
    let lines: Vec<String> = (1..=20).map(|line| format!("line {line}")).collect();
    assert_eq!(printer.messages().await, lines);
}
