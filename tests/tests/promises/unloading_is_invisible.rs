//! Workers leave memory when others need the room or when they have nothing to do, and come back by
//! themselves; neither callers nor guests notice.

use everlog_tests::{fixtures, server::Server};
use serde_json::json;

#[tokio::test]
async fn many_workers_share_little_room() {
    let server = Server::start_with(&["--max-loaded-workers", "2"]).await;
    let component = server.deploy(&fixtures::COUNTER).await;
    for total in 1..=5 {
        for number in 0..10 {
            let worker = component.worker(&format!("w-{number}"));
            assert_eq!(worker.call("add", json!([1])).await, total);
        }
    }
}

#[tokio::test]
async fn a_worker_comes_back_after_idling() {
    let server = Server::start_with(&["--idle-after", "100ms"]).await;
    let component = server.deploy(&fixtures::MIXER).await;
    let worker = component.worker("m");
    let mut told = Vec::new();
    for round in 0..3 {
        told.push(worker.call("work", json!([round])).await);
        server.nobody_is_loaded().await;
        assert_eq!(worker.metadata().await["status"], "idle");
    }
    assert_eq!(worker.call("remembered", json!([])).await, json!(told));
    assert_eq!(worker.call("written", json!([])).await, json!(told));
    assert_eq!(json!(worker.messages().await), json!(told));
}

#[tokio::test]
async fn sleepers_do_not_take_the_room() {
    let flags = ["--max-loaded-workers", "2", "--suspend-after", "100ms"];
    let server = Server::start_with(&flags).await;
    let sleeper = server.deploy(&fixtures::SLEEPER).await;
    let mut sleeps = Vec::new();
    for number in 0..6 {
        let worker = sleeper.worker(&format!("s-{number}"));
        let key = worker.start("sleep-for", json!([4_000])).await;
        sleeps.push((worker, key));
    }
    let counter = server.deploy(&fixtures::COUNTER).await.worker("mary");
    assert_eq!(counter.call("add", json!([1])).await, 1);
    for (worker, key) in sleeps {
        assert_eq!(worker.outcome(&key).await["status"], "completed");
    }
}
