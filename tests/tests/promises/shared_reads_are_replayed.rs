//! What a worker read from a bucket or a container stays what it read, although others have written
//! there since: a recovery answers it from the worker's own log. A change is not made again either.

use everlog_tests::{fixtures, server::Server};
use serde_json::{Value, json};

#[tokio::test]
async fn of_buckets() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::KEY_VALUE).await;
    let (mary, john) = (component.worker("mary"), component.worker("john"));
    let large = "x".repeat(300 << 10);
    for value in ["one", "two", &large] {
        john.call("set", json!(["b", "k", value])).await;
        mary.call("remember", json!(["b", "k"])).await;
    }
    mary.call("add", json!(["b", "n", 5])).await;
    john.call("delete", json!(["b", "k"])).await;
    john.call("set", json!(["b", "n", "100"])).await;
    server.restart_after_kill().await;

    assert_eq!(mary.call("remembered", json!([])).await, json!(["one", "two", large, "5"]));
    assert_eq!(john.call("get", json!(["b", "k"])).await["ok"], Value::Null);
    assert_eq!(john.call("get", json!(["b", "n"])).await["ok"], "100", "not added again");
}

#[tokio::test]
async fn of_containers() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::BLOB_STORE).await;
    let (mary, john) = (component.worker("mary"), component.worker("john"));
    john.call("create", json!(["c"])).await;
    let large = "x".repeat(300 << 10);
    for text in ["one", &large] {
        john.call("write", json!(["c", "o", text])).await;
        mary.call("remember", json!(["c", "o"])).await;
    }
    john.call("delete", json!(["c"])).await;
    server.restart_after_kill().await;
    assert_eq!(mary.call("remembered", json!([])).await, json!(["one", large]));
    assert_eq!(john.call("exists", json!(["c"])).await["ok"], false);
}

#[tokio::test]
async fn and_the_log_says_what_was_read_and_written() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::KEY_VALUE).await.worker("w");
    worker.call("set", json!(["b", "k", "v"])).await;
    worker.call("get", json!(["b", "k"])).await;
    let calls: Vec<(Value, Value)> = worker
        .oplog_of_type("host-call")
        .await
        .iter()
        .map(|entry| (entry["function"].clone(), entry["category"].clone()))
        .collect();
    let expected = [
        (json!("wasi:keyvalue/eventual.set"), json!("write-remote")),
        (json!("wasi:keyvalue/eventual.get"), json!("read-remote")),
    ];
    assert_eq!(calls, expected);
}
