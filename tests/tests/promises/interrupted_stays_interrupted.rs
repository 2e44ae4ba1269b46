//! An interrupted worker stays so, across restarts and whoever looks at it, until it is resumed, its
//! key is sent again, or a new call comes.

use everlog_tests::api::send;
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server, wait};
use serde_json::json;

/// Starts a sleep of two seconds and interrupts it.
async fn interrupted(server: &Server, key: &str) -> (Worker, u64) {
    let worker = server.deploy(&fixtures::SLEEPER).await.worker("s");
    let request = worker.invocation("sleep-for", &json!([2_000]));
    let call = tokio::spawn(send(request.header("Idempotency-Key", key)));
    let wake = wait::wall_clock() + 2_000;
    worker.reaches("running").await;
    worker.obey("interrupt").await;
    call.await.expect("no panic").expect_problem(409, "worker-interrupted");
    (worker, wake)
}

#[tokio::test]
async fn across_a_restart_and_past_its_deadline() {
    let mut server = Server::start().await;
    let (worker, wake) = interrupted(&server, "k").await;
    server.restart_after_kill().await;
    wait::until_wall_clock(wake + 500).await;
    worker.logs().await;
    assert_eq!(worker.metadata().await["status"], "interrupted");
    assert_ne!(worker.invocation_state("k").await.expect(200)["status"], "completed");

    worker.obey("resume").await;
    assert_eq!(worker.outcome("k").await["status"], "completed");
    assert_eq!(worker.call("awakenings", json!([])).await, 1);
}

#[tokio::test]
async fn until_the_key_is_sent_again() {
    let server = Server::start().await;
    let (worker, _) = interrupted(&server, "k").await;
    worker.invoke_with_key("sleep-for", json!([2_000]), "k").await.expect(200);
    assert_eq!(worker.call("awakenings", json!([])).await, 1);
}

#[tokio::test]
async fn until_a_new_call_comes() {
    let server = Server::start().await;
    let (worker, _) = interrupted(&server, "k").await;
    assert_eq!(worker.call("awakenings", json!([])).await, 1, "it ran after the interrupted call");
    assert_eq!(worker.outcome("k").await["status"], "completed");
}

#[tokio::test]
async fn an_idle_worker_can_be_interrupted_too() {
    let mut server = Server::start().await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    mary.call("add", json!([5])).await;
    mary.obey("interrupt").await;
    server.restart_after_kill().await;
    assert_eq!(mary.call("add", json!([1])).await, 6);
}
