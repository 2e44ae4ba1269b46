//! A cancelled invocation is told so by its next wait, once, and goes on to make good what it did; its outcome is what
//! it then returns, marked as cancelled. One that waits for its turn never runs. All of that through `kill -9`.

use everlog_tests::api::send;
use everlog_tests::outside::Outside;
use everlog_tests::reply::Reply;
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server, wait};
use reqwest::Method;
use serde_json::json;

async fn cancel(worker: &Worker, key: &str) -> Reply {
    send(worker.request(Method::POST, &["invocations", key, "cancel"])).await
}

/// Longer than any test.
const LONG: u64 = 3_600_000;

#[tokio::test]
async fn a_sleeper_is_woken_and_gives_back_what_it_took() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::CANCELLER).await.worker("w");
    let key = worker.start("hold", json!([LONG, 20])).await;
    worker.has_logged("holds").await;
    let asked = cancel(&worker, &key).await;
    assert_eq!(asked.expect(202)["status"], "cancelling");
    let outcome = worker.outcome(&key).await;
    assert_eq!(outcome["result"], "given back");
    assert_eq!((&outcome["status"], &outcome["cancelled"]), (&json!("completed"), &json!(true)));
    server.restart_after_kill().await;
    assert_eq!(worker.outcome(&key).await, outcome, "the mark is durable");
    assert_eq!(worker.call("held", json!([])).await, 0, "and replay tells the guest the same");
    let again = cancel(&worker, &key).await;
    again.expect_problem(409, "invocation-not-cancellable");
}

#[tokio::test]
async fn the_wish_survives_a_crash_before_the_guest_hears_of_it() {
    let mut server = Server::start_with(&["--suspend-after", "200ms"]).await;
    let worker = server.deploy(&fixtures::CANCELLER).await.worker("w");
    let key = worker.start("hold", json!([LONG, 1_500])).await;
    worker.reaches("suspended").await;
    // An interrupted worker hears of it when it goes on, which nobody has it do before the crash.
    worker.obey("interrupt").await;
    cancel(&worker, &key).await.expect(202);
    server.restart_after_kill().await;
    assert_eq!(worker.metadata().await["status"], "interrupted");
    worker.obey("resume").await;
    worker.has_logged("gives back").await;
    // In the middle of making good: it goes on with that, and is not told a second time.
    server.restart_after_kill().await;
    let outcome = worker.outcome(&key).await;
    assert_eq!((&outcome["result"], &outcome["cancelled"]), (&json!("given back"), &json!(true)));
    assert_eq!(worker.call("held", json!([])).await, 0);
}

#[tokio::test]
async fn a_sleeper_outside_of_memory_is_brought_back() {
    let server = Server::start_with(&["--suspend-after", "200ms"]).await;
    let worker = server.deploy(&fixtures::CANCELLER).await.worker("w");
    let key = worker.start("hold", json!([LONG, 600])).await;
    worker.reaches("suspended").await;
    cancel(&worker, &key).await.expect(202);
    assert_eq!(worker.outcome(&key).await["result"], "given back");
}

#[tokio::test]
async fn who_awaits_a_promise_or_never_waits_is_told_too() {
    let server = Server::start().await;
    let component = server.deploy(&fixtures::CANCELLER).await;
    for (function, line) in [("await-promise", "awaits"), ("count", "counts")] {
        let worker = component.worker(function);
        let key = worker.start(function, json!([])).await;
        worker.has_logged(line).await;
        cancel(&worker, &key).await.expect(202);
        assert_eq!(worker.outcome(&key).await["result"], "cancelled", "{function}");
    }
}

#[tokio::test]
async fn a_request_on_its_way_fails_with_cancelled() {
    let mut server = Server::start().await;
    let outside = Outside::start().await;
    let worker = server.deploy(&fixtures::HTTP_CLIENT).await.worker("w");
    let request =
        json!({ "method": "GET", "url": outside.url("/held/a"), "headers": [], "body": null });
    let key = worker.start("send", json!([request])).await;
    wait::until("the request has arrived", async || (outside.count("/held/a") > 0).then_some(()))
        .await;
    cancel(&worker, &key).await.expect(202);
    let outcome = worker.outcome(&key).await;
    let error = outcome["result"]["err"].as_str().expect("an error");
    assert!(error.contains("cancelled"), "{outcome}");
    server.restart_after_kill().await;
    // The next invocation is not cancelled, and replay sends nothing.
    outside.allow("a", 1);
    let answer = worker.call("send", json!([request])).await;
    assert_eq!(answer["ok"]["status"], 200, "{answer}");
    assert_eq!(outside.count("/held/a"), 2);
}

#[tokio::test]
async fn one_that_cannot_be_told_ends_as_if_it_had_never_begun() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::SLEEPER).await.worker("s");
    worker.call("sleep-for", json!([1])).await;
    let key = worker.start("sleep-for", json!([LONG])).await;
    worker.reaches("suspended").await;
    cancel(&worker, &key).await.expect(202);
    assert_eq!(worker.outcome(&key).await["status"], "cancelled");
    server.restart_after_kill().await;
    assert_eq!(worker.outcome(&key).await["status"], "cancelled");
    assert_eq!(worker.call("awakenings", json!([])).await, 1, "the worker is unharmed");
}

#[tokio::test]
async fn what_waits_for_its_turn_never_runs() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::CANCELLER).await.worker("w");
    let running = worker.start("hold", json!([LONG, 0])).await;
    worker.has_logged("holds").await;
    let queued = worker.start("hold", json!([0, 0])).await;
    let delayed = worker.start_when("hold", json!([0, 0]), &[("delay", "1h")]).await;
    let waiting = {
        let worker = worker.clone();
        tokio::spawn(async move { worker.invoke_with_key("hold", json!([0, 0]), "waits").await })
    };
    wait::until("the caller waits in line", async || {
        let list = send(worker.request(Method::GET, &["invocations"])).await.expect(200);
        (list["invocations"].as_array().map(Vec::len) == Some(4)).then_some(())
    })
    .await;
    for key in [&queued, &delayed, "waits"] {
        assert_eq!(cancel(&worker, key).await.expect(200)["status"], "cancelled", "{key}");
    }
    waiting.await.expect("no panic").expect_problem(409, "invocation-cancelled");
    server.restart_after_kill().await;
    cancel(&worker, &running).await.expect(202);
    assert_eq!(worker.outcome(&running).await["result"], "given back");
    for key in [&queued, &delayed, "waits"] {
        assert_eq!(worker.outcome(key).await["status"], "cancelled", "{key}");
    }
    let again = worker.invoke_with_key("hold", json!([0, 0]), "waits").await;
    again.expect_problem(409, "invocation-cancelled");
    assert_eq!(worker.call("held", json!([])).await, 0);
    let unknown = cancel(&worker, "nobody's").await;
    unknown.expect_problem(404, "invocation-not-found");
}
