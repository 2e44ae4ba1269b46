//! `GET …/oplog.bin` is a whole worker: another server makes it from that, and it goes on as if it had
//! always been there. What is not exactly such a file changes nothing.

use everlog_tests::api::{Component, send};
use everlog_tests::command::run;
use everlog_tests::reply::Reply;
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, seed, server::Server};
use rand::Rng;
use reqwest::Method;
use serde_json::json;

/// More than stands in an entry, so that it goes to a blob.
const LARGE_BYTES: usize = 300 << 10;

/// Damaged files that are tried, of each sort.
const TRIES: usize = 40;

async fn export(worker: &Worker) -> Vec<u8> {
    let reply = send(worker.request(Method::GET, &["oplog.bin"])).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.bytes
}

async fn import(worker: &Worker, file: Vec<u8>) -> Reply {
    send(worker.request(Method::PUT, &["oplog.bin"]).body(file)).await
}

/// A worker with some history, and the component that it is of.
async fn mary(server: &Server) -> (Component, Worker) {
    let component = server.deploy(&fixtures::COUNTER).await;
    let mary = component.worker("mary");
    mary.call("add", json!([5])).await;
    mary.invoke_with_key("add", json!([2]), "k").await.expect(200);
    (component, mary)
}

#[tokio::test]
async fn it_goes_on_with_all_that_it_knew() {
    let (mut here, mut there) = (Server::start().await, Server::start().await);
    let (_, mary) = mary(&here).await;
    here.restart_after_kill().await;
    let file = export(&mary).await;
    let moved = there.deploy(&fixtures::COUNTER).await.worker("mary");
    let created = import(&moved, file.clone()).await.expect(201);
    assert_eq!((&created["worker"], &created["status"]), (&json!("mary"), &json!("idle")));
    assert_eq!(moved.invoke_with_key("add", json!([2]), "k").await.expect(200), 7, "it ran there");
    there.restart_after_kill().await;
    assert_eq!(moved.call("add", json!([1])).await, 8);
    assert_eq!(mary.call("get", json!([])).await, 7, "the source is untouched");
    assert_eq!(moved.metadata().await, moved.rebuilt_metadata().await);
    import(&moved, file).await.expect_problem(409, "worker-exists");
    assert_eq!(moved.call("get", json!([])).await, 8);
}

#[tokio::test]
async fn on_the_same_server_it_comes_back_under_its_name() {
    let mut server = Server::start().await;
    let (component, mary) = mary(&server).await;
    let before = mary.oplog().await;
    let file = export(&mary).await;
    mary.delete().await;
    import(&mary, file.clone()).await.expect(201);
    assert_eq!(mary.oplog().await, before, "to the letter");
    import(&component.worker("bob"), file).await.expect(201);
    server.restart_after_kill().await;
    assert_eq!(mary.call("get", json!([])).await, 7);
    assert_eq!(component.worker("bob").call("get", json!([])).await, 7);
}

#[tokio::test]
async fn in_the_middle_of_an_invocation_it_goes_on_by_itself() {
    let (here, there) = (Server::start().await, Server::start().await);
    let waiting = here.deploy(&fixtures::PROMISES).await.worker("w");
    let key = waiting.start("create-and-wait", json!([])).await;
    let promise = waiting.made_promise().await;
    let file = export(&waiting).await;
    let moved = there.deploy(&fixtures::PROMISES).await.worker("w");
    import(&moved, file).await.expect(201);
    assert_eq!(moved.completes(&promise, "there").await, true);
    assert_eq!(moved.outcome(&key).await["result"], "there");
    assert_eq!(waiting.promise(&promise).await.expect(200)["state"], "pending");
}

#[tokio::test]
async fn large_arguments_and_values_go_along() {
    let (here, mut there) = (Server::start().await, Server::start().await);
    let reader = here.deploy(&fixtures::KEY_VALUE).await.worker("reader");
    let large = "x".repeat(LARGE_BYTES);
    reader.call("set", json!(["b", "k", large])).await;
    reader.call("remember", json!(["b", "k"])).await;
    let remembered = reader.call("remembered", json!([])).await;
    assert!(remembered.to_string().len() > LARGE_BYTES);
    let file = export(&reader).await;
    assert!(file.len() > LARGE_BYTES, "the blobs are in it");
    let moved = there.deploy(&fixtures::KEY_VALUE).await.worker("reader");
    import(&moved, file).await.expect(201);
    there.restart_after_kill().await;
    assert_eq!(moved.call("remembered", json!([])).await, remembered, "it is replayed there");
}

