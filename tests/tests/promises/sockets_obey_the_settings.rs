//! What guests may do with sockets is a setting. A refusal is a clear error to the guest and a line in
//! its log; nothing else happens to it.

use everlog_tests::peer::Peer;
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server};
use serde_json::{Value, json};

async fn is_refused(worker: &Worker, function: &str, arguments: Value) {
    let refused = worker.call(function, arguments).await;
    let reason = refused["err"].as_str().unwrap_or_default().to_lowercase();
    assert!(["permission", "denied"].iter().any(|word| reason.contains(word)), "{refused}");
}

#[tokio::test]
async fn no_sockets_at_all() {
    let server = Server::start_with(&["--network-sockets", "none"]).await;
    let peer = Peer::tcp(None).await;
    let worker = server.deploy(&fixtures::SOCKETS).await.worker("s");
    is_refused(&worker, "open-tcp", json!([peer.address.to_string()])).await;
    is_refused(&worker, "open-udp", json!(["127.0.0.1:0"])).await;
    is_refused(&worker, "look-up", json!(["localhost"])).await;
    assert_eq!(peer.connections(), 0);
    assert_eq!(worker.metadata().await["status"], "idle");
    let messages = worker.messages().await;
    let told = messages.iter().filter(|message| message.contains("access-denied")).count();
    assert_eq!(told, 1, "the log tells once: {messages:?}");
}

#[tokio::test]
async fn outgoing_sockets_are_the_default() {
    let server = Server::start().await;
    let peer = Peer::tcp(None).await;
    let worker = server.deploy(&fixtures::SOCKETS).await.worker("s");
    assert_eq!(
        worker.call("open-tcp", json!([peer.address.to_string()])).await,
        json!({"ok": null})
    );
    assert_eq!(worker.call("open-udp", json!(["127.0.0.1:0"])).await, json!({"ok": null}));
    is_refused(&worker, "open-listener", json!(["127.0.0.1:0"])).await;
    is_refused(&worker, "open-udp", json!(["127.0.0.1:31999"])).await;
}

#[tokio::test]
async fn all_sockets() {
    let server = Server::start_with(&["--network-sockets", "all"]).await;
    let worker = server.deploy(&fixtures::SOCKETS).await.worker("s");
    assert_eq!(worker.call("open-listener", json!(["127.0.0.1:0"])).await, json!({"ok": null}));
}
