//! An automatic update finds the worker wherever it is: the new version replays the history in its
//! place, and the worker goes on from there as what it was, on the new version.

use everlog_tests::api::Component;
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server, wait};
use serde_json::{Value, json};

/// The fixture with two versions, of which new workers get the first.
async fn updater(server: &Server) -> Component {
    let component = server.api().deploy("updater", fixtures::UPDATER_1.bytes()).await;
    server.api().deploy("updater", fixtures::UPDATER_2.bytes()).await;
    component
}

async fn worker(component: &Component) -> Worker {
    let worker = component.worker("w");
    worker.create(json!({ "version": 0 })).await.expect(201);
    worker
}

#[tokio::test]
async fn idle() {
    let mut server = Server::start().await;
    let worker = worker(&updater(&server).await).await;
    worker.call("add", json!([5])).await;
    worker.update(1, "automatic").await;
    worker.is_updated_to(1).await;
    assert_eq!(worker.call("add", json!([2])).await, 7);
    assert_eq!(worker.call("extra", json!([])).await, "new in this version");
    server.restart_after_kill().await;
    assert_eq!(worker.call("total", json!([])).await, 7);
    assert_eq!(worker.metadata().await["version"], 1);
}

#[tokio::test]
async fn not_in_memory() {
    let mut server = Server::start().await;
    let worker = worker(&updater(&server).await).await;
    worker.call("add", json!([5])).await;
    server.restart_after_kill().await;
    worker.update(1, "automatic").await;
    worker.is_updated_to(1).await;
    assert_eq!(worker.call("total", json!([])).await, 5);
}

#[tokio::test]
async fn running_it_goes_on_where_it_was() {
    let mut server = Server::start().await;
    let worker = worker(&updater(&server).await).await;
    let key = worker.start("steps", json!([6, 300])).await;
    worker.has_logged("step 1").await;
    worker.update(1, "automatic").await;
    let metadata = worker.is_updated_to(1).await;
    assert_eq!(metadata["status"], "running");
    let told = worker.outcome(&key).await["result"].clone();
    let told: Vec<&str> =
        told.as_array().expect("steps").iter().filter_map(Value::as_str).collect();
    let of_the_old = told.iter().filter(|version| **version == "0").count();
    assert!((1..6).contains(&of_the_old), "{told:?}");
    assert!(told[of_the_old..].iter().all(|version| *version == "1"), "{told:?}");
    let steps: Vec<String> = (0..6).map(|step| format!("step {step}")).collect();
    assert_eq!(worker.messages().await, steps, "nothing is printed twice");
    // What was read before stays what was read.
    server.restart_after_kill().await;
    worker.call("total", json!([])).await;
    assert_eq!(worker.outcome(&key).await["result"], json!(told));
}

#[tokio::test]
async fn suspended_it_keeps_its_deadline() {
    let server = Server::start_with(&["--suspend-after", "100ms"]).await;
    let worker = worker(&updater(&server).await).await;
    let begun = wait::wall_clock();
    let key = worker.start("steps", json!([1, 4_000])).await;
    worker.reaches("suspended").await;
    worker.update(1, "automatic").await;
    let metadata = worker.is_updated_to(1).await;
    assert_eq!(metadata["status"], "suspended");
    assert_eq!(worker.outcome(&key).await["result"], json!(["1"]));
    let slept = wait::wall_clock() - begun;
    assert!((4_000..20_000).contains(&slept), "{slept} ms");
    assert_eq!(worker.messages().await, ["step 0"]);
}

#[tokio::test]
async fn interrupted_it_stays_interrupted() {
    let mut server = Server::start().await;
    let worker = worker(&updater(&server).await).await;
    let key = worker.start("steps", json!([3, 500])).await;
    worker.has_logged("step 0").await;
    worker.obey("interrupt").await;
    worker.update(1, "automatic").await;
    let metadata = worker.is_updated_to(1).await;
    assert_eq!(metadata["status"], "interrupted");
    server.restart_after_kill().await;
    assert_eq!(worker.metadata().await["status"], "interrupted");
    worker.obey("resume").await;
    let told = worker.outcome(&key).await["result"].clone();
    assert_eq!(told.as_array().map(Vec::len), Some(3));
    assert_eq!(told[2], "1");
    assert_eq!(worker.messages().await, ["step 0", "step 1", "step 2"]);
}

