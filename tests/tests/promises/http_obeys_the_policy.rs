//! Workers reach only the hosts that the server's settings allow; what is refused, the guest and the
//! worker's log are told.

use everlog_tests::outside::Outside;
use everlog_tests::worker::{Worker, message};
use everlog_tests::{fixtures, server::Server};
use serde_json::{Value, json};

async fn client(server: &Server) -> Worker {
    server.deploy(&fixtures::HTTP_CLIENT).await.worker("w")
}

async fn get(worker: &Worker, url: &str) -> Value {
    let request = json!({ "method": "GET", "url": url, "headers": [], "body": null });
    worker.call("send", json!([request])).await
}

fn assert_denied(answer: &Value) {
    let error = answer["err"].as_str().unwrap_or_default();
    assert!(error.contains("HttpRequestDenied"), "{answer}");
}

#[tokio::test]
async fn hosts_that_are_not_listed_are_denied() {
    let outside = Outside::start().await;
    let port = outside.authority().rsplit_once(':').expect("a port").1.to_owned();
    let allow = format!("localhost:{port},*.example.com");
    let mut server = Server::start_with(&["--network-allow", &allow]).await;
    let worker = client(&server).await;
    assert!(get(&worker, &format!("http://localhost:{port}/echo")).await["ok"].is_object());
    for denied in
        [outside.url("/echo"), "http://localhost:1/".to_owned(), "http://example.com/".to_owned()]
    {
        assert_denied(&get(&worker, &denied).await);
    }
    assert_eq!(outside.received().len(), 1);

    let mut logs = worker.logs().await;
    logs.retain(|line| line["stream"] == "log");
    assert_eq!(logs.len(), 3, "{logs:?}");
    assert_eq!((&logs[0]["level"], &logs[0]["context"]), (&json!("error"), &json!("wasi:http")));
    let told = message(&logs[0]);
    assert!(told.contains(&outside.url("/echo")) && told.contains("network-allow"), "{told}");

    // A denial is an outcome like any other: it stays as it was when the settings change.
    server.kill();
    server.start_again_with(&["--network-allow", "*"]).await;
    worker.obey("crash").await;
    assert_eq!(worker.metadata().await["status"], "idle");
    assert_eq!(worker.logs().await.iter().filter(|line| line["stream"] == "log").count(), 3);
    assert!(get(&worker, &outside.url("/echo")).await["ok"].is_object());
}

#[tokio::test]
async fn private_addresses_are_denied_whatever_they_are_called() {
    let outside = Outside::start().await;
    let port = outside.authority().rsplit_once(':').expect("a port").1.to_owned();
    let server = Server::start_with(&["--network-deny-private"]).await;
    let worker = client(&server).await;
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1"] {
        assert_denied(&get(&worker, &format!("http://{host}:{port}/echo")).await);
    }
    assert!(outside.received().is_empty());
    assert_eq!(outside.connections(), 0);
    let lines = worker.messages().await;
    assert!(lines.iter().all(|line| line.contains("network-deny-private")), "{lines:?}");
}
