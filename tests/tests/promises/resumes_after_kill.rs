//! A worker goes on after `kill -9` of the server as if nothing had happened: between calls with
//! its memory, in the middle of a call at the line where it was.

use everlog_tests::{fixtures, server::Server};
use serde_json::json;

#[tokio::test]
async fn a_counter_keeps_its_total() {
    let mut server = Server::start().await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    assert_eq!(mary.call("add", json!([5])).await, 5);
    server.restart_after_kill().await;
    assert_eq!(mary.call("add", json!([1])).await, 6);
    server.restart_after_kill().await;
    assert_eq!(mary.call("get", json!([])).await, 6);
}

#[tokio::test]
async fn an_example_keeps_its_records() {
    let mut server = Server::start().await;
    let list = server.deploy(&fixtures::TODO).await.worker("mary");
    let milk = json!({"title": "buy milk", "priority": "high"});
    let task = list.call("add", milk).await["ok"].clone();
    assert_eq!(task["state"], "open");
    list.call("add", json!({"title": "sleep"})).await;
    let done = list.call("complete", json!([1])).await["ok"].clone();
    server.restart_after_kill().await;

    let tasks = list.call("all", json!([false])).await;
    assert_eq!(tasks[0], done, "the second in which it was done is replayed, too");
    assert_eq!(tasks[1]["priority"], "normal");
    let again = list.call("complete", json!([1])).await;
    assert_eq!(again["err"]["already-closed"], done);
}

#[tokio::test]
async fn a_running_call_goes_on_where_it_was() {
    let mut server = Server::start().await;
    let printer = server.deploy(&fixtures::PRINTER).await.worker("p");
    let key = printer.start("count", json!([20, 50])).await;
    printer.has_logged("line 5").await;
    server.restart_after_kill().await;
    printer.has_logged("line 10").await;
    server.restart_after_kill().await;

    assert_eq!(printer.outcome(&key).await["status"], "completed");
    let lines: Vec<String> = (1..=20).map(|line| format!("line {line}")).collect();
    assert_eq!(printer.messages().await, lines);
}

#[tokio::test]
async fn a_fresh_server_knows_components_and_workers() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::COUNTER).await;
    for name in ["mary", "a/b c", "größe", "100%"] {
        assert_eq!(component.worker(name).call("add", json!([1])).await, 1);
    }
    let described = component.description().await;
    server.restart_after_kill().await;

    assert_eq!(component.description().await, described);
    for name in ["mary", "a/b c", "größe", "100%"] {
        assert_eq!(component.worker(name).metadata().await["worker"], name);
        assert_eq!(component.worker(name).call("add", json!([1])).await, 2);
    }
}
