//! What a stock `wasi:http/proxy` component answers arrives as it was given, whatever the method. An
//! answer that is none is a 502 that says why, and the worker goes on.

use everlog_tests::api::send;
use everlog_tests::{fixtures, server::Server};
use reqwest::Method;

#[tokio::test]
async fn every_method_reaches_the_guest() {
    let server = Server::start().await;
    server.deploy(&fixtures::HTTP_SERVER).await;
    for (method, told) in
        [("GET", "Method::Get"), ("PATCH", "Method::Patch"), ("PROPFIND", "PROPFIND")]
    {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let request = server.api().request_path(method, "/http/http-server/w");
        let text = send(request).await.text();
        assert!(text.starts_with(&format!("method {told}\ntarget /\n")), "{text}");
        assert!(!text.contains("header host"), "{text}");
    }
    let head = server.api().request_path(Method::HEAD, "/http/http-server/w/hop");
    let reply = send(head).await;
    assert_eq!((reply.status, reply.text()), (200, String::new()));
}

#[tokio::test]
async fn bodies_of_all_sizes_arrive() {
    let server = Server::start().await;
    server.deploy(&fixtures::HTTP_SERVER).await;
    for size in [0, 1, 100_000, 3 << 20, 16 << 20] {
        let reply = server.api().get(&format!("/http/http-server/w/bytes?{size}")).await;
        assert_eq!((reply.status, reply.text().len()), (200, size));
    }
    let body = "y".repeat(1 << 20);
    let pieces = futures::stream::iter([Ok::<_, std::io::Error>(body.clone()), Ok(body)]);
    let request = server.api().request_path(Method::POST, "/http/http-server/w/");
    let reply = send(request.body(reqwest::Body::wrap_stream(pieces))).await;
    assert!(reply.text().contains("content-length: 2097152\n"), "a chunked body is whole");
    let request = server.api().request_path(Method::POST, "/http/http-server/w/");
    let reply = send(request.body("z".repeat(5 << 20))).await;
    reply.expect_problem(413, "body-too-large");
}

#[tokio::test]
async fn what_is_no_answer_is_a_problem() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::HTTP_SERVER).await.worker("w");
    for (path, reason) in [
        ("silent", "response-outparam"),
        ("error", "ConnectionTimeout"),
        ("unfinished", "before it was finished"),
        ("bytes?17000000", "more than 16 MiB"),
    ] {
        let reply = server.api().get(&format!("/http/http-server/w/{path}")).await;
        let problem = reply.expect_problem(502, "invalid-response");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(reason), "{path}: {detail}");
    }
    assert_eq!(server.api().get("/http/http-server/w/status?418").await.status, 418);
    assert_eq!(server.api().get("/http/http-server/w/late?10").await.text(), "first");
    assert_eq!(server.api().get("/http/http-server/w/count").await.text(), "2");
    assert_eq!(worker.metadata().await["status"], "idle");
    let trapped = server.api().get("/http/http-server/bad/trap").await;
    trapped.expect_problem(500, "invocation-failed");
}

#[tokio::test]
async fn requests_that_nobody_answers_are_not_found() {
    let server = Server::start().await;
    server.deploy(&fixtures::HTTP_SERVER).await;
    server.deploy(&fixtures::COUNTER).await;
    for path in ["/http/http-server", "/http/http-server/"] {
        server.api().get(path).await.expect_problem(404, "worker-not-found");
    }
    let none = server.api().get("/http/counter/w/").await;
    none.expect_problem(404, "function-not-found");
    server.api().get("/http/nothing/w/").await.expect_problem(404, "component-not-found");
}
