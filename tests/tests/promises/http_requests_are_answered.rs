//! A worker's HTTP requests are sent as they were made, and whatever comes of them (an answer, a
//! failure, a time-out, a body that breaks off) is recorded and the same after a crash.

use everlog_tests::outside::Outside;
use everlog_tests::redis::Port;
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server};
use serde_json::{Value, json};

fn get(url: &str) -> Value {
    json!({ "method": "GET", "url": url, "headers": [], "body": null })
}

/// The worker is dropped and recovers, with and without the server; its history must hold.
async fn assert_history_holds(server: &mut Server, worker: &Worker, outside: &Outside) {
    let (entries, received) = (worker.oplog().await, outside.received());
    server.restart_after_kill().await;
    worker.obey("crash").await;
    assert_eq!(worker.metadata().await["status"], "idle");
    assert_eq!(worker.oplog().await, entries);
    assert_eq!(outside.received(), received, "replay sends nothing");
}

#[tokio::test]
async fn methods_headers_bodies_and_trailers_arrive() {
    let outside = Outside::start().await;
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::HTTP_CLIENT).await.worker("w");
    let request = json!({
        "method": "PUT", "url": outside.url("/echo?a=b"), "headers": [["x-mine", "1"]],
        "body": "b".repeat(100_000),
    });
    let answer = worker.call("send", json!([request])).await;
    assert_eq!(answer["ok"]["status"], 200);
    assert_eq!(answer["ok"]["body"], format!("PUT /echo?a=b {}", "b".repeat(100_000)));
    let received = outside.received().remove(0);
    assert_eq!(received.header("x-mine"), Some("1"));
    assert_eq!(received.header("host"), Some(outside.authority().as_str()));

    for method in ["GET", "HEAD", "DELETE", "PROPFIND"] {
        let request = json!({
            "method": method, "url": outside.url("/echo"), "headers": [], "body": null,
        });
        let answer = worker.call("send", json!([request])).await;
        let body = if method == "HEAD" { String::new() } else { format!("{method} /echo ") };
        assert_eq!(answer["ok"]["body"], body);
    }
    let answer = worker.call("send", json!([get(&outside.url("/status/418"))])).await;
    assert_eq!(answer["ok"]["status"], 418);
    // Without `te` the server keeps them to itself.
    let request = json!({
        "method": "GET", "url": outside.url("/trailers"), "headers": [["te", "trailers"]],
        "body": null,
    });
    let answer = worker.call("send", json!([request])).await;
    assert_eq!(answer["ok"]["trailers"], json!([["x-checksum", "42"]]));
    let answer = worker.call("upload", json!([outside.url("/echo"), 40, 10_000])).await;
    assert_eq!(answer["ok"]["body"].as_str().map(str::len), Some("POST /echo ".len() + 400_000));
    let (connections, requests) = (outside.connections(), outside.received().len());
    assert!(connections < requests / 2, "{connections} connections for {requests} requests");
    assert_history_holds(&mut server, &worker, &outside).await;
}

#[tokio::test]
async fn failures_are_told_by_their_kind() {
    let outside = Outside::start().await;
    let limits = ["--http-response-body", "1KiB", "--http-headers", "16KiB"];
    let mut server = Server::start_with(&limits).await;
    let worker = server.deploy(&fixtures::HTTP_CLIENT).await.worker("w");
    let nobody = Port::draw();
    let expected = [
        (format!("http://127.0.0.1:{}/", nobody.number()), "ConnectionRefused"),
        ("http://no-such-host.invalid/".to_owned(), "DnsError"),
        (outside.url("/broken-head"), "ConnectionTerminated"),
        (outside.url("/broken-body"), "HttpResponseIncomplete"),
        (outside.url("/bytes/1025"), "HttpResponseBodySize(Some(1024))"),
        (outside.url("/large-head"), "HttpResponseHeaderSectionSize"),
        (format!("https://{}/", outside.authority()), "TlsProtocolError"),
    ];
    for (url, kind) in expected {
        let answer = worker.call("send", json!([get(&url)])).await;
        let error = answer["err"].as_str().unwrap_or_default();
        assert!(error.contains(kind), "{url}: {answer}");
    }
    assert!(worker.call("send", json!([get(&outside.url("/bytes/1024"))])).await["ok"].is_object());
    let bad = worker.call("upload-badly", json!([outside.url("/echo")])).await;
    assert!(bad[0].as_str().is_some_and(|error| error.contains("HttpRequestBodySize")), "{bad}");
    assert!(bad[1].as_str().is_some_and(|error| error.contains("HttpProtocolError")), "{bad}");
    assert_history_holds(&mut server, &worker, &outside).await;
}

#[tokio::test]
async fn time_outs_end_what_takes_too_long() {
    let outside = Outside::start().await;
    let mut server = Server::start_with(&["--http-first-byte-timeout", "300ms"]).await;
    let worker = server.deploy(&fixtures::HTTP_CLIENT).await.worker("w");
    let none = json!({ "connect": null, "first-byte": null, "between-bytes": null });
    let brief = json!({ "connect": null, "first-byte": 50, "between-bytes": 50 });
    for (path, limits) in
        [("/held/never", &none), ("/held/never", &brief), ("/silent-body", &brief)]
    {
        let answer = worker.call("send-within", json!([outside.url(path), limits])).await;
        let error = answer["err"].as_str().unwrap_or_default();
        assert!(error.contains("ConnectionReadTimeout"), "{path} {limits}: {answer}");
    }
    assert_history_holds(&mut server, &worker, &outside).await;
}

#[tokio::test]
async fn too_many_requests_at_once_fail() {
    let outside = Outside::start().await;
    let mut server = Server::start_with(&["--http-requests-in-flight", "2"]).await;
    let worker = server.deploy(&fixtures::HTTP_CLIENT).await.worker("w");
    let urls = ["/held/a", "/held/b", "/echo"].map(|path| outside.url(path));
    let key = worker.start("overlap", json!([urls])).await;
    outside.has_received("/held/a", 1).await;
    outside.has_received("/held/b", 1).await;
    outside.allow("a", 1);
    outside.allow("b", 1);
    let came = worker.outcome(&key).await["result"].clone();
    let (place, error) = (&came[0][0], came[0][1].as_str().unwrap_or_default());
    assert!(place == 2 && error.contains("ConnectionLimitReached"), "{came}");
    assert_eq!(outside.count("/echo"), 0);
    assert_history_holds(&mut server, &worker, &outside).await;
}

#[tokio::test]
async fn the_oplog_shows_requests_as_people_know_them() {
    let outside = Outside::start().await;
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::HTTP_CLIENT).await.worker("w");
    let url = outside.url("/status/404");
    worker.call("send", json!([get(&url)])).await;
    let begin = worker.oplog_of_type("write-begin").await.remove(0);
    assert_eq!(begin["http"], json!({ "method": "GET", "url": url }));
    let calls = worker.oplog_of_type("host-call").await;
    let of = |function: &str| -> Vec<&Value> {
        calls.iter().filter(|call| call["function"] == function).collect()
    };
    let answered = of("wasi:http/outgoing-handler.handle");
    assert_eq!(answered.len(), 1);
    assert_eq!(answered[0]["http"], json!({ "method": "GET", "url": url, "status": 404 }));
    assert_eq!(answered[0]["begin"], begin["index"]);
    let reads = of("wasi:http/types.incoming-body.blocking-read");
    assert_eq!(reads[0]["http"], json!({ "bytes": "GET /status/404 ".len() }));
    assert_eq!(reads[1]["http"], json!({ "ended": true }));
}
