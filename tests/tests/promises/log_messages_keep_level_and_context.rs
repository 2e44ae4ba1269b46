//! What a guest logs with `wasi:logging` is in the worker's log with its level and context, and
//! reaches a follower once, whatever crashes meanwhile.

use everlog_tests::follower::Follower;
use everlog_tests::{fixtures, server::Server};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn on_every_level() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::LOGGER).await.worker("w");
    let levels = ["trace", "debug", "info", "warn", "error", "critical"];
    for level in levels {
        worker.call("log", json!([level, "größe", format!("on {level}\nand below")])).await;
    }
    worker.call("log", json!(["info", "", "without context"])).await;
    server.restart_after_kill().await;
    let mut logs = worker.logs().await;
    let last = logs.pop().expect("a record");
    assert_eq!((&last["context"], &last["message"]), (&json!(null), &json!("without context")));
    assert_eq!(logs.len(), levels.len());
    for (record, level) in logs.iter().zip(levels) {
        assert_eq!(record["stream"], "log");
        assert_eq!(record["level"], level);
        assert_eq!(record["context"], "größe");
        assert_eq!(record["message"], format!("on {level}\nand below"));
    }
}

#[tokio::test]
async fn once_for_a_follower_across_a_kill() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::LOGGER).await.worker("w");
    let key = worker.start("count", json!([20, 50])).await;
    let mut follower = worker.follow().await;
    let mut seen = Vec::new();
    let mut last_index = 0;
    while seen.len() < 7 {
        let record = follower.next_record().await.expect("a record");
        assert_eq!((&record["level"], &record["context"]), (&json!("info"), &json!("count")));
        last_index = record["index"].as_u64().expect("an index");
        seen.push(everlog_tests::worker::message(&record));
    }
    server.restart_after_kill().await;

    let from = (last_index + 1).to_string();
    let query = [("follow", "true"), ("from", from.as_str())];
    let request = worker.request(Method::GET, &["logs"]).query(&query);
    seen.extend(Follower::open(request).await.messages(13).await);
    let expected: Vec<String> = (1..=20).map(|line| format!("line {line}")).collect();
    assert_eq!(seen, expected);
    worker.outcome(&key).await;
    assert_eq!(worker.messages().await, expected);
}

#[tokio::test]
async fn once_across_a_crash_of_the_worker() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::LOGGER).await.worker("w");
    let key = worker.start("count", json!([12, 20])).await;
    let mut follower = worker.follow().await;
    let mut seen = follower.messages(4).await;
    worker.obey("crash").await;
    seen.extend(follower.messages(8).await);
    worker.outcome(&key).await;
    let expected: Vec<String> = (1..=12).map(|line| format!("line {line}")).collect();
    assert_eq!(seen, expected);
    assert_eq!(worker.messages().await, expected);
}

#[tokio::test]
async fn cut_where_it_is_too_long() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::LOGGER).await.worker("w");
    worker.call("log-long", json!([100_000])).await;
    let messages = worker.messages().await;
    assert_eq!(messages.len(), 1);
    assert!(messages[0].len() <= 64 << 10, "{} bytes", messages[0].len());
    assert!(messages[0].ends_with("bytes more)"), "the cut is told");
}
