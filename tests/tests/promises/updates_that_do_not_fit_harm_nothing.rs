//! A version that does not fit leaves the worker on its old one and its log as it was, but for the
//! entry that says where it differs. Updates are carried out in the order in which they were asked
//! for, and calls that came while one was pending are answered by what came of it.

use everlog_tests::api::Component;
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server};
use serde_json::{Value, json};

/// The fixture with all its versions.
async fn updater(server: &Server) -> Component {
    let component = server.api().deploy("updater", fixtures::UPDATER_1.bytes()).await;
    server.api().deploy("updater", fixtures::UPDATER_2.bytes()).await;
    server.api().deploy("updater", fixtures::UPDATER_3.bytes()).await;
    component
}

async fn worker(component: &Component, name: &str) -> Worker {
    let worker = component.worker(name);
    worker.create(json!({ "version": 0 })).await.expect(201);
    worker
}

fn types(entries: &[Value]) -> Vec<&str> {
    entries.iter().filter_map(|entry| entry["type"].as_str()).collect()
}

#[tokio::test]
async fn the_old_version_goes_on_and_the_first_difference_is_named() {
    let mut server = Server::start().await;
    let worker = worker(&updater(&server).await, "w").await;
    worker.call("add", json!([5])).await;
    let before = worker.oplog().await;
    worker.update(2, "automatic").await;
    let details = worker.fails_update_to(2).await;
    assert!(details.contains("random") && details.contains("monotonic-clock"), "{details}");
    let draw = before.iter().find(|entry| entry.to_string().contains("random"));
    let draw = draw.expect("a draw")["index"].to_string();
    assert!(details.contains(&format!("entry {draw}:")), "{details}");

    let after = worker.oplog().await;
    assert_eq!(after[..before.len()], before);
    assert_eq!(types(&after[before.len()..]), ["update-requested", "update-failed"]);
    assert_eq!(worker.call("add", json!([2])).await, 7);
    server.restart_after_kill().await;
    assert_eq!(worker.call("total", json!([])).await, 7);
    assert_eq!(worker.metadata().await["version"], 0);
}

#[tokio::test]
async fn what_runs_goes_on() {
    let server = Server::start().await;
    let worker = worker(&updater(&server).await, "w").await;
    worker.call("add", json!([5])).await;
    let key = worker.start("steps", json!([4, 300])).await;
    worker.has_logged("step 1").await;
    worker.update(2, "automatic").await;
    worker.fails_update_to(2).await;
    assert_eq!(worker.outcome(&key).await["result"], json!(["0", "0", "0", "0"]));
    assert_eq!(worker.messages().await, ["step 0", "step 1", "step 2", "step 3"]);
}

#[tokio::test]
async fn failed_and_stopped_workers_stay_as_they_are() {
    let server = Server::start_with(&["--retry-max-attempts", "0"]).await;
    let component = updater(&server).await;
    let failed = worker(&component, "failed").await;
    failed.invoke("risky", json!([])).await.expect_problem(500, "invocation-failed");
    failed.update(2, "automatic").await;
    // Whoever calls meanwhile is told what came of it.
    failed.invoke("total", json!([])).await.expect_problem(409, "previous-invocation-failed");
    failed.fails_update_to(2).await;
    assert_eq!(failed.metadata().await["status"], "failed");

    let stopped = worker(&component, "stopped").await;
    stopped.call("add", json!([5])).await;
    stopped.obey("interrupt").await;
    stopped.update(2, "automatic").await;
    stopped.fails_update_to(2).await;
    assert_eq!(stopped.metadata().await["status"], "interrupted");
    assert_eq!(stopped.call("total", json!([])).await, 5);
}

#[tokio::test]
async fn several_are_carried_out_in_order() {
    let mut server = Server::start().await;
    let worker = worker(&updater(&server).await, "w").await;
    worker.call("add", json!([5])).await;
    let key = worker.start("steps", json!([5, 400])).await;
    worker.has_logged("step 0").await;
    for version in [2, 1, 0, 1, 2] {
        worker.update(version, "automatic").await;
    }
    assert_eq!(worker.outcome(&key).await["status"], "completed");
    worker.fails_update_to(2).await;
    let metadata = worker.metadata().await;
    assert_eq!(metadata["version"], 1);
    assert_eq!(metadata["updates"]["successful"], json!([1, 0, 1]));
    assert_eq!(metadata["updates"]["failed"].as_array().map(Vec::len), Some(2));
    assert_eq!(metadata["updates"]["pending"], json!([]));
    server.restart_after_kill().await;
    let metadata = worker.metadata().await;
    assert_eq!(metadata["updates"]["successful"], json!([1, 0, 1]));
    assert_eq!(worker.call("total", json!([])).await, 5);
}

