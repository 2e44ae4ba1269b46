//! The command line does what the API does: components, workers, calls, logs, oplog; text for
//! people, JSON for programs; errors name the problem and exit with 1, wrong usage with 2.

use everlog_tests::command::{run, run_in};
use everlog_tests::{fixtures, server::Server};
use serde_json::json;

async fn with_counter() -> Server {
    let server = Server::start().await;
    let path = fixtures::COUNTER.path().display().to_string();
    run(&server, &["component", "add", "counter", &path]).await.success();
    server
}

#[tokio::test]
async fn components_are_managed() {
    let server = with_counter().await;
    let path = fixtures::COUNTER.path().display().to_string();
    run(&server, &["component", "add", "counter", &path]).await.success();
    let listed = run(&server, &["component", "list", "--output", "json"]).await.json();
    assert_eq!(listed["components"][0]["component"], "counter");
    let got = run(&server, &["component", "get", "counter", "--output", "json"]).await.json();
    assert_eq!((&got["component"], &got["version"]), (&json!("counter"), &json!(0)));
    let text = run(&server, &["component", "list"]).await.success();
    assert!(text.contains("counter"), "{text}");

    run(&server, &["component", "delete", "counter"]).await.success();
    let gone = run(&server, &["component", "get", "counter"]).await;
    assert_eq!(gone.code(), Some(1));
    assert!(gone.errors().contains("component-not-found"), "{}", gone.errors());
}

#[tokio::test]
async fn workers_are_managed() {
    let server = with_counter().await;
    run(&server, &["worker", "create", "counter", "mary"]).await.success();
    let got = run(&server, &["worker", "get", "counter", "mary", "--output", "json"]).await.json();
    assert_eq!((&got["worker"], &got["status"]), (&json!("mary"), &json!("idle")));
    for action in ["crash", "interrupt", "resume"] {
        run(&server, &["worker", action, "counter", "mary"]).await.success();
    }
    let listed = run(&server, &["worker", "list", "--output", "json"]).await.json();
    assert_eq!(listed["workers"][0]["worker"], "mary");

    run(&server, &["worker", "delete", "counter", "mary"]).await.success();
    assert_eq!(run(&server, &["worker", "get", "counter", "mary"]).await.code(), Some(1));
}

#[tokio::test]
async fn what_workers_do_is_seen_and_ended() {
    let server = with_counter().await;
    let json = ["--output", "json"];
    run(&server, &["invoke", "counter", "mary", "add", "1", "--key", "a"]).await.success();
    let delayed = ["invoke", "counter", "mary", "add", "1", "--key", "b", "--delay", "1h"];
    run(&server, &delayed).await.success();
    let seen = run(&server, &[&["worker", "describe", "counter", "mary"][..], &json].concat())
        .await
        .json();
    assert_eq!(
        (&seen["status"], &seen["queue"][0]["idempotencyKey"]),
        (&json!("idle"), &json!("b"))
    );
    let text = run(&server, &["worker", "describe", "counter", "mary"]).await.success();
    assert!(text.contains("queue"), "{text}");
    let list = ["invocation", "list", "counter", "mary", "--ended"];
    let listed = run(&server, &[&list[..], &json].concat()).await.json();
    assert_eq!(listed["invocations"].as_array().map(Vec::len), Some(2), "{listed}");
    let only = [&list[..], &["--status", "scheduled"], &json].concat();
    assert_eq!(run(&server, &only).await.json()["invocations"][0]["idempotencyKey"], "b");
    run(&server, &["invocation", "cancel", "counter", "mary", "b"]).await.success();
    let described =
        run(&server, &["invocation", "describe", "counter", "mary", "b"]).await.success();
    assert!(described.contains("cancelled"), "{described}");
    let again = run(&server, &["invocation", "kill", "counter", "mary", "b"]).await;
    assert!(again.errors().contains("invocation-not-cancellable"), "{}", again.errors());
    let component =
        run(&server, &[&["component", "describe", "counter"][..], &json].concat()).await.json();
    assert_eq!(component["workersByStatus"], json!({ "idle": 1 }));
}

#[tokio::test]
async fn functions_are_invoked() {
    let server = with_counter().await;
    let five = run(&server, &["invoke", "counter", "mary", "add", "5"]).await.success();
    assert_eq!(five.trim(), "5");
    let arguments = ["invoke", "counter", "mary", "add", "7", "--key", "k"];
    assert_eq!(run(&server, &arguments).await.success().trim(), "12");
    assert_eq!(run(&server, &arguments).await.success().trim(), "12", "the key ran before");

    let wrong = run(&server, &["invoke", "counter", "mary", "add", "\"five\""]).await;
    assert_eq!(wrong.code(), Some(1));
    assert!(wrong.errors().contains("invalid-arguments"), "{}", wrong.errors());
    assert_eq!(run(&server, &["invoke", "counter"]).await.code(), Some(2));
}

