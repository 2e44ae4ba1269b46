//! Workers that wait for each other would wait for ever. One of their calls is refused instead, with the whole circle,
//! and the others go on; also where callers have left memory, and after a kill. Nobody else's call is.

use std::time::Duration;

use everlog_tests::api::Component;
use everlog_tests::server::Server;
use everlog_tests::{fixtures, wait};
use serde_json::{Value, json};

fn location(name: &str) -> String {
    format!("urn:worker:relay/{name}")
}

/// Has the first of these workers call the second, which calls the third and so on; each sleeps first.
async fn start(relay: &Component, names: &[&str], milliseconds: u64) -> String {
    let links: Vec<String> = names[1..].iter().map(|name| location(name)).collect();
    relay.worker(names[0]).start("pass-on", json!([links, milliseconds])).await
}

async fn outcome(relay: &Component, name: &str, key: &str) -> Value {
    let worker = relay.worker(name);
    wait::patiently("an outcome", worker.outcome(key)).await["result"].clone()
}

/// The refusal names all the links.
fn assert_told(result: &Value, names: &[&str]) {
    let told = result["err"].as_str().unwrap_or_else(|| panic!("no error: {result}"));
    assert!(told.starts_with("denied: worker relay/"), "{told}");
    assert!(told.contains("would wait for ever"), "{told}");
    for name in names {
        assert!(told.contains(&format!("relay/{name} (")), "{name} is missing: {told}");
    }
}

/// How many calls the worker has executed.
async fn executed(relay: &Component, name: &str) -> usize {
    relay.worker(name).oplog_of_type("invocation-started").await.len()
}

#[tokio::test]
async fn a_call_that_comes_back_is_refused() {
    let server = Server::start().await;
    let relay = server.deploy(&fixtures::RELAY).await;
    let key = start(&relay, &["a", "b", "c", "a"], 0).await;
    assert_told(&outcome(&relay, "a", &key).await, &["a", "b", "c"]);
    // Whoever was in it goes on, and what was refused does not happen after all.
    let key = start(&relay, &["a", "b", "c"], 0).await;
    assert_eq!(outcome(&relay, "a", &key).await, json!({"ok": 2}));
    assert_eq!(executed(&relay, "a").await, 2);
}

#[tokio::test]
async fn of_two_that_call_each_other_one_gets_through() {
    let server = Server::start().await;
    let relay = server.deploy(&fixtures::RELAY).await;
    let (one, two) = tokio::join!(start(&relay, &["a", "b"], 300), start(&relay, &["b", "a"], 300));
    let (one, two) = (outcome(&relay, "a", &one).await, outcome(&relay, "b", &two).await);
    let (refused, through) = if one["err"].is_string() { (one, two) } else { (two, one) };
    assert_told(&refused, &["a", "b"]);
    assert_eq!(through, json!({"ok": 1}));
    assert_eq!(
        executed(&relay, "a").await + executed(&relay, "b").await,
        3,
        "without the refused one"
    );
}

#[tokio::test]
async fn also_of_callers_outside_of_memory_and_after_a_kill() {
    let mut server = Server::start_with(&["--suspend-after", "100ms"]).await;
    let relay = server.deploy(&fixtures::RELAY).await;
    let key = start(&relay, &["a", "b", "a"], 0).await;
    // Long enough for both to leave memory; were they slower, or told already, the rest would be the same.
    wait::pause(Duration::from_millis(600)).await;
    server.restart_after_kill().await;
    assert_told(&outcome(&relay, "a", &key).await, &["a", "b"]);
    assert_eq!(executed(&relay, "a").await, 1);
}

#[tokio::test]
async fn a_long_wait_is_no_circle() {
    let server = Server::start().await;
    let relay = server.deploy(&fixtures::RELAY).await;
    // Each waits for the other in its turn, for longer than a circle is looked at.
    let long = start(&relay, &["a", "b"], 2_500).await;
    let back = start(&relay, &["b", "c", "d"], 1_000).await;
    let behind = start(&relay, &["e", "a"], 0).await;
    for (name, key, links) in [("a", long, 1), ("b", back, 2), ("e", behind, 1)] {
        assert_eq!(outcome(&relay, name, &key).await, json!({"ok": links}), "{name}");
    }
}
