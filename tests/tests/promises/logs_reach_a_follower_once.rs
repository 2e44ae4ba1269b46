//! A follower of a worker's log gets each line once, in order, whatever crashes meanwhile; what it
//! gets is durable.

use everlog_tests::api::send;
use everlog_tests::follower::Follower;
use everlog_tests::{fixtures, server::Server};
use reqwest::Method;
use serde_json::json;

fn lines(range: std::ops::RangeInclusive<u32>) -> Vec<String> {
    range.map(|line| format!("line {line}")).collect()
}

#[tokio::test]
async fn across_crashes_of_the_worker() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::PRINTER).await.worker("p");
    worker.call("print", json!([["begin"]])).await;
    let mut follower = worker.follow().await;
    assert_eq!(follower.messages(1).await, ["begin"]);

    let key = worker.start("count", json!([30, 20])).await;
    assert_eq!(follower.messages(5).await, lines(1..=5));
    worker.obey("crash").await;
    assert_eq!(follower.messages(10).await, lines(6..=15));
    worker.obey("crash").await;
    worker.outcome(&key).await;
    worker.call("print", json!([["end"]])).await;
    assert_eq!(follower.messages(15).await, lines(16..=30));
    assert_eq!(follower.messages(1).await, ["end"]);
}

#[tokio::test]
async fn across_a_kill_of_the_server() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::PRINTER).await.worker("p");
    let key = worker.start("count", json!([20, 50])).await;
    let mut follower = worker.follow().await;
    let mut seen = Vec::new();
    let mut last_index = 0;
    while seen.len() < 7 {
        let record = follower.next_record().await.expect("a record");
        last_index = record["index"].as_u64().expect("an index");
        seen.push(everlog_tests::worker::message(&record));
    }
    server.restart_after_kill().await;

    let from = (last_index + 1).to_string();
    let query = [("follow", "true"), ("from", from.as_str())];
    let request = worker.request(Method::GET, &["logs"]).query(&query);
    seen.extend(Follower::open(request).await.messages(13).await);
    assert_eq!(seen, lines(1..=20));
    worker.outcome(&key).await;
    assert_eq!(worker.messages().await, lines(1..=20));
}

#[tokio::test]
async fn across_an_interrupt_and_to_the_end_of_the_worker() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::PRINTER).await.worker("p");
    worker.start("count", json!([10, 50])).await;
    let mut follower = worker.follow().await;
    assert_eq!(follower.messages(3).await, lines(1..=3));
    worker.obey("interrupt").await;
    worker.reaches("interrupted").await;
    worker.obey("resume").await;
    assert_eq!(follower.messages(7).await, lines(4..=10));
    worker.delete().await.expect(204);
    assert_eq!(follower.next_record().await, None, "the stream ends with the worker");
}

#[tokio::test]
async fn streams_and_unfinished_lines_are_told_apart() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::PRINTER).await.worker("p");
    worker.call("print", json!([["out"]])).await;
    worker.call("complain", json!([["error"]])).await;
    worker.call("print-unfinished", json!(["half a line"])).await;
    worker.call("print", json!([["", "größe"]])).await;
    let seen: Vec<_> = worker
        .logs()
        .await
        .iter()
        .map(|record| (record["stream"].clone(), record["message"].clone()))
        .collect();
    let expected = [
        ("stdout", "out"),
        ("stderr", "error"),
        ("stdout", "half a line"),
        ("stdout", ""),
        ("stdout", "größe"),
    ];
    assert_eq!(seen, expected.map(|(stream, message)| (json!(stream), json!(message))));
}

#[tokio::test]
async fn also_as_server_sent_events() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::PRINTER).await.worker("p");
    worker.call("print", json!([["hello"]])).await;
    let request = worker.request(Method::GET, &["logs"]).query(&[("follow", "true")]);
    let mut events = Follower::open(request.header("Accept", "text/event-stream")).await;
    assert!(events.content_type().starts_with("text/event-stream"));
    let data = loop {
        let line = events.next_line().await.expect("an event");
        if let Some(data) = line.strip_prefix("data:") {
            break data.trim().to_owned();
        }
    };
    let record: serde_json::Value = serde_json::from_str(&data).expect("JSON");
    assert_eq!(record["message"], "hello");
}

#[tokio::test]
async fn lines_of_a_failed_execution_stay() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::PRINTER).await.worker("p");
    worker.invoke("print-and-panic", json!(["about to fail"])).await.expect(500);
    let printed = worker.messages().await;
    assert!(printed.contains(&String::from("about to fail")), "{printed:?}");
    send(worker.request(Method::GET, &["logs"]).query(&[("from", "nonsense")])).await.expect(400);
}

#[tokio::test]
async fn half_a_line_is_shown_when_the_worker_suspends() {
    let mut server = Server::start_with(&["--suspend-after", "100ms"]).await;
    let worker = server.deploy(&fixtures::PRINTER).await.worker("p");
    let key = worker.start("pause-within-line", json!([3_000])).await;
    assert_eq!(worker.follow().await.messages(1).await, ["working … "]);
    worker.reaches("suspended").await;
    server.restart_after_kill().await;

    worker.outcome(&key).await;
    assert_eq!(worker.messages().await, ["working … ", "done"]);
}
