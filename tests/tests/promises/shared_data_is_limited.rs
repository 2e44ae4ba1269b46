//! Whatever is too long or too large for a bucket or a container is refused with the limit; the
//! worker goes on, and nothing is written.

use everlog_tests::{fixtures, server::Server, worker::Worker};
use serde_json::{Value, json};

async fn refused(worker: &Worker, function: &str, arguments: Value) -> String {
    let result = worker.call(function, arguments).await;
    result["err"].as_str().unwrap_or_else(|| panic!("{function}: {result}")).to_owned()
}

#[tokio::test]
async fn in_buckets() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::KEY_VALUE).await.worker("w");
    let cases = [
        (json!(["", "k", "v"]), "the name of a bucket must not be empty"),
        (json!(["b".repeat(257), "k", "v"]), "the name of a bucket has 257 bytes, but at most 256"),
        (json!(["a\u{1}b", "k", "v"]), "has a control character"),
        (json!(["b", "", "v"]), "a key must not be empty"),
        (json!(["b", "k".repeat(1_025), "v"]), "a key has 1025 bytes, but at most 1024"),
    ];
    for (arguments, told) in cases {
        let refusal = refused(&worker, "set", arguments).await;
        assert!(refusal.contains(told), "{refusal}");
    }
    let large = refused(&worker, "set-streamed", json!(["b", "k", (16 << 20) + 1])).await;
    assert!(large.contains("at most 16777216 are allowed"), "{large}");
    worker.call("set-streamed", json!(["b", "k", 16 << 20])).await;
    let keys: Vec<String> = (0..1_001).map(|key| key.to_string()).collect();
    let many = refused(&worker, "get-many", json!(["b", keys])).await;
    assert!(many.contains("1001 keys in one call, but at most 1000"), "{many}");
    assert_eq!(worker.call("keys", json!(["b"])).await["ok"], json!(["k"]));
}

#[tokio::test]
async fn in_listings_without_pages() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::KEY_VALUE).await.worker("w");
    let writer = server.deploy(&fixtures::KEY_VALUE_DRAFT).await.worker("w");
    writer.call("fill", json!(["b", 10_001])).await;
    let refusal = refused(&worker, "keys", json!(["b"])).await;
    assert!(refusal.contains("more keys than one listing holds"), "{refusal}");
    writer.call("delete", json!(["b", "0007"])).await;
    let keys = worker.call("keys", json!(["b"])).await;
    assert_eq!(keys["ok"].as_array().map(Vec::len), Some(10_000));
}

#[tokio::test]
async fn of_numbers() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::KEY_VALUE).await.worker("w");
    worker.call("set", json!(["b", "text", "three"])).await;
    let text = refused(&worker, "add", json!(["b", "text", 1])).await;
    assert!(text.contains("\"text\" in bucket \"b\" is no decimal number"), "{text}");
    worker.call("set", json!(["b", "large", u64::MAX.to_string()])).await;
    let large = refused(&worker, "add", json!(["b", "large", 1])).await;
    assert!(large.contains("1 more would overflow"), "{large}");
    let signed = server.deploy(&fixtures::KEY_VALUE_DRAFT2).await.worker("w");
    let large = refused(&signed, "add", json!(["b", "large", -1])).await;
    assert!(large.contains("would overflow"), "{large}");
}

#[tokio::test]
async fn in_containers() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::BLOB_STORE).await.worker("w");
    let long = refused(&worker, "create", json!(["c".repeat(257)])).await;
    assert!(long.contains("the name of a container has 257 bytes"), "{long}");
    worker.call("create", json!(["c"])).await;
    let large = refused(&worker, "write-many", json!(["c", "o", (64 << 20) + 1])).await;
    assert!(large.contains("at most 67108864 are allowed"), "{large}");
    assert_eq!(worker.call("has", json!(["c", "o"])).await["ok"], false);
}