#[tokio::test]
async fn promises_and_pasts_are_changed() {
    let server = with_counter().await;
    let worker = server.deploy(&fixtures::PROMISES).await.worker("p");
    let id = worker.call("create", json!([])).await;
    let index = id["oplog-idx"].to_string();
    let get = ["promise", "get", "promises", "p", &index, "--output", "json"];
    assert_eq!(run(&server, &get).await.json()["state"], "pending");
    let complete = ["promise", "complete", "promises", "p", &index, "yes", "--output", "json"];
    assert_eq!(run(&server, &complete).await.json()["completed"], true);
    assert_eq!(run(&server, &complete).await.json()["completed"], false);
    assert_eq!(run(&server, &get).await.json()["state"], "completed");
    assert_eq!(worker.call("wait", json!([id])).await, "yes");

    run(&server, &["invoke", "counter", "mary", "add", "5"]).await.success();
    run(&server, &["invoke", "counter", "mary", "add", "5"]).await.success();
    run(&server, &["worker", "fork", "counter", "mary", "bob"]).await.success();
    let revert = ["worker", "revert", "counter", "mary", "--last-invocations", "1"];
    run(&server, &revert).await.success();
    for (name, total) in [("mary", "5"), ("bob", "10")] {
        let got = run(&server, &["invoke", "counter", name, "get"]).await.success();
        assert_eq!(got.trim(), total, "{name}");
    }
    let nowhere = ["worker", "revert", "counter", "mary", "--to-index", "999"];
    let nowhere = run(&server, &nowhere).await;
    assert_eq!(nowhere.code(), Some(1));
    assert!(nowhere.errors().contains("not-in-history"), "{}", nowhere.errors());
    assert_eq!(run(&server, &["worker", "revert", "counter", "mary"]).await.code(), Some(2));
}

#[tokio::test]
async fn oplog_and_logs_are_read() {
    let server = with_counter().await;
    let printer = server.deploy(&fixtures::PRINTER).await.worker("p");
    printer.call("print", json!([["hello", "world"]])).await;
    printer.has_logged("world").await;
    let logs = run(&server, &["worker", "logs", "printer", "p"]).await.success();
    assert!(logs.contains("hello") && logs.contains("world"), "{logs}");

    let lines = ["oplog", "printer", "p", "--output", "jsonl"];
    let lines = run(&server, &lines).await.success();
    assert_eq!(lines.lines().count(), printer.oplog().await.len());
    assert!(lines.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    let text = run(&server, &["oplog", "printer", "p"]).await.success();
    assert!(text.contains("invocation-started"), "{text}");
}

#[tokio::test]
async fn configuration_and_completions_are_printed() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let config = run_in(directory.path(), &["config"]).await.success();
    assert!(config.contains("127.0.0.1:7070"), "{config}");
    for shell in ["bash", "zsh", "fish"] {
        let script = run_in(directory.path(), &["completions", shell]).await.success();
        assert!(script.contains("everlog"), "{shell}: {script}");
    }
    let nobody = ["component", "list", "--server", "http://127.0.0.1:1"];
    let unreachable = run_in(directory.path(), &nobody).await;
    assert_eq!(unreachable.code(), Some(1));
    assert!(unreachable.errors().contains("127.0.0.1:1"), "{}", unreachable.errors());
}

#[tokio::test]
async fn workers_are_updated() {
    let server = Server::start().await;
    for fixture in [fixtures::UPDATER_1, fixtures::UPDATER_2] {
        let path = fixture.path().display().to_string();
        run(&server, &["component", "add", "updater", &path]).await.success();
    }
    let create = ["worker", "create", "updater", "mary", "--version", "0"];
    run(&server, &create).await.success();
    run(&server, &["invoke", "updater", "mary", "add", "5"]).await.success();
    let check = ["component", "check-update", "updater", "--version", "1", "--output", "json"];
    let checked = run(&server, &check).await.json();
    assert_eq!(checked["workers"], json!([{ "worker": "mary", "ok": true }]));
    let worker = server.api().component("updater").worker("mary");
    for (number, mode) in ["automatic", "snapshot"].into_iter().enumerate() {
        let update = ["worker", "update", "updater", "mary", "--version", "1", "--mode", mode];
        let told = run(&server, &update).await.success();
        assert!(told.contains("updater/mary is to go over to version 1"), "{told}");
        worker.is_updated_to(1).await;
        let done = worker.metadata().await["updates"]["successful"].clone();
        assert_eq!(done, json!(vec![1; number + 1]));
    }
    let total = run(&server, &["invoke", "updater", "mary", "total"]).await.success();
    assert_eq!(total.trim(), "5");
    let unknown = run(&server, &["worker", "update", "updater", "mary", "--version", "9"]).await;
    assert_eq!(unknown.code(), Some(1));
    assert!(unknown.errors().contains("has no version 9"), "{}", unknown.errors());
}
