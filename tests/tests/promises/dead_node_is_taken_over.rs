//! A server that is killed, or paused for longer than its lease, or cut off from Redis: the others take
//! its workers over, no acknowledged call is lost, none is done twice, and when it comes back it neither
//! writes nor answers by what it believed.

use everlog_tests::cluster::{Cluster, CounterLoad, FLAGS};
use everlog_tests::redis::RedisServer;
use everlog_tests::server::Server;
use everlog_tests::wire::Wire;
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, wait};
use serde_json::json;

const WORKERS: usize = 12;

fn workers(cluster: &Cluster) -> Vec<Vec<Worker>> {
    let names = (0..WORKERS).map(|number| format!("w{number}"));
    names.map(|name| cluster.worker("counter", &name)).collect()
}

#[tokio::test]
async fn killed_under_load() {
    let mut cluster = Cluster::start(3).await;
    cluster.deploy(&fixtures::COUNTER).await;
    let load = CounterLoad::start(workers(&cluster));
    for victim in [1, 2, 0] {
        load.advances(300).await;
        cluster.nodes[victim].kill();
        // More than those that can go on without it.
        load.advances(300).await;
        cluster.nodes[victim].start_again().await;
        cluster.settles().await;
    }
    load.verify(workers(&cluster)).await;
}

/// All of them at once: whoever comes back first takes everything.
#[tokio::test]
async fn killed_all_together() {
    let mut cluster = Cluster::start(2).await;
    cluster.deploy(&fixtures::COUNTER).await;
    let load = CounterLoad::start(workers(&cluster));
    load.advances(200).await;
    cluster.nodes.iter_mut().for_each(Server::kill);
    cluster.nodes[1].start_again().await;
    load.advances(200).await;
    cluster.nodes[0].start_again().await;
    cluster.settles().await;
    load.verify(workers(&cluster)).await;
}

#[tokio::test]
async fn paused_for_longer_than_its_lease() {
    let cluster = Cluster::start(2).await;
    cluster.deploy(&fixtures::COUNTER).await;
    let name = &cluster.homes("counter").await[0];
    let [paused, other] = &cluster.worker("counter", name)[..] else { panic!("two") };
    assert_eq!(paused.call("add", json!([5])).await, 5);
    cluster.nodes[0].stop().await;
    let ask = |function: &'static str, key: &'static str| {
        let paused = paused.clone();
        let arguments = if function == "add" { json!([100]) } else { json!([]) };
        tokio::spawn(async move { paused.try_invoke_with_key(function, arguments, key).await })
    };
    // They are in its socket, and it reads them when it goes on.
    let late = [ask("add", "late"), ask("get", "late-get")];
    assert_eq!(other.call("add", json!([1])).await, 6, "the other has taken over");
    cluster.nodes[0].signal("CONT");
    for late in late {
        // It has no answer of its own: it ends, or asks the other.
        match late.await.expect("no panic") {
            Err(_) => {}
            Ok(reply) if reply.status == 503 => {}
            Ok(reply) => {
                let node = format!("http://127.0.0.1:{}", cluster.nodes[1].port());
                assert_eq!(reply.header("everlog-node"), Some(&*node), "{}", reply.text());
            }
        }
    }
    cluster.settles().await;
    assert!(cluster.nodes[0].log().contains("beginning anew"));
    let total = other.call("get", json!([])).await;
    assert!(total == 6 || total == 106, "{total}");
    assert_eq!(paused.call_until_acknowledged("add", json!([100]), "late").await, 106);
    assert_eq!(other.call("get", json!([])).await, 106);
}

/// Whoever gives Redis's address to the promoted replica needs to do nothing else: the servers begin anew
/// by themselves where they were ahead of it, and what waited for a replica is there.
#[tokio::test]
async fn primary_dies_and_a_replica_is_promoted() {
    let redis = RedisServer::start();
    let replica = RedisServer::start_replica(&redis);
    let wire = Wire::start(redis.port()).await;
    let url = format!("redis://127.0.0.1:{}", wire.port());
    let flags = [&FLAGS[..], &["--min-replicas", "1"]].concat();
    let mut cluster = Cluster { redis, nodes: Vec::new() };
    for _ in 0..2 {
        cluster.nodes.push(Server::start_on_store(&url, &flags).await);
    }
    cluster.settles().await;
    wait::until("the replica is seen", async || {
        let metrics = cluster.nodes[0].api().get("/metrics").await.text();
        metrics.lines().any(|line| line == "everlog_store_replicas 1").then_some(())
    })
    .await;
    cluster.deploy(&fixtures::COUNTER).await;
    let load = CounterLoad::start(workers(&cluster));
    load.advances(300).await;
    cluster.redis.kill();
    replica.ask("REPLICAOF NO ONE");
    wire.redirect(replica.port());
    load.advances(300).await;
    cluster.settles().await;
    load.verify(workers(&cluster)).await;
}

#[tokio::test]
async fn redis_is_killed_and_comes_back() {
    let mut cluster = Cluster::start(2).await;
    cluster.deploy(&fixtures::COUNTER).await;
    let load = CounterLoad::start(workers(&cluster));
    for _ in 0..3 {
        load.advances(200).await;
        cluster.redis.kill();
        cluster.redis.start_again();
    }
    load.advances(200).await;
    cluster.settles().await;
    load.verify(workers(&cluster)).await;
    for node in &cluster.nodes {
        assert!(!node.log().contains("beginning anew"), "nobody is taken for dead");
    }
}

/// A node that cannot reach Redis does not answer by what it has in memory, once others may have taken
/// over.
#[tokio::test]
async fn cut_off_from_redis() {
    let mut cluster = Cluster::start(1).await;
    let wire = Wire::start(cluster.redis.port()).await;
    let url = format!("redis://127.0.0.1:{}", wire.port());
    cluster.nodes.push(Server::start_on_store(&url, &FLAGS).await);
    cluster.settles().await;
    cluster.deploy(&fixtures::COUNTER).await;
    let name = &cluster.homes("counter").await[1];
    let [other, cut] = &cluster.worker("counter", name)[..] else { panic!("two") };
    assert_eq!(cut.call("add", json!([5])).await, 5);
    wire.cut();
    let late = tokio::spawn({
        let cut = cut.clone();
        async move { cut.try_invoke_with_key("add", json!([100]), "late").await }
    });
    assert_eq!(other.call("add", json!([1])).await, 6, "the other has taken over");
    // It has 5 in memory, and knows that this may not be the truth any more.
    let stale =
        cut.request(reqwest::Method::GET, &["oplog"]).timeout(std::time::Duration::from_secs(1));
    assert!(stale.send().await.is_err(), "it answers nothing");
    // What watches over it is answered, and told.
    let api = cluster.nodes[1].api();
    assert_eq!(api.get("/livez").await.status, 200);
    let unready = api.get("/readyz").await.expect_problem(503, "unavailable");
    assert!(unready["detail"].is_string(), "{unready}");
    wire.mend();
    if let Ok(reply) = late.await.expect("no panic") {
        assert_ne!(reply.text(), "105", "{}", reply.status);
    }
    cluster.settles().await;
    let total =
        wait::patiently("an answer", cut.call_until_acknowledged("add", json!([100]), "late"));
    assert_eq!(total.await, 106);
    assert_eq!(other.call("get", json!([])).await, 106);
}
