//! A call that uses clock, random, files, output and sleep is killed at random moments. What callers
//! were told, what the guest remembers, what is in its file and what was logged are the same story.

use std::time::Duration;

use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, seed, server::Server, wait};
use rand::Rng as _;
use serde_json::{Value, json};

const ROUNDS: u32 = 60;
const KILLS: u32 = 10;

/// How long the server lives between two kills, in milliseconds.
const LIFE: std::ops::Range<u64> = 20..400;

#[tokio::test]
async fn after_kills_at_random_moments() {
    let mut random = seed::generator();
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::MIXER).await.worker("m");
    let client = tokio::spawn(work(worker.clone()));
    for _ in 0..KILLS {
        wait::pause(Duration::from_millis(random.random_range(LIFE))).await;
        server.restart_after_kill().await;
    }
    let told = Value::from(client.await.expect("no panic"));
    assert_eq!(worker.call("remembered", json!([])).await, told);
    assert_eq!(worker.call("written", json!([])).await, told);
    assert_eq!(Value::from(worker.messages().await), told);
    worker.obey("crash").await;
    assert_eq!(worker.call("remembered", json!([])).await, told);
}

/// Makes every round of work, each asked for again until it is answered.
async fn work(worker: Worker) -> Vec<Value> {
    let mut told = Vec::new();
    for round in 0..ROUNDS {
        let key = format!("round-{round}");
        told.push(worker.call_until_acknowledged("work", json!([round]), &key).await);
    }
    told
}
