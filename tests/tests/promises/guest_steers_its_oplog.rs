//! `golem:api/host`: a guest goes back in its own history, marks atomic regions, sets its modes, and
//! all of that survives a restart.

use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server, wait};
use serde_json::{Value, json};

async fn control(server: &Server) -> Worker {
    server.deploy(&fixtures::OPLOG_CONTROL).await.worker("c")
}

/// The idempotency keys that the guest printed, oldest first.
async fn keys(worker: &Worker) -> Vec<String> {
    worker.messages().await.into_iter().filter(|line| line.starts_with("key ")).collect()
}

fn key_text(uuid: &Value) -> String {
    let half = |name: &str| uuid[name].as_u64().unwrap_or_default();
    format!("key {:016x}{:016x}", half("high-bits"), half("low-bits"))
}

#[tokio::test]
async fn a_jump_goes_back_and_draws_new_keys() {
    let mut server = Server::start().await;
    let worker = control(&server).await;
    let deadline = wait::wall_clock() + 300;
    let key = worker.call("go-back-until", json!([deadline])).await;
    assert!(!worker.oplog_of_type("jump").await.is_empty());
    let mut printed = keys(&worker).await;
    assert_eq!(printed.last(), Some(&key_text(&key)));
    let attempts = printed.len();
    printed.sort();
    printed.dedup();
    assert_eq!(printed.len(), attempts, "each attempt drew a key of its own");

    let entries = worker.oplog().await;
    server.restart_after_kill().await;
    worker.obey("crash").await;
    let position = worker.call("position", json!([])).await.as_u64();
    assert!(position > entries.last().and_then(|entry| entry["index"].as_u64()));
    assert_eq!(worker.oplog().await[..entries.len()], entries, "deleted entries stay readable");
}

#[tokio::test]
async fn a_jump_to_nowhere_fails_clearly() {
    let server = Server::start().await;
    let component = server.deploy(&fixtures::OPLOG_CONTROL).await;
    for (name, target) in [("future", 1_000_000), ("zero", 0), ("creation", 1)] {
        let failed = component.worker(name).invoke("go-to", json!([target])).await;
        let problem = failed.expect_problem(500, "invocation-failed");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(&target.to_string()), "{name}: {detail}");
    }
}

#[tokio::test]
async fn an_atomic_region_runs_again_with_the_same_key() {
    let server = Server::start().await;
    let worker = control(&server).await;
    let deadline = wait::wall_clock() + 600;
    let key = worker.call("repeat-region-until", json!([deadline])).await;

    // A line that is printed again reaches followers once, so the oplog tells of the attempts.
    let attempts = worker.oplog_of_type("jump").await.len() + 1;
    assert!(attempts >= 2, "it was repeated");
    let mut draws = worker.oplog_of_type("host-call").await;
    draws.retain(|call| call["function"] == "golem:api/host.generate-idempotency-key");
    assert_eq!(draws.len(), attempts, "{draws:?}");
    let same_key = draws.iter().all(|draw| draw["outcome"] == draws[0]["outcome"]);
    assert!(same_key, "{draws:?}");
    assert_eq!(keys(&worker).await, [key_text(&key)]);
}

#[tokio::test]
async fn a_region_that_always_fails_ends() {
    let server = Server::start().await;
    let worker = control(&server).await;
    let never = wait::wall_clock() + 3_600_000;
    let failed = worker.invoke("repeat-region-until", json!([never])).await;
    failed.expect_problem(500, "invocation-failed");
    assert_eq!(worker.oplog_of_type("failed").await.len(), 4);
}

#[tokio::test]
async fn regions_nest_and_end_once() {
    let server = Server::start().await;
    let worker = control(&server).await;
    let begin = worker.call("end-region-twice", json!([])).await;
    let nested = worker.call("nest-regions", json!([])).await;
    assert!(nested[0].as_u64() > begin.as_u64() && nested[1].as_u64() > nested[0].as_u64());
    let failed = worker.invoke("end-region", json!([1])).await;
    failed.expect_problem(500, "invocation-failed");
}

#[tokio::test]
async fn modes_are_kept() {
    let mut server = Server::start().await;
    let worker = control(&server).await;
    let default = worker.call("policy", json!([])).await;
    assert_eq!(default["max-attempts"], 3);
    assert_eq!(worker.call("level", json!([])).await, "smart");
    assert_eq!(worker.call("idempotence", json!([])).await, true);

    let policy = json!({
        "max-attempts": 7, "min-delay": 1_000_000, "max-delay": 2_000_000, "multiplier": 1.5,
    });
    worker.call("set-policy", json!([policy])).await;
    worker.call("set-level", json!(["persist-remote-side-effects"])).await;
    worker.call("set-idempotence", json!([false])).await;
    worker.call("commit", json!([3])).await;
    server.restart_after_kill().await;

    assert_eq!(worker.call("policy", json!([])).await, policy);
    assert_eq!(worker.call("level", json!([])).await, "persist-remote-side-effects");
    assert_eq!(worker.call("idempotence", json!([])).await, false);
    assert_ne!(worker.call("key", json!([])).await, worker.call("key", json!([])).await);
}
