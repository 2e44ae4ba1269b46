//! `oplog-commit(n)` and the setting `min-replicas` wait until min(n, those there are) replicas of
//! Redis have what was written, and an interruption ends the wait of a guest.

use everlog_tests::process;
use everlog_tests::redis::RedisServer;
use everlog_tests::{fixtures, server::Server, wait};
use serde_json::json;

/// Waits until the server counts so many replicas.
async fn has_replicas(server: &Server, count: u32) {
    let line = format!("everlog_store_replicas {count}");
    wait::until("the server counts the replicas", async || {
        let metrics = server.api().get("/metrics").await;
        metrics.text().lines().any(|found| found == line).then_some(())
    })
    .await;
}

/// Waits until it was looked again and again whether replicas have everything.
async fn look_some_times(server: &mut Server) {
    let mut rounds = || {
        let answer = server.redis().ask("HGET everlog:writer:1 marks");
        answer.lines().nth(1).and_then(|line| line.trim().parse::<u64>().ok()).unwrap_or(0)
    };
    let before = rounds();
    wait::until("it was looked again", async || (rounds() >= before + 3).then_some(())).await;
}

#[tokio::test]
async fn as_many_as_there_are() {
    let mut server = Server::start_on_redis(RedisServer::start(), &[]).await;
    let worker = server.deploy(&fixtures::OPLOG_CONTROL).await.worker("c");
    worker.call("commit", json!([2])).await;
    let first = RedisServer::start_replica(server.redis());
    has_replicas(&server, 1).await;
    worker.call("commit", json!([2])).await;
    let second = RedisServer::start_replica(server.redis());
    has_replicas(&server, 2).await;

    // One of two hangs: one is enough for who asks for one, and not for who asks for two.
    process::stop(second.process_id()).await;
    worker.call("commit", json!([1])).await;
    let key = worker.start("commit", json!([2])).await;
    look_some_times(&mut server).await;
    let state = worker.invocation_state(&key).await.expect(200);
    assert_ne!(state["status"], "completed", "the second has nothing of it");
    second.signal("CONT");
    assert_eq!(worker.outcome(&key).await["status"], "completed");
    drop(first);
}

#[tokio::test]
async fn a_wait_can_be_interrupted() {
    let mut server = Server::start_on_redis(RedisServer::start(), &[]).await;
    let replica = RedisServer::start_replica(server.redis());
    has_replicas(&server, 1).await;
    let worker = server.deploy(&fixtures::OPLOG_CONTROL).await.worker("c");
    worker.call("position", json!([])).await;
    process::stop(replica.process_id()).await;
    let key = worker.start("commit", json!([1])).await;
    look_some_times(&mut server).await;
    worker.obey("interrupt").await;
    worker.reaches("interrupted").await;
    replica.signal("CONT");
    worker.obey("resume").await;
    assert_eq!(worker.outcome(&key).await["status"], "completed");
}

/// What was answered is on the replica, which is promoted when the primary is gone.
#[tokio::test]
async fn with_min_replicas_every_answer_waits() {
    let mut server = Server::start_on_redis(RedisServer::start(), &["--min-replicas", "1"]).await;
    let replica = RedisServer::start_replica(server.redis());
    has_replicas(&server, 1).await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    mary.call("add", json!([5])).await;
    process::stop(replica.process_id()).await;
    let late = tokio::spawn({
        let mary = mary.clone();
        async move { mary.call("add", json!([1])).await }
    });
    look_some_times(&mut server).await;
    assert!(!late.is_finished(), "the replica does not have it");
    replica.signal("CONT");
    assert_eq!(late.await.expect("no panic"), 6);
    server.redis().kill();
    server.kill();
    replica.ask("REPLICAOF NO ONE");
    let promoted = Server::start_on_redis(replica, &[]).await;
    let same = promoted.api().component("counter").worker("mary");
    assert_eq!(same.call("add", json!([1])).await, 7);
}
