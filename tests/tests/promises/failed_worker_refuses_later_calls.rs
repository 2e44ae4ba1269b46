//! A worker that failed for good answers `previous-invocation-failed` until it is revived; only the
//! call that failed has the failure as its result, and calls accepted before it stay queued.

use everlog_tests::api::send;
use everlog_tests::{fixtures, server::Server, wait};
use serde_json::json;

#[tokio::test]
async fn the_failure_is_the_result_of_one_call() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::TRAPPER).await.worker("t");
    let failed = worker.invoke_with_key("always", json!(["boom"]), "bad").await;
    failed.expect_problem(500, "invocation-failed");
    let later = worker.invoke("successes", json!([])).await;
    later.expect_problem(409, "previous-invocation-failed");
    let accepted = worker.invocation("successes", &json!([])).header("Prefer", "respond-async");
    send(accepted).await.expect_problem(409, "previous-invocation-failed");
    let entries = worker.oplog().await.len();
    server.restart_after_kill().await;

    assert_eq!(worker.metadata().await["status"], "failed");
    let again = worker.invoke_with_key("always", json!(["boom"]), "bad").await;
    again.expect_problem(500, "invocation-failed");
    let later = worker.invoke("successes", json!([])).await;
    later.expect_problem(409, "previous-invocation-failed");
    assert_eq!(worker.oplog().await.len(), entries, "nothing ran again");
}

#[tokio::test]
async fn a_revived_worker_runs_the_failed_call_and_its_queue() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::TRAPPER).await.worker("t");
    let deadline = wait::wall_clock() + 4_000;
    let failing = worker.start("until", json!([deadline])).await;
    let queued = worker.start("successes", json!([])).await;
    worker.reaches("failed").await;
    let state = worker.invocation_state(&queued).await.expect(200);
    assert_eq!(state["status"], "pending");

    wait::until_wall_clock(deadline).await;
    worker.obey("resume").await;
    assert_eq!(worker.outcome(&queued).await["result"], 1);
    assert_eq!(worker.outcome(&failing).await["result"], 1);
}

#[tokio::test]
async fn waiting_callers_are_told() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::TRAPPER).await.worker("t");
    let failing = worker.start("always", json!(["boom"])).await;
    let behind = worker.invoke_with_key("successes", json!([]), "behind").await;
    behind.expect_problem(409, "previous-invocation-failed");
    assert_eq!(worker.outcome(&failing).await["status"], "failed");
}