#[tokio::test]
async fn damaged_files_are_refused_and_nothing_changes() {
    let server = Server::start().await;
    let (component, mary) = mary(&server).await;
    let file = export(&mary).await;
    let target = component.worker("target");
    let mut random = seed::generator();
    for _ in 0..TRIES {
        let mut flipped = file.clone();
        let bit = random.random_range(0..file.len() * 8);
        flipped[bit / 8] ^= 1 << (bit % 8);
        let refused = import(&target, flipped).await;
        assert_eq!(refused.status, 400, "bit {bit} is flipped: {}", refused.text());
        refused.expect_problem(400, "invalid-oplog");
        let length = random.random_range(0..file.len());
        let cut = import(&target, file[..length].to_vec()).await;
        assert_eq!(cut.status, 400, "cut at {length}: {}", cut.text());
        cut.expect_problem(400, "invalid-oplog");
    }
    let mut longer = file.clone();
    longer.push(0);
    import(&target, longer).await.expect_problem(400, "invalid-oplog");
    let mut later = file.clone();
    later[8] = 2;
    let problem = import(&target, later).await.expect_problem(400, "invalid-oplog");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("has format 2; this release reads format 1"), "{detail}");
    let missing = send(target.request(Method::GET, &[])).await;
    missing.expect_problem(404, "worker-not-found");
    import(&target, file).await.expect(201);
    assert_eq!(target.call("get", json!([])).await, 7);
}

#[tokio::test]
async fn another_component_and_missing_versions_are_refused() {
    let (here, there) = (Server::start().await, Server::start().await);
    let component = here.api().deploy("updater", fixtures::UPDATER_1.bytes()).await;
    here.api().deploy("updater", fixtures::UPDATER_2.bytes()).await;
    let worker = component.worker("w");
    worker.create(json!({ "version": 0 })).await.expect(201);
    worker.call("add", json!([5])).await;
    worker.update(1, "automatic").await;
    worker.is_updated_to(1).await;
    let file = export(&worker).await;

    let nowhere = there.api().component("updater").worker("w");
    import(&nowhere, file.clone()).await.expect_problem(404, "component-not-found");
    let other = there.api().deploy("updater", fixtures::UPDATER_2.bytes()).await.worker("w");
    let problem = import(&other, file.clone()).await.expect_problem(409, "component-differs");
    assert!(problem["detail"].as_str().is_some_and(|told| told.contains("version 0")), "{problem}");
    let right = there.api().deploy("right", fixtures::UPDATER_1.bytes()).await.worker("w");
    let problem = import(&right, file.clone()).await.expect_problem(409, "component-differs");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("version 1 is not deployed"), "{detail}");
    there.api().deploy("right", fixtures::UPDATER_2.bytes()).await;
    import(&right, file).await.expect(201);
    assert_eq!(right.call("add", json!([1])).await, 6);
    assert_eq!(right.metadata().await["version"], 1);
}

#[tokio::test]
async fn by_the_command_line() {
    let server = Server::start().await;
    mary(&server).await;
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("mary.oplog").display().to_string();
    run(&server, &["worker", "export", "counter", "mary", &file]).await.success();
    let again = run(&server, &["worker", "export", "counter", "mary", &file]).await;
    assert_eq!(again.code(), Some(1), "it overwrites nothing");
    run(&server, &["worker", "import", "counter", "bob", &file]).await.success();
    let got = run(&server, &["invoke", "counter", "bob", "get"]).await.success();
    assert_eq!(got.trim(), "7");
    let taken = run(&server, &["worker", "import", "counter", "bob", &file]).await;
    assert!(taken.errors().contains("worker-exists"), "{}", taken.errors());
}