#[tokio::test]
async fn retrying_it_tries_again_at_once() {
    // The waits between attempts are longer than any test.
    let flags = ["--retry-min-delay", "1h", "--retry-max-delay", "1h"];
    let server = Server::start_with(&flags).await;
    let worker = worker(&updater(&server).await).await;
    let key = worker.start("risky", json!([])).await;
    worker.reaches("retrying").await;
    worker.update(1, "automatic").await;
    assert_eq!(worker.outcome(&key).await["result"], "mended");
}

#[tokio::test]
async fn failed_it_is_revived() {
    let mut server = Server::start_with(&["--retry-max-attempts", "0"]).await;
    let worker = worker(&updater(&server).await).await;
    worker.call("add", json!([5])).await;
    worker.invoke_with_key("risky", json!([]), "r").await.expect_problem(500, "invocation-failed");
    server.restart_after_kill().await;
    worker.update(1, "automatic").await;
    worker.is_updated_to(1).await;
    assert_eq!(worker.outcome("r").await["result"], "mended");
    let again = worker.invoke_with_key("risky", json!([]), "r").await;
    assert_eq!(again.expect(200), "mended");
    assert_eq!(worker.call("total", json!([])).await, 5);
}

#[tokio::test]
async fn a_call_to_a_failed_worker_waits_for_the_update() {
    let server = Server::start_with(&["--retry-max-attempts", "0"]).await;
    let worker = worker(&updater(&server).await).await;
    worker.invoke("risky", json!([])).await.expect_problem(500, "invocation-failed");
    worker.update(1, "automatic").await;
    assert_eq!(worker.call("add", json!([3])).await, 3);
}

#[tokio::test]
async fn stalled_it_is_resumed_by_a_version_that_fits() {
    let server = Server::start().await;
    let worker = worker(&updater(&server).await).await;
    worker.call("add", json!([5])).await;
    let deadline = wait::wall_clock() + 2_000;
    let drawn = worker.invoke_with_key("drift", json!([deadline]), "d").await.expect(200);
    wait::until_wall_clock(deadline).await;
    worker.obey("crash").await;
    worker.reaches("stalled").await;
    worker.update(1, "automatic").await;
    let metadata = worker.is_updated_to(1).await;
    assert_eq!((&metadata["status"], &metadata["lastError"]), (&json!("idle"), &Value::Null));
    assert_eq!(worker.call("total", json!([])).await, 5);
    assert_eq!(worker.invoke_with_key("drift", json!([deadline]), "d").await.expect(200), drawn);
}

#[tokio::test]
async fn exited_and_ephemeral_workers_and_unknown_versions_are_refused() {
    let server = Server::start().await;
    let component = updater(&server).await;
    let worker = worker(&component).await;
    worker.call("add", json!([5])).await;
    let before = worker.oplog().await;
    worker.request_update(json!({ "version": 9, "mode": "automatic" })).await.expect(404);
    for bad in [json!({ "version": 1 }), json!({ "version": 1, "mode": "magic" }), json!([])] {
        worker.request_update(bad).await.expect_problem(400, "malformed-json");
    }
    let nobody = component.worker("nobody");
    let update = json!({ "version": 1, "mode": "automatic" });
    nobody.request_update(update.clone()).await.expect_problem(404, "worker-not-found");
    assert_eq!(worker.oplog().await, before);
    assert_eq!(worker.metadata().await["updates"]["pending"], json!([]));

    let exited = server.deploy(&fixtures::EXITER).await.worker("e");
    exited.invoke("leave", json!([3])).await;
    exited.reaches("exited").await;
    let update = json!({ "version": 0, "mode": "automatic" });
    exited.request_update(update).await.expect_problem(409, "worker-exited");
}
