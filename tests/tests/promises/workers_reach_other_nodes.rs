//! What a worker does to another one is done wherever that other one is: promises are completed and
//! awaited, functions called, updates requested, forks made and buckets shared across nodes, each exactly once.

use everlog_tests::cluster::Cluster;
use everlog_tests::{fixtures, wait};
use futures::future::join_all;
use serde_json::json;

#[tokio::test]
async fn promises_are_completed_and_awaited_across_nodes() {
    let mut cluster = Cluster::start(2).await;
    let component = cluster.deploy(&fixtures::PROMISES).await;
    let homes = cluster.homes("promises").await;
    let (maker, other) = (component.worker(&homes[0]), component.worker(&homes[1]));
    let id = maker.call("create", json!([])).await;
    // One awaits it on the other node, one more completes it.
    let third = wait::patiently("a third", cluster.another_at("promises", 1)).await;
    let third = component.worker(&third);
    let key = other.start("wait", json!([id])).await;
    assert_eq!(third.call("complete", json!([id, "first"])).await, true);
    assert_eq!(other.outcome(&key).await["result"], "first");
    assert_eq!(third.call("complete", json!([id, "second"])).await, false);
    assert_eq!(maker.call("wait", json!([id])).await, "first");
    assert_eq!(maker.oplog_of_type("promise-completed-by").await.len(), 1);
    // What was recorded is answered by replay.
    cluster.nodes[1].restart_after_kill().await;
    cluster.settles().await;
    assert_eq!(other.call("wait", json!([id])).await, "first");
}

#[tokio::test]
async fn calls_cross_nodes_once() {
    let mut cluster = Cluster::start(3).await;
    let component = cluster.deploy(&fixtures::RELAY).await;
    let homes = cluster.homes("relay").await;
    let mut others = Vec::new();
    for node in 0..2 {
        let other = wait::patiently("another", cluster.another_at("relay", node)).await;
        others.push(other);
    }
    let chain = [&homes[1], &homes[2], &others[0], &others[1]];
    let locations: Vec<String> =
        chain.iter().map(|name| format!("urn:worker:relay/{name}")).collect();
    let first = component.worker(&homes[0]);
    assert_eq!(first.call("chain", json!([locations, 1])).await, json!([1, 1, 1, 1, 1]));
    assert_eq!(first.call("fan-out", json!([locations, 1])).await, 2 * 4 + 1);
    assert_eq!(first.call("send", json!([locations[0], 3])).await, json!({"ok": null}));
    // Nodes are killed one after the other while the chain is on its way.
    for (round, killed) in [(2, 1), (3, 2), (4, 1)] {
        let key = format!("round-{round}");
        let calling = first.ask_until_answered("chain", json!([locations, round]), &key);
        let (reply, ()) = tokio::join!(calling, async {
            cluster.nodes[killed].restart_after_kill().await;
        });
        reply.expect(200);
        cluster.settles().await;
    }
    for name in [&homes[2], &others[0], &others[1]] {
        let added = component.worker(name).call("added", json!([])).await;
        assert_eq!(added, json!([1, 1, 2, 3, 4]), "{name}");
    }
    let added = component.worker(&homes[1]).call("added", json!([])).await;
    assert_eq!(added, json!([1, 1, 0, 1, 2, 2, 3, 4]));
}

#[tokio::test]
async fn updates_are_requested_across_nodes() {
    let cluster = Cluster::start(2).await;
    let first = cluster.nodes[0].api();
    let component = first.deploy("updater", fixtures::UPDATER_1.bytes()).await;
    first.deploy("updater", fixtures::UPDATER_2.bytes()).await;
    let homes = cluster.homes("updater").await;
    let (target, caller) = (component.worker(&homes[0]), component.worker(&homes[1]));
    for worker in [&target, &caller] {
        worker.create(json!({ "version": 0 })).await.expect(201);
    }
    target.call("add", json!([5])).await;
    caller.call("request-update", json!([homes[0], 1, false, 0])).await;
    target.is_updated_to(1).await;
    assert_eq!(target.call("add", json!([2])).await, 7);
    assert_eq!(target.oplog_of_type("update-requested-by").await.len(), 1);
}

#[tokio::test]
async fn forks_and_deletions_cross_nodes() {
    let cluster = Cluster::start(2).await;
    let component = cluster.deploy(&fixtures::COUNTER).await;
    let homes = cluster.homes("counter").await;
    let (source, heir) = (component.worker(&homes[0]), component.worker(&homes[1]));
    assert_eq!(source.call("add", json!([5])).await, 5);
    source.fork(json!({ "worker": homes[1] })).await.expect(201);
    assert_eq!(heir.call("add", json!([1])).await, 6);
    assert_eq!(source.call("add", json!([2])).await, 7);
    source.fork(json!({ "worker": homes[1] })).await.expect_problem(409, "worker-exists");
    let path = "/v1/components/counter?force=true";
    let api = cluster.nodes[1].api();
    let deleted = everlog_tests::api::send(api.request_path(reqwest::Method::DELETE, path)).await;
    deleted.expect(204);
    for node in &cluster.nodes {
        let gone = node.api().get("/v1/components/counter").await;
        gone.expect_problem(404, "component-not-found");
    }
}

/// A bucket belongs to no node: whoever changes it compares with what is stored.
#[tokio::test]
async fn buckets_are_shared_by_nodes() {
    const ADDITIONS: u64 = 20;
    let cluster = Cluster::start(2).await;
    let component = cluster.deploy(&fixtures::KEY_VALUE).await;
    let workers: Vec<_> = (0..8).map(|number| component.worker(&format!("w{number}"))).collect();
    let adding = workers.iter().map(async |worker| {
        for addition in 0..ADDITIONS {
            let key = addition.to_string();
            worker.call_until_acknowledged("add", json!(["b", "n", 1]), &key).await;
        }
    });
    wait::patiently("all have added", join_all(adding)).await;
    let total = workers[0].call("get", json!(["b", "n"])).await;
    assert_eq!(total["ok"], (8 * ADDITIONS).to_string());
}

/// Workers that sleep when their node dies go on elsewhere by themselves; nobody has to call.
#[tokio::test]
async fn sleepers_wake_on_another_node() {
    let mut cluster = Cluster::start(2).await;
    let component = cluster.deploy(&fixtures::SLEEPER).await;
    let homes = cluster.homes("sleeper").await;
    let sleeper = component.worker(&homes[1]);
    sleeper.start("sleep-often", json!([3, 1_000])).await;
    cluster.nodes[1].kill();
    // Reading its log does not bring it into memory.
    wait::until("it has slept", async || {
        let completed = sleeper.oplog_of_type("invocation-completed").await;
        (completed.len() == 1).then_some(())
    })
    .await;
}
