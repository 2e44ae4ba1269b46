//! Replay is checked: a guest that does something else than the oplog says is stopped before it
//! does harm, and the report says at which entry, what was recorded and what was asked.

use everlog_tests::{fixtures, server::Server, wait};
use serde_json::json;

#[tokio::test]
async fn a_diverging_worker_is_stalled() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::DIVERGER).await.worker("d");
    let deadline = wait::wall_clock() + 3_000;
    worker.call("diverge-after", json!([deadline])).await;
    let before = worker.oplog().await;
    wait::until_wall_clock(deadline).await;
    server.restart_after_kill().await;

    let refused = worker.invoke("harmless", json!([])).await;
    assert!(refused.status >= 400, "{}", refused.text());
    let metadata = worker.reaches("stalled").await;
    let report = metadata["lastError"].as_str().expect("a report");
    assert!(report.contains("random") && report.contains("monotonic-clock"), "{report}");

    let recorded = before
        .iter()
        .find(|entry| entry.to_string().contains("random"))
        .unwrap_or_else(|| panic!("no draw in {before:?}"));
    assert!(report.contains(&recorded["index"].to_string()), "{report} names {recorded}");
    let after = worker.oplog().await;
    assert_eq!(after[..before.len()], before, "what was written stays as it was");
}

#[tokio::test]
async fn others_go_on() {
    let server = Server::start().await;
    let component = server.deploy(&fixtures::DIVERGER).await;
    let stalled = component.worker("stalled");
    let deadline = wait::wall_clock() + 2_000;
    stalled.call("diverge-after", json!([deadline])).await;
    wait::until_wall_clock(deadline).await;
    stalled.obey("crash").await;
    stalled.reaches("stalled").await;
    assert_eq!(component.worker("other").call("harmless", json!([])).await, 42);
    assert_eq!(component.call_ephemeral("harmless", json!([])).await.expect(200), 42);
}
