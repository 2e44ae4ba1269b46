//! Whoever is cancelled while it waits for another worker has that cancelled too, and that one whom it waits for: nothing
//! goes on for nobody. On one node or several, for calls that run and calls in line, through `kill -9`.

use everlog_tests::api::{Component, send};
use everlog_tests::cluster::Cluster;
use everlog_tests::reply::Reply;
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server, wait};
use reqwest::Method;
use serde_json::{Value, json};

/// Longer than any test.
const LONG: u64 = 3_600_000;

async fn cancel(worker: &Worker, key: &str) -> Reply {
    send(worker.request(Method::POST, &["invocations", key, "cancel"])).await
}

fn at(worker: &str) -> String {
    format!("urn:worker:relay/{worker}")
}

/// Waits until so many invocations of a worker have ended, and returns how.
async fn ends(worker: &Worker, count: usize) -> Vec<Value> {
    wait::until("its invocations have ended", async || {
        let ended = worker.request(Method::GET, &["invocations"]).query(&[("ended", "true")]);
        let all = send(ended).await.expect(200)["invocations"].as_array()?.clone();
        let ended = all.iter().filter(|invocation| invocation["endEntry"].is_u64());
        let ended: Vec<Value> = ended.map(|invocation| invocation["status"].clone()).collect();
        (ended.len() == count).then_some(ended)
    })
    .await
}

/// A worker waits for another, which sleeps.
async fn a_call_that_runs_is_cancelled(component: &Component, [caller, called]: [&str; 2]) {
    let (a, b) = (component.worker(caller), component.worker(called));
    let key = a.start("call-slowly", json!([at(called), 5, LONG])).await;
    b.reaches("suspended").await;
    cancel(&a, &key).await.expect(202);
    let outcome = a.outcome(&key).await;
    assert_eq!(outcome["cancelled"], true, "{outcome}");
    assert!(
        outcome["result"]["err"].as_str().is_some_and(|text| text.contains("cancel")),
        "{outcome}"
    );
    assert_eq!(ends(&b, 1).await, ["cancelled"]);
    assert_eq!(b.call("total", json!([])).await, 0);
}

#[tokio::test]
async fn of_a_call_that_runs() {
    let mut server = Server::start_with(&["--suspend-after", "200ms"]).await;
    let component = server.deploy(&fixtures::RELAY).await;
    a_call_that_runs_is_cancelled(&component, ["a", "b"]).await;
    server.restart_after_kill().await;
    let b = component.worker("b");
    assert_eq!(ends(&b, 2).await.len(), 2);
    assert_eq!(b.call("total", json!([])).await, 0);
}

#[tokio::test]
async fn of_a_call_on_another_node() {
    let cluster = Cluster::start(2).await;
    let component = cluster.deploy(&fixtures::RELAY).await;
    let homes = cluster.homes("relay").await;
    a_call_that_runs_is_cancelled(&component, [&homes[0], &homes[1]]).await;
}

/// Over a third, to one that is busy with what somebody else has asked for, and goes on with that.
#[tokio::test]
async fn of_calls_in_line() {
    // The guests in between take no error for an answer.
    let quick_retries = ["--retry-min-delay", "1ms", "--retry-max-delay", "2ms"];
    let mut server = Server::start_with(&quick_retries).await;
    let component = server.deploy(&fixtures::RELAY).await;
    let (a, b, c) = (component.worker("a"), component.worker("b"), component.worker("c"));
    let others = c.start("add-slowly", json!([1, LONG])).await;
    c.reaches("suspended").await;
    let key = a.start("chain", json!([[at("b"), at("c")], 5])).await;
    let in_line = async || {
        wait::until("the last call waits in line", async || {
            let seen = send(c.request(Method::GET, &["activity"])).await.expect(200);
            (seen["queue"].as_array().map(Vec::len) == Some(1)).then_some(())
        })
        .await;
    };
    in_line().await;
    server.restart_after_kill().await;
    in_line().await;
    cancel(&a, &key).await.expect(202);
    assert_eq!(ends(&a, 1).await.len(), 1);
    assert_eq!(ends(&b, 1).await.len(), 1);
    assert_eq!(ends(&c, 1).await, ["cancelled"]);
    send(c.request(Method::POST, &["invocations", &others, "kill"])).await.expect(200);
    assert_eq!(c.call("total", json!([])).await, 0, "what is cancelled never runs");
}

/// Those that were begun, to be waited for later.
#[tokio::test]
async fn of_calls_in_flight() {
    let server = Server::start().await;
    let component = server.deploy(&fixtures::RELAY).await;
    let a = component.worker("a");
    let called = [component.worker("b"), component.worker("c")];
    for worker in &called {
        worker.start("add-slowly", json!([1, LONG])).await;
        worker.reaches("suspended").await;
    }
    let key = a.start("fan-out", json!([[at("b"), at("c")], 3])).await;
    for worker in &called {
        wait::until("the call waits in line", async || {
            let seen = send(worker.request(Method::GET, &["activity"])).await.expect(200);
            (seen["queue"].as_array().map(Vec::len) == Some(1)).then_some(())
        })
        .await;
    }
    cancel(&a, &key).await.expect(202);
    for worker in &called {
        assert_eq!(ends(worker, 1).await, ["cancelled"]);
    }
}
