//! Servers on one Redis are one service: each has its share of the workers, any of them takes any
//! request, and who joins or leaves disturbs no caller.

use everlog_tests::cluster::{Cluster, CounterLoad, settles};
use everlog_tests::command::run_in;
use everlog_tests::outside::Outside;
use everlog_tests::{fixtures, wait};
use serde_json::json;

#[tokio::test]
async fn any_server_takes_any_request() {
    let cluster = Cluster::start(3).await;
    let counter = cluster.deploy(&fixtures::COUNTER).await;
    // The others know of the component when the upload is answered.
    for node in &cluster.nodes {
        let description = node.api().component("counter").description().await;
        assert_eq!(description["componentId"], counter.id.as_str());
    }
    let homes = cluster.homes("counter").await;
    assert_eq!(homes.len(), 3);
    for name in &homes {
        for (calls, worker) in (1..).zip(cluster.worker("counter", name)) {
            assert_eq!(worker.call("add", json!([1])).await, calls);
        }
        let [first, second, third] = &cluster.worker("counter", name)[..] else { panic!("three") };
        assert_eq!(first.oplog().await, second.oplog().await);
        // The same key is the same call, whoever takes it.
        let reply = first.invoke_with_key("add", json!([5]), "k").await;
        assert_eq!(reply.expect(200), 8);
        assert_eq!(third.invoke_with_key("add", json!([5]), "k").await.expect(200), 8);
        let reused = second.invoke_with_key("add", json!([6]), "k").await;
        reused.expect_problem(422, "idempotency-key-reused");
    }
    for node in &cluster.nodes {
        let metrics = node.api().get("/metrics").await.text();
        assert!(metrics.lines().any(|line| line == "everlog_cluster_nodes 3"), "{metrics}");
        let listed = node.api().get("/v1/workers?component=counter").await.expect(200);
        assert_eq!(listed["workers"].as_array().expect("a list").len(), 3);
    }
}

#[tokio::test]
async fn the_command_line_shows_who_is_there() {
    let cluster = Cluster::start(2).await;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = format!("http://127.0.0.1:{}", cluster.nodes[1].port());
    let arguments = ["--server", &server, "cluster", "status"];
    let printed = wait::patiently("it ends", run_in(directory.path(), &arguments)).await;
    let lines: Vec<String> = printed.output().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[1].contains(&cluster.nodes[0].port().to_string()), "{lines:?}");
    assert!(lines[2].contains("serving") && lines[2].ends_with("this one"), "{lines:?}");
}

/// No client tries anything twice here: each call is answered at the first attempt.
#[tokio::test]
async fn who_joins_and_leaves_disturbs_no_caller() {
    let mut cluster = Cluster::start(2).await;
    cluster.deploy(&fixtures::COUNTER).await;
    let workers = |cluster: &Cluster| {
        let names = (0..12).map(|number| format!("w{number}"));
        names.map(|name| cluster.worker("counter", &name)).collect::<Vec<_>>()
    };
    // Callers speak to the first server only, which stays.
    let stays = |cluster: &Cluster| {
        workers(cluster).into_iter().map(|worker| worker[..1].to_vec()).collect::<Vec<_>>()
    };
    let load = CounterLoad::start_without_second_tries(stays(&cluster));
    load.advances(200).await;
    cluster.add().await;
    cluster.settles().await;
    load.advances(200).await;
    let mut leaver = cluster.nodes.remove(1);
    let left = leaver.terminate().await;
    assert!(left.success(), "{left}");
    let nodes: Vec<_> = cluster.nodes.iter().collect();
    settles(&nodes).await;
    load.advances(200).await;
    load.verify(workers(&cluster)).await;
}

/// A request that must not be sent twice is on its way when its worker is to go to another server: its
/// answer is waited for, and the worker goes on there.
#[tokio::test]
async fn a_request_that_must_not_be_repeated_is_waited_for() {
    const WORKERS: usize = 8;
    /// Enough to know that nothing moves any more.
    const LOOKS: u32 = 50;
    let outside = Outside::start().await;
    let mut cluster = Cluster::start(1).await;
    let component = cluster.deploy(&fixtures::HTTP_CLIENT).await;
    let mut calls = Vec::new();
    for number in 0..WORKERS {
        let worker = component.worker(&format!("w{number}"));
        let request = json!({
            "method": "POST", "url": outside.url("/held/a"), "headers": [], "body": "pay",
        });
        let key = worker.start("send-once", json!([request])).await;
        calls.push((worker, key));
    }
    outside.has_received("/held/a", WORKERS).await;
    // Some of them are to go to it.
    cluster.add().await;
    // It gets shards, until one comes in turn whose worker has to be waited for.
    let (mut before, mut looks) = (0, 0);
    wait::until("the hand-over waits", async || {
        let status = cluster.nodes[0].api().get("/v1/cluster").await.expect(200);
        let shards = status["nodes"][1]["shards"].as_u64().unwrap_or(0);
        looks = if shards == before { looks + 1 } else { 0 };
        before = shards;
        (status["nodes"][1]["state"] == "serving" && shards < 512 && looks > LOOKS).then_some(())
    })
    .await;
    outside.allow("a", WORKERS);
    for (worker, key) in &calls {
        let outcome = worker.outcome(key).await;
        assert_eq!(outcome["result"]["ok"]["body"], "POST /held/a pay", "{outcome}");
    }
    cluster.settles().await;
    assert_eq!(outside.count("/held/a"), WORKERS, "each was sent once");
    let moved = calls.iter().map(|(worker, _)| worker.metadata());
    for metadata in futures::future::join_all(moved).await {
        assert_eq!(metadata["status"], "idle", "{metadata}");
    }
}
