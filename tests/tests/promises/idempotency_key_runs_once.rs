//! The same idempotency key on the same worker never runs twice: one after the other, at the same
//! time, across a restart; with another call under the same key it is refused.

use everlog_tests::{fixtures, server::Server};
use futures::future::join_all;
use serde_json::json;

#[tokio::test]
async fn one_after_the_other() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::COUNTER).await;
    let mary = component.worker("mary");
    for _ in 0..3 {
        assert_eq!(mary.invoke_with_key("add", json!([5]), "k").await.expect(200), 5);
    }
    server.restart_after_kill().await;
    let reply = mary.invoke_with_key("add", json!([5]), "k").await;
    assert_eq!(reply.expect(200), 5);
    assert_eq!(reply.header("idempotency-key"), Some("k"));
    assert_eq!(mary.invoke_with_key("add", json!([5]), "other").await.expect(200), 10);
    let john = component.worker("john");
    assert_eq!(john.invoke_with_key("add", json!([1]), "k").await.expect(200), 1);
}

#[tokio::test]
async fn all_at_once() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::SLEEPER).await.worker("s");
    let calls = (0..20).map(|_| worker.invoke_with_key("sleep-for", json!([300]), "k"));
    let replies = join_all(calls).await;
    let first = replies[0].expect(200);
    assert!(replies.iter().all(|reply| reply.expect(200) == first), "all joined one execution");
    assert_eq!(worker.call("awakenings", json!([])).await, 1);
}

#[tokio::test]
async fn across_a_kill_while_it_runs() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::SLEEPER).await.worker("s");
    let asked = worker.clone();
    let call =
        tokio::spawn(
            async move { asked.try_invoke_with_key("sleep-for", json!([1_500]), "k").await },
        );
    worker_is_known(&worker).await;
    server.kill();
    assert!(call.await.expect("no panic").is_err(), "the server died before it answered");
    server.start_again().await;

    let reply = worker.invoke_with_key("sleep-for", json!([1_500]), "k").await;
    reply.expect(200);
    assert_eq!(worker.call("awakenings", json!([])).await, 1);
}

/// Waits until the worker runs, as far as the oplog says.
async fn worker_is_known(worker: &everlog_tests::worker::Worker) {
    everlog_tests::wait::until("the call is in the oplog", async || {
        let request = worker.request(reqwest::Method::GET, &["oplog"]);
        let reply = everlog_tests::api::send(request).await;
        reply.text().contains("invocation-started").then_some(())
    })
    .await;
}

#[tokio::test]
async fn another_call_under_the_same_key_is_refused() {
    let mut server = Server::start().await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    mary.invoke_with_key("add", json!([5]), "k").await.expect(200);
    for _ in 0..2 {
        let arguments = mary.invoke_with_key("add", json!([6]), "k").await;
        arguments.expect_problem(422, "idempotency-key-reused");
        let function = mary.invoke_with_key("get", json!([]), "k").await;
        function.expect_problem(422, "idempotency-key-reused");
        server.restart_after_kill().await;
    }
    assert_eq!(mary.call("get", json!([])).await, 5);
}

#[tokio::test]
async fn a_key_is_drawn_where_none_is_given() {
    let server = Server::start().await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    let reply = mary.invoke("add", json!([5])).await;
    let key = reply.header("idempotency-key").expect("a drawn key");
    assert_eq!(mary.invoke_with_key("add", json!([5]), key).await.expect(200), 5);
    assert_eq!(mary.call("get", json!([])).await, 5);
}