#[tokio::test]
async fn a_call_of_what_only_the_coming_version_has_waits_for_it() {
    let server = Server::start().await;
    let worker = worker(&updater(&server).await, "w").await;
    let unknown = worker.invoke("extra", json!([])).await;
    unknown.expect_problem(404, "function-not-found");
    // The snapshot waits for the end of what runs, and the calls behind it.
    let key = worker.start("steps", json!([1, 1_500])).await;
    worker.has_logged("step 0").await;
    worker.update(1, "snapshot").await;
    let accepted = worker.start("extra", json!([])).await;
    assert_eq!(worker.call("extra", json!([])).await, "new in this version");
    assert_eq!(worker.outcome(&accepted).await["result"], "new in this version");
    assert_eq!(worker.outcome(&key).await["result"], json!(["0"]));
    worker.is_updated_to(1).await;
}

#[tokio::test]
async fn a_call_of_what_never_came_fails_and_the_worker_is_unharmed() {
    let mut server = Server::start().await;
    let worker = worker(&updater(&server).await, "w").await;
    worker.call("add", json!([5])).await;
    worker.start("steps", json!([1, 1_500])).await;
    worker.has_logged("step 0").await;
    // Version 2 has `latest`, and no way to load a snapshot.
    worker.update(2, "snapshot").await;
    let accepted = worker.start("latest", json!([])).await;
    worker.invoke("latest", json!([])).await.expect_problem(404, "function-not-found");
    worker.fails_update_to(2).await;
    for _ in 0..2 {
        let outcome = worker.outcome(&accepted).await;
        assert_eq!(outcome["status"], "failed");
        assert_eq!(outcome["error"]["code"], "function-not-found");
        assert_eq!(worker.call("total", json!([])).await, 5);
        server.restart_after_kill().await;
    }
}

#[tokio::test]
async fn a_check_says_what_an_update_would_meet_and_disturbs_nobody() {
    let mut server = Server::start().await;
    let component = updater(&server).await;
    let drawn = worker(&component, "drawn").await;
    drawn.call("add", json!([5])).await;
    drawn.call("remember", json!(["kept"])).await;
    let idle = worker(&component, "idle").await;
    idle.call("total", json!([])).await;
    let runs = worker(&component, "runs").await;
    let key = runs.start("steps", json!([3, 700])).await;
    runs.has_logged("step 0").await;
    let before = drawn.oplog().await;

    let fits = component.check_update(1).await.expect(200);
    assert_eq!((&fits["component"], &fits["version"]), (&json!("updater"), &json!(1)));
    let found: Vec<_> = fits["workers"].as_array().expect("workers").iter().collect();
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|worker| worker["ok"] == true), "{fits}");

    let checked = component.check_update(2).await.expect(200);
    let by_name = |name: &str| {
        let workers = checked["workers"].as_array().expect("workers");
        workers.iter().find(|worker| worker["worker"] == name).expect("checked").clone()
    };
    assert_eq!(by_name("idle"), json!({ "worker": "idle", "ok": true }));
    let divergence = &by_name("drawn")["divergence"];
    let draw = before.iter().find(|entry| entry.to_string().contains("random")).expect("a draw");
    assert_eq!(divergence["entry"], draw["index"]);
    assert!(divergence["expected"].to_string().contains("random"), "{divergence}");
    assert!(divergence["found"].to_string().contains("monotonic-clock"), "{divergence}");
    assert!(by_name("runs")["divergence"]["found"].to_string().contains("steps"));

    assert_eq!(drawn.oplog().await, before);
    assert_eq!(drawn.call("recall", json!([])).await, "kept", "its files are where they were");
    assert_eq!(runs.outcome(&key).await["result"], json!(["0", "0", "0"]));
    assert_eq!(runs.messages().await, ["step 0", "step 1", "step 2"]);
    component.check_update(7).await.expect_problem(404, "component-not-found");
    server.restart_after_kill().await;
    assert_eq!(drawn.call("total", json!([])).await, 5);
}
