//! What a server says about a Redis that cannot be used, that keeps too little, or that has lost what
//! it acknowledged; and that it never says its password.

use everlog_tests::command::run_in;
use everlog_tests::redis::RedisServer;
use everlog_tests::{fixtures, server::Server, wait};
use serde_json::json;

#[tokio::test]
async fn one_that_keeps_nothing_is_warned_about() {
    let redis = RedisServer::start_with(&["--appendonly", "no"]);
    let server = Server::start_on_redis(redis, &[]).await;
    let log = server.log();
    assert!(log.contains("NOTHING") && log.contains("appendonly yes"), "{log}");

    let careful = Server::start_on_redis(RedisServer::start(), &[]).await;
    assert!(!careful.log().contains("WARN"), "{}", careful.log());
    for (server, keeps) in [(&server, "no"), (&careful, "yes")] {
        let checks = server.api().get("/readyz?verbose").await.expect(200);
        let facts = &checks["checks"][0]["facts"];
        assert_eq!(facts["appendonly"], keeps, "{checks}");
        assert_eq!(facts["role"], "master", "{checks}");
        assert_eq!(facts["replicas"], "0", "{checks}");
    }
}

#[tokio::test]
async fn one_that_lost_its_data_gets_nothing_more() {
    let redis = RedisServer::start_with(&["--appendonly", "no"]);
    let mut server = Server::start_on_redis(redis, &[]).await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    assert_eq!(mary.call("add", json!([5])).await, 5);
    server.redis().kill();
    server.redis().start_again();
    let refused = mary.invoke("add", json!([1])).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    let unready = server.api().get("/readyz").await;
    assert_eq!(unready.status, 503);
    assert!(unready.text().contains("lost what it had acknowledged"), "{}", unready.text());
}

#[tokio::test]
async fn one_that_is_not_there_is_named() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut redis = RedisServer::start();
    let url = redis.url().replace("://", "://mary:s3cret@");
    redis.kill();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--store", &url];
    let refused = wait::patiently("it ends", run_in(directory.path(), &arguments)).await;
    assert_eq!(refused.code(), Some(1));
    let errors = refused.errors();
    assert!(errors.contains(&redis.url()) && errors.contains("refused"), "{errors}");
    assert!(!errors.contains("s3cret"), "{errors}");
    let printed = run_in(directory.path(), &["config", "--store", &url]).await.success();
    assert!(printed.contains("redis://***@127.0.0.1"), "{printed}");
    assert!(!printed.contains("s3cret"), "{printed}");
}

#[tokio::test]
async fn a_password_is_sent_and_never_told() {
    let redis = RedisServer::start_with(&["--appendonly", "yes", "--requirepass", "s3cret"]);
    let (plain, url) = (redis.url(), redis.url().replace("://", "://:s3cret@"));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--store", &plain];
    let refused = wait::patiently("it ends", run_in(directory.path(), &arguments)).await;
    assert!(refused.errors().contains("NOAUTH"), "{}", refused.errors());
    let server = Server::start_on_store(&url, &[]).await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    assert_eq!(mary.call("add", json!([5])).await, 5);
    assert!(!server.log().contains("s3cret"), "{}", server.log());
}
