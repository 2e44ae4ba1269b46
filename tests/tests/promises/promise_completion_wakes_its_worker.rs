//! Whoever awaits a promise gets what it was completed with, whenever and by whomever that was: before,
//! during and after the await, in memory or not, with the server down in between.

use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server, wait};
use serde_json::{Value, json};

/// Workers that await leave memory at once.
const LEAVE_SOON: [&str; 2] = ["--suspend-after", "100ms"];

/// Waits until all workers have left memory.
async fn nobody_is_loaded(server: &Server) {
    wait::until("nobody is in memory", async || {
        let metrics = server.api().get("/metrics").await.text();
        metrics.lines().any(|line| line == "everlog_loaded_workers 0").then_some(())
    })
    .await;
}

/// Starts a call that awaits a promise; returns the call's key and the promise.
async fn waits(worker: &Worker, function: &str) -> (String, Value) {
    let key = worker.start(function, json!([])).await;
    (key, worker.made_promise().await)
}

#[tokio::test]
async fn completed_before_the_await() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::PROMISES).await.worker("p");
    let id = worker.call("create", json!([])).await;
    assert_eq!(id["worker-id"]["worker-name"], "p");
    assert_eq!(worker.completes(&id["oplog-idx"], "early").await, true);
    server.restart_after_kill().await;
    assert_eq!(worker.call("wait", json!([id])).await, "early");
    assert_eq!(worker.call("wait", json!([id])).await, "early");
    server.restart_after_kill().await;
    assert_eq!(worker.call("waits", json!([])).await, 2);
    let calls = worker.oplog_of_type("host-call").await;
    let awaited = calls.iter().find(|call| call["function"] == "golem:api/host.await-promise");
    assert_eq!(awaited.expect("the await is recorded")["outcome"]["text"], "early");
}

#[tokio::test]
async fn completed_during_the_await_without_leaving_memory() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::PROMISES).await.worker("p");
    let (key, promise) = waits(&worker, "create-and-wait").await;
    assert_eq!(worker.completes(&promise, "quick").await, true);
    assert_eq!(worker.outcome(&key).await["result"], "quick");
    assert_eq!(worker.oplog_of_type("awaiting").await, Vec::<Value>::new());
    assert_eq!(worker.messages().await, ["waits for quick"]);
}

#[tokio::test]
async fn completed_after_leaving_memory() {
    let server = Server::start_with(&LEAVE_SOON).await;
    let worker = server.deploy(&fixtures::PROMISES).await.worker("p");
    let (key, promise) = waits(&worker, "create-and-wait").await;
    worker.reaches("suspended").await;
    nobody_is_loaded(&server).await;
    assert_eq!(worker.promise(&promise).await.expect(200), json!({ "state": "pending" }));
    assert_eq!(worker.completes(&promise, "late").await, true);
    assert_eq!(worker.promise(&promise).await.expect(200), json!({ "state": "completed" }));
    assert_eq!(worker.outcome(&key).await["result"], "late");
    assert_eq!(worker.messages().await, ["waits", " for late"]);
    assert_eq!(worker.call("waits", json!([])).await, 1);
}

#[tokio::test]
async fn awaited_across_a_kill() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::PROMISES).await.worker("p");
    let (key, promise) = waits(&worker, "create-and-wait").await;
    server.restart_after_kill().await;
    assert_eq!(worker.completes(&promise, "a").await, true);
    assert_eq!(worker.outcome(&key).await["result"], "a");
    assert_eq!(worker.call("waits", json!([])).await, 1);
}

#[tokio::test]
async fn completed_just_before_a_kill() {
    let mut server = Server::start_with(&LEAVE_SOON).await;
    let component = server.deploy(&fixtures::PROMISES).await;
    let mut waiting = Vec::new();
    for (name, function) in [("a", "create-and-wait"), ("b", "create-and-wait-in-region")] {
        let worker = component.worker(name);
        let (key, promise) = waits(&worker, function).await;
        worker.reaches("suspended").await;
        waiting.push((worker, key, promise));
    }
    nobody_is_loaded(&server).await;
    server.restart_after_kill().await;
    for (worker, _, promise) in &waiting {
        assert_eq!(worker.completes(promise, "then killed").await, true);
    }
    server.restart_after_kill().await;
    for (worker, key, promise) in waiting {
        assert_eq!(worker.outcome(&key).await["result"], "then killed");
        let made = worker.oplog_of_type("promise-created").await;
        assert_eq!(made.len(), 1, "the region went on and made no other promise: {made:?}");
        assert_eq!(made[0]["index"], promise);
    }
}

