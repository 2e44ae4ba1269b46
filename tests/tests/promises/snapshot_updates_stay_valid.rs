//! A snapshot update has the old version save and the new one load, and replay starts there ever
//! after: no old history meets new code. Where either fails, the old version goes on as if nothing
//! had been tried.

use everlog_tests::api::Component;
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server};
use serde_json::{Value, json};

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
async fn across_restarts_and_further_updates() {
    let mut server = Server::start().await;
    let component = updater(&server).await;
    let worker = worker(&component).await;
    let kept = worker.invoke_with_key("add", json!([5]), "first").await.expect(200);
    worker.call("remember", json!(["a file"])).await;
    worker.update(1, "snapshot").await;
    worker.is_updated_to(1).await;
    assert_eq!(worker.call("total", json!([])).await, 5);
    let order = worker.call("order", json!([])).await;
    assert_eq!(order.as_array().map(Vec::len), Some(50));
    for _ in 0..2 {
        server.restart_after_kill().await;
        assert_eq!(worker.call("order", json!([])).await, order, "what a load drew it draws again");
        assert_eq!(worker.call("recall", json!([])).await, "a file");
        assert_eq!(worker.messages().await, ["loading"], "once, and nothing of the save");
        // Results from before the snapshot are still known.
        let again = worker.invoke_with_key("add", json!([5]), "first").await;
        assert_eq!(again.expect(200), kept);
    }
    assert_eq!(worker.call("add", json!([2])).await, 7);

    // A version that could not replay the first history takes over from the snapshot.
    worker.update(1, "snapshot").await;
    worker.is_updated_to(1).await;
    worker.update(1, "automatic").await;
    server.restart_after_kill().await;
    assert_eq!(worker.call("total", json!([])).await, 7);
    assert_eq!(worker.call("recall", json!([])).await, "a file");
    assert_eq!(worker.metadata().await["updates"]["successful"], json!([1, 1, 1]));
}

#[tokio::test]
async fn between_two_invocations() {
    let server = Server::start().await;
    let worker = worker(&updater(&server).await).await;
    let before = worker.start("steps", json!([2, 500])).await;
    let second = worker.start("steps", json!([1, 10])).await;
    worker.has_logged("step 0").await;
    worker.update(1, "snapshot").await;
    let behind = worker.start("steps", json!([1, 10])).await;
    assert_eq!(worker.outcome(&before).await["result"], json!(["0", "0"]));
    assert_eq!(worker.outcome(&second).await["result"], json!(["0"]), "it was there first");
    assert_eq!(worker.outcome(&behind).await["result"], json!(["1"]), "it came later");
}

#[tokio::test]
async fn no_old_handle_leads_to_a_new_resource() {
    let mut server = Server::start().await;
    let worker = worker(&updater(&server).await).await;
    let handle = worker.call("things.{[constructor]thing}", json!(["old"])).await;
    assert_eq!(worker.metadata().await["ownedResources"].as_array().map(Vec::len), Some(1));
    worker.update(1, "snapshot").await;
    worker.is_updated_to(1).await;
    assert_eq!(worker.metadata().await["ownedResources"], json!([]));
    let other = worker.call("things.{[constructor]thing}", json!(["new"])).await;
    assert_ne!(handle, other);
    for _ in 0..2 {
        let gone = worker.invoke("things.{[method]thing.name}", json!([handle])).await;
        gone.expect_problem(400, "invalid-arguments");
        assert_eq!(worker.call("things.{[method]thing.name}", json!([other])).await, "new");
        server.restart_after_kill().await;
    }
}

/// Tries the update of a worker whose save or load goes wrong; returns the details.
async fn fails(server: &mut Server, worker: &Worker) -> String {
    let total = worker.call("total", json!([])).await;
    let before = worker.oplog().await;
    worker.update(1, "snapshot").await;
    let details = worker.fails_update_to(1).await;
    let after = worker.oplog().await;
    assert_eq!(after[..before.len()], before);
    let types: Vec<_> = after[before.len()..].iter().map(|entry| entry["type"].clone()).collect();
    assert_eq!(types, ["update-requested", "update-failed"], "{details}");
    for _ in 0..2 {
        assert_eq!(worker.call("total", json!([])).await, total, "the save left no trace");
        assert_eq!(worker.metadata().await["version"], 0);
        server.restart_after_kill().await;
    }
    details
}

#[tokio::test]
async fn a_save_that_goes_wrong_changes_nothing() {
    let expected = [
        ("trap", "cannot save"),
        ("reach-out", "atomic region"),
        ("large", "at most"),
        ("exit", "exited with code"),
    ];
    let mut server = Server::start().await;
    let component = updater(&server).await;
    for (how, said) in expected {
        let worker = component.worker(how);
        worker.create(json!({ "version": 0 })).await.expect(201);
        worker.call("add", json!([5])).await;
        worker.call("behave", json!([how])).await;
        let details = fails(&mut server, &worker).await;
        assert!(details.contains(said), "{how}: {details}");
    }
}

#[tokio::test]
async fn a_load_that_goes_wrong_changes_nothing() {
    let mut server = Server::start().await;
    let component = updater(&server).await;
    for (total, said) in [(13, "thirteen is not loaded"), (14, "fourteen is too much")] {
        let worker = component.worker(&format!("w{total}"));
        worker.create(json!({ "version": 0 })).await.expect(201);
        worker.call("remember", json!(["a file"])).await;
        worker.call("add", json!([total])).await;
        let details = fails(&mut server, &worker).await;
        assert!(details.contains(said), "{details}");
        assert_eq!(worker.call("recall", json!([])).await, "a file");
    }
}

#[tokio::test]
async fn missing_exports_are_named() {
    let server = Server::start().await;
    let component = updater(&server).await;
    server.api().deploy("updater", fixtures::UPDATER_3.bytes()).await;
    let worker = worker(&component).await;
    worker.call("add", json!([5])).await;
    worker.update(2, "snapshot").await;
    let details = worker.fails_update_to(2).await;
    assert!(details.contains("version 2 does not export golem:api/load-snapshot"), "{details}");
    let newest = component.worker("newest");
    newest.call("total", json!([])).await;
    newest.update(1, "snapshot").await;
    let details = newest.fails_update_to(1).await;
    assert!(details.contains("version 2 does not export golem:api/save-snapshot"), "{details}");
    assert_eq!(worker.call("total", json!([])).await, 5);
}

#[tokio::test]
async fn a_failed_worker_has_no_snapshot_to_give() {
    let server = Server::start_with(&["--retry-max-attempts", "0"]).await;
    let worker = worker(&updater(&server).await).await;
    worker.invoke("risky", json!([])).await.expect_problem(500, "invocation-failed");
    worker.update(1, "snapshot").await;
    let details = worker.fails_update_to(1).await;
    assert!(details.contains("between two invocations"), "{details}");
    let metadata = worker.metadata().await;
    assert_eq!((&metadata["status"], &metadata["version"]), (&json!("failed"), &Value::from(0)));
}
