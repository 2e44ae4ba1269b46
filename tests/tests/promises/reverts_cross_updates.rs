//! A revert to before an update brings the former version back with the history that it had; one into
//! the middle of what an update did is refused, and changes nothing.

use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server};
use serde_json::{Value, json};

/// A worker with five in it, updated to version 1, and then seven; and the last entry of the old
/// version.
async fn updated(server: &Server, mode: &str) -> (Worker, Value) {
    let component = server.api().deploy("updater", fixtures::UPDATER_1.bytes()).await;
    server.api().deploy("updater", fixtures::UPDATER_2.bytes()).await;
    let worker = component.worker("w");
    worker.create(json!({ "version": 0 })).await.expect(201);
    worker.call("add", json!([5])).await;
    let before = worker.oplog().await.last().expect("an entry")["index"].clone();
    worker.update(1, mode).await;
    worker.is_updated_to(1).await;
    assert_eq!(worker.call("add", json!([2])).await, 7);
    (worker, before)
}

async fn is_the_former(server: &mut Server, worker: &Worker) {
    for _ in 0..2 {
        assert_eq!(worker.call("total", json!([])).await, 5);
        let metadata = worker.metadata().await;
        assert_eq!((&metadata["version"], &metadata["status"]), (&json!(0), &json!("idle")));
        assert_eq!(metadata["updates"]["pending"], json!([]), "it is not carried out again");
        worker.invoke("extra", json!([])).await.expect_problem(404, "function-not-found");
        server.restart_after_kill().await;
    }
    assert_eq!(worker.call("add", json!([1])).await, 6);
    assert_eq!(worker.metadata().await, worker.rebuilt_metadata().await);
}

#[tokio::test]
async fn to_an_entry_before_it() {
    for mode in ["automatic", "snapshot"] {
        let mut server = Server::start().await;
        let (worker, before) = updated(&server, mode).await;
        worker.revert(json!({ "toIndex": before })).await.expect(200);
        is_the_former(&mut server, &worker).await;
        // And over again.
        worker.update(1, mode).await;
        worker.is_updated_to(1).await;
        assert_eq!(worker.call("total", json!([])).await, 6, "{mode}");
    }
}

#[tokio::test]
async fn by_taking_back_invocations() {
    for mode in ["automatic", "snapshot"] {
        let mut server = Server::start().await;
        let (worker, _) = updated(&server, mode).await;
        worker.revert(json!({ "lastInvocations": 1 })).await.expect(200);
        assert_eq!(worker.call("total", json!([])).await, 5, "{mode}");
        assert_eq!(worker.metadata().await["version"], 1, "what came before the call stays");
        server.restart_after_kill().await;
        worker.revert(json!({ "lastInvocations": 2 })).await.expect(200);
        assert_eq!(worker.call("total", json!([])).await, 0, "{mode}");
        assert_eq!(worker.metadata().await["version"], 0, "{mode}");
    }
}

#[tokio::test]
async fn into_the_load_of_a_snapshot_it_is_refused() {
    let mut server = Server::start().await;
    let (worker, before) = updated(&server, "snapshot").await;
    let oplog = worker.oplog().await;
    let place = |kind: &str| {
        let entry = oplog.iter().find(|entry| entry["type"] == kind).expect("it is there");
        entry["index"].as_u64().expect("an index")
    };
    let (loaded, done) = (place("snapshot-loaded"), place("update-done"));
    assert!(loaded + 1 < done, "the load brought something into the log");
    for inside in loaded..done {
        let refused = worker.revert(json!({ "toIndex": inside })).await;
        let problem = refused.expect_problem(400, "not-in-history");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("within the load of a snapshot"), "{detail}");
        let fork = worker.fork(json!({ "worker": "fork", "atIndex": inside })).await;
        fork.expect_problem(400, "not-in-history");
    }
    assert_eq!(worker.oplog().await, oplog, "nothing has changed");
    worker.revert(json!({ "toIndex": done })).await.expect(200);
    server.restart_after_kill().await;
    assert_eq!(worker.call("total", json!([])).await, 5);
    assert_eq!(worker.metadata().await["version"], 1);
    worker.revert(json!({ "toIndex": before })).await.expect(200);
    is_the_former(&mut server, &worker).await;
}
