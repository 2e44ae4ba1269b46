//! What was answered with 202 happens, whatever happens to the server: it is killed right after the
//! answer, or stops after each single entry on the way.

use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server, wait};
use serde_json::json;

/// More entries than a worker makes; reached only if the drill never fires.
const ENTRIES_MAX: u32 = 60;

async fn deploy(server: &Server) -> Worker {
    let component = server.api().deploy("updater", fixtures::UPDATER_1.bytes()).await;
    server.api().deploy("updater", fixtures::UPDATER_2.bytes()).await;
    component.worker("w")
}

#[tokio::test]
async fn a_kill_right_after_the_answer() {
    for mode in ["automatic", "snapshot"] {
        let mut server = Server::start().await;
        let worker = deploy(&server).await;
        worker.create(json!({ "version": 0 })).await.expect(201);
        worker.call("add", json!([5])).await;
        worker.start("steps", json!([2, 300])).await;
        worker.update(1, mode).await;
        server.restart_after_kill().await;
        // Nobody calls: it is carried out by itself.
        worker.is_updated_to(1).await;
        server.restart_after_kill().await;
        assert_eq!(worker.call("add", json!([2])).await, 7, "{mode}");
        assert_eq!(worker.metadata().await["updates"]["successful"], json!([1]), "{mode}");
    }
}

#[tokio::test]
async fn a_kill_while_the_history_is_replayed() {
    let mut server = Server::start().await;
    let worker = deploy(&server).await;
    worker.create(json!({ "version": 0 })).await.expect(201);
    for _ in 0..300 {
        worker.call("add", json!([1])).await;
    }
    for version in [1, 0, 1, 0, 1] {
        worker.update(version, "automatic").await;
        server.restart_after_kill().await;
    }
    wait::until("all five are done", async || {
        let metadata = worker.metadata().await;
        (metadata["updates"]["successful"] == json!([1, 0, 1, 0, 1])).then_some(())
    })
    .await;
    assert_eq!(worker.call("total", json!([])).await, 300);
}

#[tokio::test]
async fn a_stop_after_every_entry() {
    let mut survived = 0;
    for entries in 1..ENTRIES_MAX {
        if !survives_stop_after(entries).await {
            break;
        }
        survived += 1;
    }
    assert!((10..ENTRIES_MAX - 1).contains(&survived), "{survived} stops were survived");
}

/// Works with a stop after so many entries; false if the work ended before it came.
async fn survives_stop_after(entries: u32) -> bool {
    let flag = entries.to_string();
    let flags = ["--stop-after-entries", &flag, "--commit-interval", "1ms"];
    let mut server = Server::start_with(&flags).await;
    let worker = deploy(&server).await;
    let client = tokio::spawn(work(worker.clone()));
    let stopped = wait::until("the server stops or the work is done", async || {
        if server.has_ended() { Some(true) } else { client.is_finished().then_some(false) }
    })
    .await;
    if !stopped {
        return false;
    }
    server.start_again_with(&[]).await;
    client.await.expect("no panic");
    let told = worker.call_until_acknowledged("steps", json!([3, 20]), "s").await;
    let told = told.as_array().expect("steps").clone();
    assert!(told.is_sorted_by_key(|version| version.as_str().map(str::to_owned)), "{told:?}");
    worker.is_updated_to(1).await;
    assert_eq!(worker.messages().await, ["step 0", "step 1", "step 2"], "after {entries}");
    assert_eq!(worker.call("total", json!([])).await, 5, "stopped after {entries} entries");
    true
}

/// Creates, calls, and updates while a call runs, each until it is acknowledged.
async fn work(worker: Worker) {
    worker.create_until_acknowledged(json!({ "version": 0 })).await;
    worker.call_until_acknowledged("add", json!([5]), "a").await;
    let steps = {
        let worker = worker.clone();
        tokio::spawn(async move {
            worker.call_until_acknowledged("steps", json!([3, 20]), "s").await;
        })
    };
    worker.update_until_acknowledged(1, "automatic").await;
    steps.await.expect("no panic");
}
