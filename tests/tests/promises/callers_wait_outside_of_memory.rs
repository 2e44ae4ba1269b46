//! A worker that waits for another gives its place in memory to those who need one: however many wait, those that they
//! wait for can run. It goes on when the answer is there, also when the server was killed meanwhile.

use std::time::Duration;

use everlog_tests::api::send;
use everlog_tests::server::Server;
use everlog_tests::{fixtures, wait};
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

#[tokio::test]
async fn callers_do_not_keep_those_out_whom_they_call() {
    /// More than instances: there are 100 beyond those for loaded workers.
    const CALLERS: u64 = 400;
    let server = Server::start_with(&["--max-loaded-workers", "10"]).await;
    let component = server.deploy(&fixtures::RELAY).await;
    let mut calling = JoinSet::new();
    for number in 0..CALLERS {
        let caller = component.worker(&format!("caller-{number}"));
        calling.spawn(async move {
            let callee = format!("urn:worker:relay/callee-{number}");
            caller.call("call-slowly", json!([callee, number, 300])).await
        });
    }
    let outcomes = wait::patiently("all answers", calling.join_all()).await;
    let sum: u64 = outcomes.iter().filter_map(|outcome| outcome["ok"].as_u64()).sum();
    assert_eq!(sum, CALLERS * (CALLERS - 1) / 2, "{outcomes:?}");
    for number in [0, CALLERS / 2, CALLERS - 1] {
        let callee = component.worker(&format!("callee-{number}"));
        assert_eq!(callee.call("added", json!([])).await, json!([number]), "called once");
    }
}

#[tokio::test]
async fn a_long_wait_is_spent_outside_of_memory() {
    let mut server = Server::start_with(&["--suspend-after", "100ms"]).await;
    let component = server.deploy(&fixtures::RELAY).await;
    let caller = component.worker("caller");
    let slow = async |milliseconds: u64| {
        let arguments = json!(["urn:worker:relay/callee", 5, milliseconds]);
        caller.start("call-slowly", arguments).await
    };
    // While nobody is killed, the answer itself wakes the caller.
    let key = slow(1_000).await;
    caller.reaches("suspended").await;
    assert_eq!(caller.outcome(&key).await["result"], json!({"ok": 5}));
    // The server is killed while the caller is away, and while the answer is on its way.
    let key = slow(1_000).await;
    caller.reaches("suspended").await;
    server.restart_after_kill().await;
    wait::pause(Duration::from_millis(900)).await;
    server.restart_after_kill().await;
    assert_eq!(caller.outcome(&key).await["result"], json!({"ok": 10}));
    let callee = component.worker("callee");
    assert_eq!(callee.call("added", json!([])).await, json!([5, 5]));
}

#[tokio::test]
async fn one_that_waits_no_longer_wakes_by_its_own_clock() {
    let server = Server::start_with(&["--suspend-after", "100ms"]).await;
    let component = server.deploy(&fixtures::RELAY).await;
    let caller = component.worker("caller");
    let key = caller.start("call-slowly", json!(["urn:worker:relay/callee", 5, 600_000])).await;
    caller.reaches("suspended").await;
    send(caller.request(Method::POST, &["invocations", &key, "cancel"])).await.expect(202);
    let outcome = caller.outcome(&key).await;
    let told = outcome["result"]["err"].as_str().unwrap_or_default();
    assert!(told.contains("the caller's invocation is cancelled"), "{outcome}");
    // The one that it called runs for ten minutes more. That is not what it waits for now.
    let slept = wait::patiently("a short sleep", caller.call("add-slowly", json!([1, 500]))).await;
    assert_eq!(slept, 1);
    let key = caller.start("add-slowly", json!([1, 500])).await;
    assert_eq!(caller.outcome(&key).await["result"], 2, "also with nobody waiting");
}
