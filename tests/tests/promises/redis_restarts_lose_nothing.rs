//! State in Redis, which is killed again and again under load, as is everlog: clients add to shared
//! counters, and in the end each holds exactly what was acknowledged. Whatever is killed comes back
//! by itself.

use std::time::Duration;

use everlog_tests::redis::RedisServer;
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, seed, server::Server, wait};
use futures::future::join_all;
use rand::Rng as _;
use serde_json::json;

const CLIENTS: u64 = 12;
const COUNTERS: u64 = 3;
const KILLS: u32 = 5;

/// How long things work between two kills, in milliseconds.
const LIFE: std::ops::Range<u64> = 100..600;

struct Load {
    counters: Vec<Worker>,
    stop: tokio::sync::watch::Sender<bool>,
    clients: Vec<tokio::task::JoinHandle<u64>>,
}

impl Load {
    async fn start(server: &Server) -> Self {
        let component = server.deploy(&fixtures::COUNTER).await;
        let counters: Vec<Worker> =
            (0..COUNTERS).map(|number| component.worker(&format!("counter-{number}"))).collect();
        let stop = tokio::sync::watch::Sender::new(false);
        let clients = (0..CLIENTS).map(|client| {
            let counter = counters[(client % COUNTERS) as usize].clone();
            let stopped = stop.subscribe();
            tokio::spawn(async move {
                let mut sum = 0;
                while !*stopped.borrow() {
                    let key = format!("{client}-{sum}");
                    counter.call_until_acknowledged("add", json!([1]), &key).await;
                    sum += 1;
                }
                sum
            })
        });
        let clients = clients.collect();
        Self { counters, stop, clients }
    }

    /// Compares what was acknowledged with what there is.
    async fn verify(self) {
        self.stop.send_replace(true);
        let sums: Vec<u64> =
            join_all(self.clients).await.into_iter().map(|sum| sum.expect("no panic")).collect();
        println!("acknowledged: {sums:?}");
        for (number, counter) in self.counters.iter().enumerate() {
            let sum: u64 = sums.iter().skip(number).step_by(self.counters.len()).sum();
            assert_eq!(counter.call("get", json!([])).await, sum, "counter {number}");
            assert!(sum > 0, "counter {number} was used");
        }
    }
}

#[tokio::test]
async fn under_load_and_by_itself() {
    let mut random = seed::generator();
    let mut server = Server::start_on_redis(RedisServer::start(), &[]).await;
    let process = server.process_id();
    let load = Load::start(&server).await;
    for _ in 0..KILLS {
        wait::pause(Duration::from_millis(random.random_range(LIFE))).await;
        server.redis().kill();
        wait::until("the server says that it cannot work", async || {
            (!server.api().is_ready().await).then_some(())
        })
        .await;
        assert_eq!(server.api().get("/livez").await.status, 200);
        server.redis().start_again();
        wait::until("the server works again", async || server.api().is_ready().await.then_some(()))
            .await;
    }
    load.verify().await;
    assert_eq!(server.process_id(), process, "it was never restarted");
    assert!(!server.has_ended());
}

#[tokio::test]
async fn also_when_the_server_is_killed_in_between() {
    let mut random = seed::generator();
    let mut server = Server::start_on_redis(RedisServer::start(), &[]).await;
    let load = Load::start(&server).await;
    for _ in 0..KILLS {
        wait::pause(Duration::from_millis(random.random_range(LIFE))).await;
        match random.random_range(0..3) {
            0 => server.restart_after_kill().await,
            1 => {
                server.redis().kill();
                server.redis().start_again();
            }
            _ => {
                server.redis().kill();
                server.kill();
                server.redis().start_again();
                server.start_again().await;
            }
        }
    }
    load.verify().await;
}

#[tokio::test]
async fn a_sleeper_wakes_although_redis_was_away() {
    let mut server =
        Server::start_on_redis(RedisServer::start(), &["--suspend-after", "10ms"]).await;
    let worker = server.deploy(&fixtures::COUNTER).await.worker("mary");
    let key = worker.start_when("add", json!([5]), &[("delay", "1s")]).await;
    server.redis().kill();
    // Past the time at which the call is due.
    wait::until_wall_clock(wait::wall_clock() + 1_500).await;
    server.redis().start_again();
    assert_eq!(worker.outcome(&key).await["status"], "completed");
    assert_eq!(worker.call("get", json!([])).await, 5);
}