#[tokio::test]
async fn a_caller_may_wait_meanwhile() {
    let server = Server::start_with(&LEAVE_SOON).await;
    let worker = server.deploy(&fixtures::PROMISES).await.worker("p");
    let caller = worker.clone();
    let call = tokio::spawn(async move { caller.call("create-and-wait", json!([])).await });
    let promise = worker.made_promise().await;
    worker.reaches("suspended").await;
    assert_eq!(worker.completes(&promise, "told").await, true);
    assert_eq!(call.await.expect("no panic"), "told");
    assert_eq!(worker.oplog_of_type("awaiting").await.len(), 1);
}

#[tokio::test]
async fn another_promise_wakes_nobody() {
    let flags = ["--suspend-after", "100ms", "--idle-after", "100ms"];
    let mut server = Server::start_with(&flags).await;
    let worker = server.deploy(&fixtures::PROMISES).await.worker("p");
    let other = worker.call("create", json!([])).await;
    let key = worker.start("create-and-wait", json!([])).await;
    worker.reaches("suspended").await;
    let awaiting = worker.oplog_of_type("awaiting").await;
    assert_eq!(awaiting.len(), 1);
    let promise = &awaiting[0]["promise"];
    assert_ne!(promise, &other["oplog-idx"]);
    nobody_is_loaded(&server).await;
    assert_eq!(worker.completes(&other["oplog-idx"], "another").await, true);
    nobody_is_loaded(&server).await;
    server.restart_after_kill().await;
    assert_eq!(worker.metadata().await["status"], "suspended");
    assert_eq!(worker.completes(promise, "this").await, true);
    assert_eq!(worker.outcome(&key).await["result"], "this");
    assert_eq!(worker.oplog_of_type("awaiting").await, awaiting, "it was woken once");
}

#[tokio::test]
async fn by_itself_and_by_workers_of_its_own_and_of_other_components() {
    let flags = ["--suspend-after", "100ms", "--idle-after", "100ms"];
    let mut server = Server::start_with(&flags).await;
    let component = server.deploy(&fixtures::PROMISES).await;
    let other = server.api().deploy("other", fixtures::PROMISES.bytes()).await;
    let owner = component.worker("owner");
    for completer in [owner.clone(), component.worker("sibling"), other.worker("stranger")] {
        let id = owner.call("create", json!([])).await;
        assert_eq!(completer.call("complete", json!([id, "first"])).await, true);
        assert_eq!(completer.call("complete", json!([id, "second"])).await, false);
        assert_eq!(owner.call("wait", json!([id])).await, "first");
    }
    let id = owner.call("create", json!([])).await;
    let key = owner.start("wait", json!([id])).await;
    owner.reaches("suspended").await;
    nobody_is_loaded(&server).await;
    server.restart_after_kill().await;
    assert_eq!(other.worker("stranger").call("complete", json!([id, "woken"])).await, true);
    server.restart_after_kill().await;
    assert_eq!(owner.outcome(&key).await["result"], "woken");
}

#[tokio::test]
async fn another_workers_promise_can_be_awaited() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::PROMISES).await;
    let (owner, reader) = (component.worker("owner"), component.worker("reader"));
    let id = owner.call("create", json!([])).await;
    let key = reader.start("wait", json!([id])).await;
    reader.reaches("running").await;
    server.restart_after_kill().await;
    assert_eq!(owner.completes(&id["oplog-idx"], "shared").await, true);
    assert_eq!(reader.outcome(&key).await["result"], "shared");
    assert_eq!(owner.call("delete", json!([id])).await, Value::Null);
    server.restart_after_kill().await;
    assert_eq!(reader.call("waits", json!([])).await, 1, "replay does not ask again");
}

#[tokio::test]
async fn an_interrupted_worker_goes_on() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::PROMISES).await.worker("p");
    let (key, promise) = waits(&worker, "create-and-wait").await;
    worker.obey("interrupt").await;
    worker.reaches("interrupted").await;
    assert_eq!(worker.completes(&promise, "go on").await, true);
    server.restart_after_kill().await;
    assert_eq!(worker.outcome(&key).await["result"], "go on");
}
