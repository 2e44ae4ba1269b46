//! Sixteen clients add to shared counters and send each addition again under its key until it is
//! acknowledged, while the server is killed again and again. In the end each counter holds exactly
//! what was acknowledged.

use std::collections::BTreeSet;
use std::time::Duration;

use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, seed, server::Server, wait};
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;

const CLIENTS: u64 = 16;
const COUNTERS: u64 = 4;
const ADDITIONS: u64 = 40;
const KILLS: u32 = 8;

/// How long the server lives between two kills, in milliseconds.
const LIFE: std::ops::Range<u64> = 50..700;

/// What one client was told: the sum it added and the totals it saw.
struct Acknowledged {
    sum: u64,
    totals: Vec<u64>,
}

#[tokio::test]
async fn under_sixteen_clients_and_random_kills() {
    let mut random = seed::generator();
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::COUNTER).await;
    let counters: Vec<Worker> =
        (0..COUNTERS).map(|number| component.worker(&format!("counter-{number}"))).collect();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let counter = counters[usize::try_from(client % COUNTERS).unwrap_or(0)].clone();
            let random = StdRng::seed_from_u64(random.random());
            tokio::spawn(add_until_acknowledged(counter, client, random))
        })
        .collect();
    for _ in 0..KILLS {
        wait::pause(Duration::from_millis(random.random_range(LIFE))).await;
        server.restart_after_kill().await;
    }
    let acknowledged: Vec<Acknowledged> =
        join_all(clients).await.into_iter().map(|client| client.expect("no panic")).collect();

    for (number, counter) in counters.iter().enumerate() {
        let mine = || acknowledged.iter().skip(number).step_by(counters.len());
        let sum: u64 = mine().map(|client| client.sum).sum();
        assert_eq!(counter.call("get", json!([])).await, sum, "counter {number}");
        let totals: BTreeSet<u64> = mine().flat_map(|client| client.totals.clone()).collect();
        let additions = mine().map(|client| client.totals.len()).sum::<usize>();
        assert_eq!(totals.len(), additions, "each addition had a total of its own");
        assert_eq!(totals.last(), Some(&sum), "the last total is what the counter holds");
    }
}

async fn add_until_acknowledged(counter: Worker, client: u64, mut random: StdRng) -> Acknowledged {
    let mut acknowledged = Acknowledged { sum: 0, totals: Vec::new() };
    for addition in 0..ADDITIONS {
        let amount = random.random_range(1..100_u64);
        let key = format!("client-{client}-addition-{addition}");
        let total = counter.call_until_acknowledged("add", json!([amount]), &key).await;
        acknowledged.sum += amount;
        acknowledged.totals.push(total.as_u64().expect("a total"));
        wait::pause(Duration::from_millis(random.random_range(0..20))).await;
    }
    acknowledged
}
