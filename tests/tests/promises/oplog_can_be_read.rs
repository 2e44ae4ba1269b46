//! The oplog is readable: every entry with its index, time and type, from either end, in pages,
//! filtered by type and text.

use everlog_tests::api::send;
use everlog_tests::reply::Reply;
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server};
use reqwest::Method;
use serde_json::{Value, json};

async fn read(worker: &Worker, query: &[(&str, &str)]) -> Reply {
    send(worker.request(Method::GET, &["oplog"]).query(query)).await
}

fn indices(page: &Value) -> Vec<u64> {
    let entries = page["entries"].as_array().into_iter().flatten();
    entries.filter_map(|entry| entry["index"].as_u64()).collect()
}

#[tokio::test]
async fn it_tells_the_story_of_a_worker() {
    let server = Server::start().await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    mary.call("add", json!([5])).await;
    let entries = mary.oplog().await;
    let types: Vec<&str> = entries.iter().filter_map(|entry| entry["type"].as_str()).collect();
    assert_eq!(types, ["create", "invocation-started", "invocation-completed"]);
    for (position, entry) in entries.iter().enumerate() {
        assert_eq!(entry["index"], position + 1, "indices have no gaps");
        assert!(entry["timestamp"].is_string(), "{entry}");
    }
    assert!(entries[1].to_string().contains("add"), "{}", entries[1]);
    let last_index = mary.metadata().await["oplog"]["lastIndex"].clone();
    assert_eq!(last_index, 3);
}

#[tokio::test]
async fn it_has_pages_and_filters() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::PRINTER).await.worker("p");
    for round in 0..10 {
        worker.call("print", json!([[format!("round {round}")]])).await;
    }
    let all = worker.oplog().await;
    let count = all.len() as u64;
    let page = read(&worker, &[("from", "3"), ("limit", "4")]).await.expect(200);
    assert_eq!(indices(&page), [3, 4, 5, 6]);
    let last = read(&worker, &[("order", "desc"), ("limit", "2")]).await.expect(200);
    assert_eq!(indices(&last), [count, count - 1]);
    let logs = read(&worker, &[("type", "log"), ("limit", "100")]).await.expect(200);
    assert_eq!(indices(&logs).len(), 10);
    let text = read(&worker, &[("text", "round 7"), ("type", "log")]).await.expect(200);
    assert_eq!(indices(&text).len(), 1, "{text}");
    let beyond = read(&worker, &[("from", "100000")]).await.expect(200);
    assert_eq!(indices(&beyond), [0; 0]);
    for query in [[("limit", "0")], [("limit", "x")], [("order", "sideways")], [("from", "-1")]] {
        read(&worker, &query).await.expect(400);
    }
}

#[tokio::test]
async fn it_is_the_same_after_a_restart() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::MIXER).await.worker("m");
    for round in 0..5 {
        worker.call("work", json!([round])).await;
    }
    let before = worker.oplog().await;
    server.restart_after_kill().await;
    worker.call("remembered", json!([])).await;
    assert_eq!(worker.oplog().await[..before.len()], before);
}
