//! Of those who saw the same value only one puts another in its place; whoever comes late is told
//! what is there instead. The same value written again is not what was seen before.

use everlog_tests::{fixtures, server::Server, worker::Worker};
use futures::future::join_all;
use serde_json::{Value, json};

const WORKERS: usize = 16;

#[tokio::test]
async fn among_sixteen_who_saw_the_same() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::KEY_VALUE_DRAFT2).await;
    let workers: Vec<Worker> =
        (0..WORKERS).map(|number| component.worker(&format!("w{number}"))).collect();
    workers[0].call("set", json!(["b", "k", "free"])).await;
    for worker in &workers {
        assert_eq!(worker.call("look", json!(["b", "k"])).await["ok"], "free");
    }
    // What was seen survives the server.
    server.restart_after_kill().await;
    let swaps = workers.iter().enumerate().map(|(number, worker)| async move {
        worker.call("swap", json!([format!("taken by {number}")])).await
    });
    let told = join_all(swaps).await;
    let winners: Vec<usize> =
        (0..WORKERS).filter(|number| told[*number].get("ok").is_some()).collect();
    assert_eq!(winners.len(), 1, "{told:?}");
    let value = format!("taken by {}", winners[0]);
    assert_eq!(workers[1].call("get", json!(["b", "k"])).await["ok"], value);
    let losers = (0..WORKERS).filter(|number| *number != winners[0]);
    for loser in losers {
        assert_eq!(told[loser], json!({"err": value}), "worker {loser}");
    }
}

#[tokio::test]
async fn and_the_loser_may_try_again() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::KEY_VALUE_DRAFT2).await;
    let (mary, john) = (component.worker("mary"), component.worker("john"));
    assert_eq!(mary.call("look", json!(["b", "k"])).await["ok"], Value::Null);
    john.call("set", json!(["b", "k", "john"])).await;
    assert_eq!(mary.call("swap", json!(["mary"])).await, json!({"err": "john"}));
    server.restart_after_kill().await;
    assert_eq!(mary.call("swap", json!(["mary"])).await, json!({"ok": null}));
    assert_eq!(john.call("get", json!(["b", "k"])).await["ok"], "mary");

    // Away and back again is a change.
    mary.call("look", json!(["b", "k"])).await;
    john.call("set", json!(["b", "k", "john"])).await;
    john.call("set", json!(["b", "k", "mary"])).await;
    assert_eq!(mary.call("swap", json!(["late"])).await, json!({"err": "mary"}));
}

#[tokio::test]
async fn so_nothing_that_was_appended_is_lost() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::KEY_VALUE_DRAFT2).await;
    let appends = (0..8).map(|number| {
        let worker = component.worker(&format!("w{number}"));
        tokio::spawn(async move {
            for letter in ["a", "b", "c"] {
                let arguments = json!(["b", "k", letter]);
                let told = worker.call_until_acknowledged("append", arguments, letter).await;
                assert!(told["ok"].is_u64(), "{told}");
            }
        })
    });
    let appends: Vec<_> = appends.collect();
    server.restart_after_kill().await;
    for append in join_all(appends).await {
        append.expect("no panic");
    }
    let value = component.worker("reader").call("get", json!(["b", "k"])).await;
    let text = value["ok"].as_str().expect("a value");
    for letter in ["a", "b", "c"] {
        assert_eq!(text.matches(letter).count(), 8, "{text}");
    }
}
