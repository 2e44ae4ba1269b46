//! What is not a component that this host can run is refused when it is uploaded, with the reason,
//! and leaves nothing behind.

use everlog_tests::{fixtures, server::Server};
use serde_json::json;

/// The header of a core module.
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// A component header of a layer that no engine knows.
const UNKNOWN_LAYER: &[u8] = b"\0asm\x0d\0\x07\0";

#[tokio::test]
async fn what_is_no_component_is_refused() {
    let server = Server::start().await;
    let whole = fixtures::COUNTER.bytes();
    let truncated = whole[..whole.len() / 2].to_vec();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2..].fill(0xff);
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("text", b"hello".to_vec()),
        ("a core module", CORE_MODULE.to_vec()),
        ("an unknown layer", UNKNOWN_LAYER.to_vec()),
        ("half a component", truncated),
        ("a damaged component", damaged),
    ] {
        let reply = server.api().upload("counter", bytes).await;
        let problem = reply.expect(400);
        assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{what}");
        assert!(problem["detail"].as_str().is_some_and(|text| text.len() > 10), "{problem}");
    }
    let list = server.api().get("/v1/components").await.expect(200);
    assert_eq!(list["components"], json!([]));
}

#[tokio::test]
async fn an_import_that_nobody_has_is_named() {
    let server = Server::start().await;
    let reply = server.api().upload("unsatisfied", fixtures::UNSATISFIED.bytes()).await;
    let problem = reply.expect(400).to_string();
    assert!(problem.contains("everlog:unsatisfied/missing"), "{problem}");
}

#[tokio::test]
async fn an_interface_of_types_only_needs_nobody() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::SHAPES).await.worker("s");
    let area = worker.call("area", json!([{"width": 3, "height": 4}])).await;
    assert_eq!(area, 12);
}

#[tokio::test]
async fn a_name_that_breaks_the_rules_is_refused() {
    let server = Server::start().await;
    for name in ["Counter", "-counter", "a b", "x".repeat(129).as_str(), "zähler"] {
        let reply = server.api().upload(name, fixtures::COUNTER.bytes()).await;
        assert_eq!(reply.status, 400, "{name}: {}", reply.text());
    }
    let reply = server.api().upload("0.counter_v-1", fixtures::COUNTER.bytes()).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
}
