//! A connection cannot survive a crash: the guest then gets a recorded `connection-reset`, never
//! silence or data that is not there, and goes on. Replay neither connects nor sends. A listener and
//! a UDP socket that were open before get an error of their own, and are made anew.

use everlog_tests::peer::Peer;
use everlog_tests::redis::Port;
use everlog_tests::{fixtures, server::Server, wait};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LINES: [&str; 3] = ["one", "two", "three"];

#[tokio::test]
async fn a_conversation_goes_on_over_another_connection() {
    let mut server = Server::start().await;
    let peer = Peer::tcp(Some("two")).await;
    let worker = server.deploy(&fixtures::SOCKETS).await.worker("s");
    let address = peer.address.to_string();
    let key = worker.start("converse", json!([address, LINES])).await;
    peer.has_got("two").await;
    server.restart_after_kill().await;

    let told =
        json!({"ok": ["one", "broke: Uncategorized, Some(ConnectionReset)", "two", "three"]});
    assert_eq!(worker.outcome(&key).await["result"], told);
    assert_eq!(peer.lines(), ["one", "two", "two", "three"], "replay sent nothing");
    assert_eq!(peer.connections(), 2);

    server.restart_after_kill().await;
    assert_eq!(worker.call("look-up", json!(["127.0.0.1"])).await, json!({"ok": ["127.0.0.1"]}));
    assert_eq!(worker.metadata().await["status"], "idle");
    assert_eq!(peer.lines().len(), 4, "a finished conversation is replayed from the log");
}

#[tokio::test]
async fn datagrams_go_on_from_another_socket() {
    let mut server = Server::start_with(&["--network-sockets", "outgoing"]).await;
    let peer = Peer::udp(Some("two")).await;
    let worker = server.deploy(&fixtures::SOCKETS).await.worker("s");
    let key = worker.start("exchange", json!([peer.address.to_string(), LINES])).await;
    peer.has_got("two").await;
    server.restart_after_kill().await;

    let told = json!({"ok": ["one", "broke: InvalidInput", "two", "three"]});
    assert_eq!(worker.outcome(&key).await["result"], told);
    assert_eq!(peer.lines(), ["one", "two", "two", "three"], "replay sent nothing");
}

#[tokio::test]
async fn a_listener_listens_again() {
    let mut server = Server::start_with(&["--network-sockets", "all"]).await;
    let worker = server.deploy(&fixtures::SOCKETS).await.worker("s");
    let port = Port::draw();
    let address = format!("127.0.0.1:{}", port.number());
    let key = worker.start("serve", json!([address, 2])).await;
    assert_eq!(send(&address, "first").await, "first");
    wait::until("the listener waits for the second peer", async || {
        let accepted = worker.oplog_of_type("host-call").await;
        accepted.iter().any(|entry| entry["function"] == "wasi:sockets/tcp.accept").then_some(())
    })
    .await;
    server.restart_after_kill().await;

    assert_eq!(send(&address, "second").await, "second");
    let told = json!({"ok": ["first", "broke: InvalidInput", "second"]});
    assert_eq!(worker.outcome(&key).await["result"], told);
}

#[tokio::test]
async fn what_was_written_is_durable_before_it_leaves() {
    let mut server = Server::start().await;
    let peer = Peer::tcp(Some("one")).await;
    let worker = server.deploy(&fixtures::SOCKETS).await.worker("s");
    worker.start("converse", json!([peer.address.to_string(), ["one"]])).await;
    peer.has_got("one").await;
    server.restart_after_kill().await;
    let writes: Vec<Value> = worker.oplog_of_type("host-call").await;
    let of_stream = |entry: &&Value| {
        entry["function"] == "wasi:sockets/tcp.output-stream.write"
            && entry["category"] == "write-remote"
    };
    assert!(writes.iter().any(|entry| of_stream(&entry)), "{writes:#?}");
}

/// Sends a text to a listener as soon as it is there, and returns the echo.
async fn send(address: &str, text: &str) -> String {
    wait::until(&format!("{text} was served"), async || {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(text.as_bytes()).await.ok()?;
        stream.shutdown().await.ok()?;
        let mut echo = String::new();
        stream.read_to_string(&mut echo).await.ok()?;
        (!echo.is_empty()).then_some(echo)
    })
    .await
}
