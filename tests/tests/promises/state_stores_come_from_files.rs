//! State stores are set up by component files in the format of Dapr; what a file says and nobody
//! understands keeps the server from starting, with the file, the line and the field.

use everlog_tests::command::run_in;
use everlog_tests::redis::RedisServer;
use everlog_tests::server::Server;
use everlog_tests::state::{ComponentFiles, component_file, refused};
use futures::future::join_all;
use serde_json::json;

#[tokio::test]
async fn with_prefixes_scopes_and_times() {
    let short = component_file("short", "state.everlog", &[("ttlInSeconds", "3600")]);
    let hidden = component_file("hidden", "state.everlog", &[]) + "scopes: [till]\n";
    let lenient = component_file("lenient", "state.everlog", &[("etagOnMissing", "accept")]);
    let files = ComponentFiles::write(&[
        ("all.yaml", &format!("{short}---\n{hidden}")),
        ("lenient.yml", &lenient),
        ("notes.txt", "no YAML: [\n"),
    ]);
    let flags = ["--resources-path", files.path(), "--app-id", "shop"];
    let mut server = Server::start_with(&flags).await;
    refused(&server.state("hidden").try_get("k").await, 400, "ERR_STATE_STORE_NOT_FOUND");
    let short = server.state("short");
    short.put("k", 1).await;
    assert!(short.try_get("k").await.header("metadata.ttlexpiretime").is_some());
    let endless = json!([{ "key": "k", "value": 1, "metadata": { "ttlInSeconds": "-1" } }]);
    short.save(endless).await;
    assert_eq!(short.try_get("k").await.header("metadata.ttlexpiretime"), None);
    // Each store has its own keys.
    server.state("statestore").expect_absent("k").await;
    server.state("lenient").expect_absent("k").await;
    let lenient = server.state("lenient");
    lenient.save(json!([{ "key": "k", "value": 2, "etag": "1234" }])).await;
    lenient.try_delete("never", Some("1")).await.expect(204);
    let metadata = server.api().get("/v1.0/metadata").await.expect(200);
    let names: Vec<&str> = metadata["components"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    assert_eq!(names, ["lenient", "short", "statestore"]);

    // Under another name the server has other keys.
    server.kill();
    server.start_again_with(&["--resources-path", files.path(), "--app-id", "till"]).await;
    server.state("short").expect_absent("k").await;
    server.state("hidden").put("k", 3).await;
    server.kill();
    server.start_again_with(&flags).await;
    assert_eq!(server.state("short").get("k").await, 1);
}

#[tokio::test]
async fn in_a_redis_as_dapr_keeps_them() {
    let mut redis = RedisServer::start_with(&["--requirepass", "s3cret"]);
    let host = format!("127.0.0.1:{}", redis.port());
    let settings = [("redisHost", host.as_str()), ("redisPassword", "s3cret"), ("redisDB", "2")];
    let file = component_file("statestore", "state.redis", &settings);
    let files = ComponentFiles::write(&[("statestore.yaml", &file)]);
    let server = Server::start_with(&["--resources-path", files.path(), "--app-id", "shop"]).await;
    let store = server.state("statestore");
    let ask = |redis: &RedisServer, command: &str| {
        redis.ask(&format!("AUTH s3cret\r\nSELECT 2\r\n{command}"))
    };
    // What Dapr wrote is read, and counted on.
    ask(&redis, "HSET shop||old data 41 version 3");
    assert_eq!((store.get("old").await, store.etag("old").await), (json!(41), "3".to_owned()));
    store.save(json!([{ "key": "old", "value": 42, "etag": "3" }])).await;
    assert_eq!(store.etag("old").await, "4");
    let hash = ask(&redis, "HGETALL shop||old");
    assert!(hash.contains("42") && hash.contains("version"), "{hash}");
    // So is a value that something else put there.
    ask(&redis, "SET shop||plain 7");
    assert_eq!(store.get("plain").await, 7);
    store.put("plain", 8).await;
    assert_eq!(store.get("plain").await, 8);

    // As Redis answers: an ETag where nothing is, and one that is no number.
    store.save(json!([{ "key": "new", "value": 1, "etag": "1234" }])).await;
    let odd = json!([{ "key": "new", "value": 2, "etag": "odd" }]);
    refused(&store.try_save(odd).await, 400, "ERR_STATE_SAVE");
    // Other than there: an ETag does not come back.
    let etag = store.etag("new").await;
    store.delete("new").await;
    store.put("new", 3).await;
    let late = json!([{ "key": "new", "value": 4, "etag": etag }]);
    refused(&store.try_save(late).await, 409, "ERR_STATE_SAVE");
    refused(&store.query(&json!({})).await, 500, "ERR_STATE_STORE_NOT_SUPPORTED");

    let etag = store.etag("new").await;
    let writes = (0..64)
        .map(|writer| store.try_save(json!([{ "key": "new", "value": writer, "etag": etag }])));
    let told = join_all(writes).await;
    assert_eq!(told.iter().filter(|reply| reply.status == 204).count(), 1);

    // A Redis that is away fails calls, and nothing else.
    redis.kill();
    refused(&store.try_get("new").await, 500, "ERR_STATE_GET");
    redis.start_again();
    everlog_tests::wait::until("the store is back", async || {
        (store.try_get("new").await.status != 500).then_some(())
    })
    .await;
}

#[tokio::test]
async fn or_the_server_does_not_start() {
    for (kind, metadata, expected) in [
        ("state.mongodb", &[][..], "store.yaml:6: spec.type: there is no state.mongodb here"),
        ("state.everlog", &[("redisHost", "h")], "store.yaml:9: spec.metadata.redisHost: "),
        ("state.redis", &[], "store.yaml:1: spec.metadata.redisHost: it is missing"),
    ] {
        let file = component_file("s", kind, metadata);
        let files = ComponentFiles::write(&[("store.yaml", &file)]);
        let directory = tempfile::tempdir().expect("a directory");
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--resources-path", files.path()];
        let ended = run_in(directory.path(), &arguments).await;
        assert_eq!(ended.code(), Some(1), "{}", ended.errors());
        let expected = format!("{}/{expected}", files.path());
        assert!(ended.errors().contains(&expected), "{}", ended.errors());
    }
}
