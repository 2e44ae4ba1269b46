//! A killed invocation has nothing of it run any more, what it did to the worker is taken back, its key has a failure
//! for ever, and the worker goes on with its next call. All of that through `kill -9`.

use everlog_tests::api::send;
use everlog_tests::reply::Reply;
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server, wait};
use reqwest::Method;
use serde_json::{Value, json};

async fn kill(worker: &Worker, key: &str) -> Reply {
    send(worker.request(Method::POST, &["invocations", key, "kill"])).await
}

fn is_killed(outcome: &Value) {
    assert_eq!(outcome["status"], "failed", "{outcome}");
    assert_eq!(outcome["error"]["code"], "invocation-killed", "{outcome}");
}

const LONG: u64 = 3_600_000;

#[tokio::test]
async fn it_leaves_the_worker_as_it_was() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::CANCELLER).await.worker("w");
    assert_eq!(worker.call("hold", json!([0, 0])).await, "kept");
    let key = worker.start("hold", json!([LONG, 0])).await;
    let behind = worker.start("held", json!([])).await;
    wait::until("it holds", async || {
        let messages = worker.messages().await;
        (messages.iter().filter(|message| *message == "holds").count() == 2).then_some(())
    })
    .await;
    assert_eq!(kill(&worker, &key).await.expect(200)["status"], "killed");
    assert_eq!(worker.outcome(&behind).await["result"], 1, "what waited behind it runs");
    is_killed(&worker.outcome(&key).await);
    server.restart_after_kill().await;
    is_killed(&worker.outcome(&key).await);
    assert_eq!(worker.call("held", json!([])).await, 1);
    worker
        .invoke_with_key("hold", json!([LONG, 0]), &key)
        .await
        .expect_problem(409, "invocation-killed");
    kill(&worker, &key).await.expect_problem(409, "invocation-not-cancellable");
    let gives_back = worker.messages().await.iter().any(|message| message == "gives back");
    assert!(!gives_back, "nothing of it runs");
}

#[tokio::test]
async fn loops_sleepers_and_retries_are_ended() {
    let server = Server::start_with(&[
        "--suspend-after",
        "200ms",
        "--retry-min-delay",
        "1h",
        "--retry-max-delay",
        "1h",
    ])
    .await;
    let component = server.deploy(&fixtures::CANCELLER).await;
    for (function, arguments, status) in [
        ("count", json!([]), "running"),
        ("hold", json!([LONG, 0]), "suspended"),
        ("await-promise", json!([]), "suspended"),
        ("hold-and-fail", json!([0]), "retrying"),
    ] {
        let worker = component.worker(function);
        let key = worker.start(function, arguments).await;
        worker.reaches(status).await;
        kill(&worker, &key).await.expect(200);
        is_killed(&worker.outcome(&key).await);
        assert_eq!(worker.metadata().await["status"], "idle", "{function}");
        assert_eq!(worker.call("held", json!([])).await, 0, "{function}");
    }
}

#[tokio::test]
async fn a_waiting_caller_is_told_and_a_queued_one_never_runs() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::CANCELLER).await.worker("w");
    worker.create(json!({})).await.expect(201);
    let caller = {
        let worker = worker.clone();
        tokio::spawn(async move { worker.invoke_with_key("hold", json!([LONG, 0]), "a").await })
    };
    worker.has_logged("holds").await;
    let queued = worker.start_when("hold", json!([0, 0]), &[("delay", "1h")]).await;
    kill(&worker, "a").await.expect(200);
    caller.await.expect("no panic").expect_problem(409, "invocation-killed");
    kill(&worker, &queued).await.expect(200);
    is_killed(&worker.outcome(&queued).await);
    assert_eq!(worker.call("held", json!([])).await, 0);
}

#[tokio::test]
async fn an_interrupted_or_failed_worker_is_freed_or_left_alone() {
    let mut server = Server::start_with(&["--retry-max-attempts", "0"]).await;
    let component = server.deploy(&fixtures::CANCELLER).await;
    let worker = component.worker("interrupted");
    let key = worker.start("hold", json!([LONG, 0])).await;
    worker.has_logged("holds").await;
    worker.obey("interrupt").await;
    server.restart_after_kill().await;
    kill(&worker, &key).await.expect(200);
    is_killed(&worker.outcome(&key).await);
    assert_eq!(worker.call("held", json!([])).await, 0);

    let worker = component.worker("failed");
    let key = worker.start("hold-and-fail", json!([0])).await;
    assert_eq!(worker.outcome(&key).await["error"]["code"], "invocation-failed");
    kill(&worker, &key).await.expect_problem(409, "invocation-not-cancellable");
}
