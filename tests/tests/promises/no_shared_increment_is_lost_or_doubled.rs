//! Sixteen workers increment one key, each again and again under its own idempotency keys, while
//! the server is killed at random. In the end the key holds exactly what was added: no increment is
//! lost, and none is made twice, although a crash makes workers execute again.

use std::collections::BTreeSet;
use std::time::Duration;

use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, seed, server::Server, wait};
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;

const WORKERS: u64 = 16;
const ADDITIONS: u64 = 25;
const KILLS: u32 = 8;

/// How long the server lives between two kills, in milliseconds.
const LIFE: std::ops::Range<u64> = 50..700;

/// What one worker added, and the totals it saw.
struct Added {
    sum: u64,
    totals: Vec<u64>,
}

#[tokio::test]
async fn by_sixteen_workers_and_random_kills() {
    let mut random = seed::generator();
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::KEY_VALUE).await;
    let workers: Vec<_> = (0..WORKERS)
        .map(|number| {
            let worker = component.worker(&format!("worker-{number}"));
            tokio::spawn(add(worker, StdRng::seed_from_u64(random.random())))
        })
        .collect();
    for _ in 0..KILLS {
        wait::pause(Duration::from_millis(random.random_range(LIFE))).await;
        server.restart_after_kill().await;
    }
    let added: Vec<Added> =
        join_all(workers).await.into_iter().map(|worker| worker.expect("no panic")).collect();

    let sum: u64 = added.iter().map(|worker| worker.sum).sum();
    let reader = component.worker("reader");
    assert_eq!(reader.call("get", json!(["b", "n"])).await["ok"], sum.to_string());
    let totals: BTreeSet<u64> = added.iter().flat_map(|worker| worker.totals.clone()).collect();
    assert_eq!(totals.len() as u64, WORKERS * ADDITIONS, "each had a total of its own");
    assert_eq!(totals.last(), Some(&sum));
    for (number, worker) in added.iter().enumerate() {
        let remembered =
            component.worker(&format!("worker-{number}")).call("remembered", json!([])).await;
        let totals: Vec<String> = worker.totals.iter().map(u64::to_string).collect();
        assert_eq!(remembered, json!(totals), "worker {number} knows what it was told");
    }
}

async fn add(worker: Worker, mut random: StdRng) -> Added {
    let mut added = Added { sum: 0, totals: Vec::new() };
    for addition in 0..ADDITIONS {
        let amount = random.random_range(1..100_u64);
        let key = format!("addition-{addition}");
        let total = worker.call_until_acknowledged("add", json!(["b", "n", amount]), &key).await;
        added.sum += amount;
        added.totals.push(total["ok"].as_u64().expect("a total"));
        wait::pause(Duration::from_millis(random.random_range(0..20))).await;
    }
    added
}
