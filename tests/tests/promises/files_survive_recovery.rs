//! A worker's files are as it left them after every recovery: content, names, sizes and times.

use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server};
use serde_json::{Value, json};

async fn ok(worker: &Worker, function: &str, arguments: Value) -> Value {
    let result = worker.call(function, arguments).await;
    assert!(result.get("ok").is_some(), "{function}: {result}");
    result["ok"].clone()
}

async fn fill(worker: &Worker) {
    ok(worker, "write", json!(["b.txt", "first"])).await;
    ok(worker, "append", json!(["b.txt", " second"])).await;
    ok(worker, "create-directory", json!(["inner"])).await;
    ok(worker, "write", json!(["inner/c.txt", "in"])).await;
    ok(worker, "write", json!(["old.txt", "renamed"])).await;
    ok(worker, "rename", json!(["old.txt", "a.txt"])).await;
    ok(worker, "write", json!(["gone.txt", "removed"])).await;
    ok(worker, "remove", json!(["gone.txt"])).await;
    ok(worker, "create-directory", json!(["empty"])).await;
    ok(worker, "remove-directory", json!(["empty"])).await;
}

/// All that a guest can see of its files.
async fn view(worker: &Worker) -> Value {
    let mut seen = json!({"names": ok(worker, "names", json!(["."])).await});
    seen["inner"] = ok(worker, "names", json!(["inner"])).await;
    for path in ["a.txt", "b.txt", "inner/c.txt"] {
        seen[path] = json!({
            "text": ok(worker, "read", json!([path])).await,
            "stat": ok(worker, "stat", json!([path])).await,
        });
    }
    seen["directory"] = ok(worker, "stat", json!(["inner"])).await;
    seen
}

#[tokio::test]
async fn files_are_the_same_after_kill() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::FILES).await.worker("f");
    fill(&worker).await;
    let before = view(&worker).await;
    assert_eq!(before["b.txt"]["text"], "first second");
    assert_eq!(before["names"].as_array().map(Vec::len), Some(3), "{before}");
    server.restart_after_kill().await;
    assert_eq!(view(&worker).await, before);
    worker.obey("crash").await;
    assert_eq!(view(&worker).await, before);

    ok(&worker, "append", json!(["b.txt", " third"])).await;
    assert_eq!(ok(&worker, "read", json!(["b.txt"])).await, "first second third");
}

#[tokio::test]
async fn a_later_write_has_a_later_time() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::FILES).await.worker("f");
    ok(&worker, "write", json!(["a", "1"])).await;
    let first = ok(&worker, "stat", json!(["a"])).await;
    let begun = everlog_tests::wait::wall_clock();
    everlog_tests::wait::until_wall_clock(begun + 10).await;
    ok(&worker, "append", json!(["a", "2"])).await;
    let second = ok(&worker, "stat", json!(["a"])).await;
    assert!(second["modified"].as_u64() > first["modified"].as_u64(), "{first} {second}");
}

#[tokio::test]
async fn a_worker_sees_only_its_own() {
    let server = Server::start().await;
    let component = server.deploy(&fixtures::FILES).await;
    let worker = component.worker("f");
    ok(&worker, "write", json!(["secret.txt", "mine"])).await;
    let other = component.worker("other");
    assert!(other.call("read", json!(["secret.txt"])).await["err"].is_string());
    for path in ["../secret.txt", "/etc/passwd", "../../../../etc/passwd"] {
        let read = other.call("read", json!([path])).await;
        assert!(read["err"].is_string(), "{path}: {read}");
    }
}
