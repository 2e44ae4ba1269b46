//! Two servers on one Redis: the second is refused while the first is alive, and takes over when it
//! is not; a first one that comes back from a pause longer than its lease cannot write one entry,
//! nor answer one caller.

use everlog_tests::command::run_in;
use everlog_tests::redis::RedisServer;
use everlog_tests::{fixtures, server::Server, wait};
use serde_json::json;

#[tokio::test]
async fn the_second_is_refused_while_the_first_is_alive() {
    let mut server = Server::start_on_redis(RedisServer::start(), &[]).await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    mary.call("add", json!([5])).await;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let url = server.redis().url();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--store", &url];
    let second = wait::patiently("it ends", run_in(directory.path(), &arguments)).await;
    assert_eq!(second.code(), Some(1));
    assert!(second.errors().contains("in use by node 1"), "{}", second.errors());
    assert_eq!(mary.call("add", json!([1])).await, 6);
    // Another prefix is another store.
    let other = Server::start_on_store(&url, &["--store-prefix", "other:"]).await;
    let mary = other.deploy(&fixtures::COUNTER).await.worker("mary");
    assert_eq!(mary.call("add", json!([1])).await, 1);
}

#[tokio::test]
async fn one_that_was_away_too_long_writes_nothing() {
    let first = Server::start_on_redis(RedisServer::start(), &[]).await;
    let mary = first.deploy(&fixtures::COUNTER).await.worker("mary");
    assert_eq!(mary.call("add", json!([5])).await, 5);
    first.signal("STOP");
    let late = tokio::spawn({
        let mary = mary.clone();
        async move { mary.invoke_with_key("add", json!([100]), "late").await }
    });
    // It waits for the lease to end.
    let second = Server::start_beside(&first).await;
    let same = second.api().component("counter").worker("mary");
    assert_eq!(same.call("add", json!([1])).await, 6);
    let entries = same.oplog().await;
    first.signal("CONT");
    let refused = late.await.expect("no panic");
    assert_eq!(refused.status, 503, "{}", refused.text());
    wait::until("the first one says so", async || {
        let unready = first.api().get("/readyz").await;
        unready.text().contains("belongs to session 2").then_some(())
    })
    .await;
    let refused = mary.invoke("add", json!([100])).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert_eq!(same.oplog().await, entries, "nothing was written");
    assert_eq!(same.call("get", json!([])).await, 6);
}
