//! What was sent and answered before a crash is not sent again, in whatever order the answers came;
//! what the guest asked to be done again is.

use everlog_tests::outside::Outside;
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server, wait};
use serde_json::{Value, json};

fn get(url: &str) -> Value {
    json!({ "method": "GET", "url": url, "headers": [], "body": null })
}

async fn client(server: &Server) -> Worker {
    server.deploy(&fixtures::HTTP_CLIENT).await.worker("w")
}

async fn replay(server: &mut Server, worker: &Worker) {
    server.restart_after_kill().await;
    worker.obey("crash").await;
    assert_eq!(worker.metadata().await["status"], "idle");
}

#[tokio::test]
async fn overlapping_requests_end_in_any_order() {
    let outside = Outside::start().await;
    let mut server = Server::start().await;
    let worker = client(&server).await;
    let names = ["a", "b", "c", "d"];
    let urls: Vec<String> =
        names.iter().map(|name| outside.url(&format!("/held/{name}"))).collect();
    let key = worker.start("overlap", json!([urls])).await;
    for name in names {
        outside.has_received(&format!("/held/{name}"), 1).await;
    }
    for name in ["c", "a", "d", "b"] {
        outside.allow(name, 1);
        let url = outside.url(&format!("/held/{name}"));
        wait::until("the answer is seen", async || {
            let calls = worker.oplog_of_type("host-call").await;
            let seen = |call: &Value| call["http"]["url"] == url && call["http"]["status"] == 200;
            calls.iter().any(seen).then_some(())
        })
        .await;
    }
    let outcome = worker.outcome(&key).await;
    let order: Vec<_> = outcome["result"].as_array().expect("answers").iter().collect();
    assert_eq!(order.iter().map(|came| &came[0]).collect::<Vec<_>>(), [2, 0, 3, 1], "{outcome}");
    assert_eq!(order[0][1], "GET /held/c ");
    replay(&mut server, &worker).await;
    assert_eq!(outside.received().len(), names.len());
}

#[tokio::test]
async fn a_kill_among_overlapping_requests_repeats_only_those_without_outcome() {
    let outside = Outside::start().await;
    let mut server = Server::start().await;
    let worker = client(&server).await;
    let names = ["a", "b", "c"];
    let urls: Vec<String> =
        names.iter().map(|name| outside.url(&format!("/held/{name}"))).collect();
    let key = worker.start("overlap", json!([urls])).await;
    for name in names {
        outside.has_received(&format!("/held/{name}"), 1).await;
    }
    outside.allow("b", 1);
    let url = outside.url("/held/b");
    wait::until("the body of b is read and durable", async || {
        let calls = worker.oplog_of_type("host-call").await;
        let answered = calls.iter().any(|call| call["http"]["url"] == url);
        (answered && calls.iter().any(|call| call["http"]["ended"] == true)).then_some(())
    })
    .await;
    server.restart_after_kill().await;
    outside.has_received("/held/a", 2).await;
    outside.has_received("/held/c", 2).await;
    outside.allow("a", 2);
    outside.allow("c", 2);
    let outcome = worker.outcome(&key).await;
    assert_eq!(outcome["result"][0], json!([1, "GET /held/b "]), "{outcome}");
    assert_eq!(outside.count("/held/b"), 1);
    replay(&mut server, &worker).await;
    assert_eq!(outside.received().len(), 5);
}

#[tokio::test]
async fn a_dropped_request_is_not_open_for_ever() {
    let outside = Outside::start().await;
    let mut server = Server::start().await;
    let worker = client(&server).await;
    worker.call("send-and-forget", json!([outside.url("/held/never")])).await;
    let calls = worker.oplog_of_type("host-call").await;
    assert!(calls.iter().any(|call| call["http"]["dropped"] == true), "{calls:?}");
    let before = outside.received().len();
    replay(&mut server, &worker).await;
    assert_eq!(outside.received().len(), before);
}

#[tokio::test]
async fn asking_too_early_is_recorded() {
    let outside = Outside::start().await;
    let mut server = Server::start().await;
    let worker = client(&server).await;
    let key = worker.start("ask-until-ready", json!([outside.url("/held/a")])).await;
    wait::until("it asked too early", async || {
        let mut calls = worker.oplog_of_type("host-call").await;
        calls.retain(|call| call["function"] == "wasi:http/types.future-incoming-response.get");
        (calls.len() > 2).then_some(())
    })
    .await;
    outside.allow("a", 1);
    let early = worker.outcome(&key).await["result"]["ok"].as_u64();
    assert!(early > Some(2), "{early:?}");
    replay(&mut server, &worker).await;
    assert_eq!(outside.received().len(), 1);
}

#[tokio::test]
async fn what_is_not_recorded_is_sent_in_every_replay() {
    let outside = Outside::start().await;
    let mut server = Server::start().await;
    let worker = client(&server).await;
    let answer = worker.call("send-unrecorded", json!([get(&outside.url("/echo"))])).await;
    assert_eq!(answer["ok"]["body"], "GET /echo ");
    assert!(worker.oplog_of_type("write-begin").await.is_empty());
    assert_eq!(outside.count("/echo"), 1);
    replay(&mut server, &worker).await;
    wait::until("it was sent again", async || (outside.count("/echo") >= 2).then_some(())).await;
    assert_eq!(worker.metadata().await["status"], "idle");
}

#[tokio::test]
async fn a_failing_guest_does_not_repeat_what_it_sent() {
    let outside = Outside::start().await;
    let server = Server::start().await;
    let worker = client(&server).await;
    let urls = [outside.url("/echo/1"), outside.url("/echo/2")];
    let deadline = wait::wall_clock() + 400;
    let bodies = worker.call("send-and-fail-until", json!([urls, deadline])).await;
    assert_eq!(bodies, json!(["GET /echo/1 ", "GET /echo/2 "]));
    assert!(!worker.oplog_of_type("failed").await.is_empty(), "it failed at first");
    assert_eq!(outside.received().len(), 2);
}

#[tokio::test]
async fn an_atomic_region_that_fails_is_sent_again() {
    let outside = Outside::start().await;
    let server = Server::start_with(&["--http-idempotency-header"]).await;
    let worker = client(&server).await;
    let urls = [outside.url("/echo/1")];
    let deadline = wait::wall_clock() + 400;
    worker.call("send-in-region-and-fail-until", json!([urls, deadline])).await;
    let attempts = worker.oplog_of_type("failed").await.len() + 1;
    assert!(attempts > 1, "it failed at first");
    assert_eq!(outside.received().len(), attempts);
}
