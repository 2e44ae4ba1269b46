//! A host name is looked up once: replay answers from the log. The answer stands in one entry, a
//! name that does not exist included.

use everlog_tests::{fixtures, server::Server};
use serde_json::json;

#[tokio::test]
async fn an_answer_is_one_entry_and_comes_back() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::SOCKETS).await.worker("s");
    let found = worker.call("look-up", json!(["localhost"])).await;
    let addresses = found["ok"].as_array().cloned().unwrap_or_default();
    assert!(
        addresses.contains(&json!("127.0.0.1")) || addresses.contains(&json!("::1")),
        "{found}"
    );
    let missing = worker.call("look-up", json!(["nowhere.invalid"])).await;
    assert!(missing["err"].is_string(), "{missing}");

    let mut entries = worker.oplog_of_type("host-call").await;
    entries.retain(|entry| entry["function"] == "wasi:sockets/ip-name-lookup.resolve-addresses");
    assert_eq!(entries.len(), 2, "{entries:#?}");
    assert!(entries.iter().all(|entry| entry["category"] == "read-remote"), "{entries:#?}");

    // With look-ups refused, only the log can answer what replay asks.
    server.kill();
    server.start_again_with(&["--network-sockets", "none"]).await;
    let refused = worker.call("look-up", json!(["localhost"])).await;
    assert!(refused["err"].is_string(), "{refused}");
    assert_eq!(worker.metadata().await["status"], "idle");
}
