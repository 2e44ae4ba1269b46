//! Servers on Redis: what replicas cost, what three servers do more than one, and how long a dead one
//! is missed.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;

use super::load::{Goal, run, write_call};
use super::measurement::Measurement;
use super::report::{Report, milliseconds};
use crate::cluster::Cluster;
use crate::fixtures;
use crate::redis::RedisServer;
use crate::server::Server;
use crate::wait::{self, Stopwatch};

/// How long each case is measured.
const TIME: Duration = Duration::from_secs(4);
/// All clients together, and the workers that they call.
const CLIENTS: usize = 63;
const WORKERS: u64 = 1_000;
/// What a call writes, about, in bytes: its entries, and the records of its key and its worker.
const BYTES_PER_CALL: (usize, usize) = (256, 80);
/// How often a server is killed.
const KILLS: usize = 3;

/// Measures all of it.
pub async fn measure(report: &mut Report) {
    replicas(report).await;
    nodes(report).await;
    take_over(report).await;
}

async fn replicas(report: &mut Report) {
    report.section("Calls over HTTP, waiting for replicas of Redis");
    for count in 0..=2 {
        let redis = RedisServer::start();
        let _replicas: Vec<_> = (0..count).map(|_| RedisServer::start_replica(&redis)).collect();
        let bare = redis.benchmark(CLIENTS, BYTES_PER_CALL);
        let flags = ["--min-replicas", &count.to_string()];
        let server = Server::start_on_redis(redis, &flags).await;
        let line = format!("everlog_store_replicas {count}");
        wait::until("the replicas are there", async || {
            let metrics = server.api().get("/metrics").await.text();
            metrics.lines().any(|found| found == line).then_some(())
        })
        .await;
        server.deploy(&fixtures::COUNTER).await;
        let calls = calls(&[server.port()]).await;
        report.row(&format!("redis-benchmark, {count} replicas"), &format!("{bare:>9.0}/s"));
        report.row(&format!("counter, waiting for {count}"), &describe(&calls[0]));
        if count == 0 {
            let share = calls[0].rate() / bare;
            report.at_least("  its share of what bare Redis does", share, 0.5, "×");
        }
    }
}

async fn nodes(report: &mut Report) {
    report.section("Servers on one Redis");
    for count in [1, 3] {
        let cluster = Cluster::start(count).await;
        cluster.deploy(&fixtures::COUNTER).await;
        let ports: Vec<u16> = cluster.nodes.iter().map(Server::port).collect();
        let calls = calls(&ports).await;
        let rate: f64 = calls.iter().map(Measurement::rate).sum();
        let median = calls.iter().map(Measurement::median).max().unwrap_or_default();
        let text = format!("{rate:>9.0}/s  median {:>7.3} ms", milliseconds(median));
        report.row(&format!("counter, {count} servers, {CLIENTS} clients"), &text);
    }
}

/// Calls to all of the ports at once, each getting its share of the clients.
async fn calls(ports: &[u16]) -> Vec<Measurement> {
    let clients = CLIENTS / ports.len();
    let phase = async |phase: &str, goal: Goal| {
        let calling = ports.iter().map(|port| {
            let phase = format!("{phase}-{port}");
            run(*port, clients, goal, move |number, request| {
                let worker = number % WORKERS;
                let path = format!("/v1/workers/counter/worker-{worker}/invoke/add");
                write_call(request, &path, &format!("{phase}-{number}"), "[1]");
            })
        });
        join_all(calling).await
    };
    phase("warm", Goal::Requests(2 * WORKERS)).await;
    phase("main", Goal::Time(TIME)).await
}

/// From the kill of a server until a call to one of its workers is answered by another.
async fn take_over(report: &mut Report) {
    report.section("A server dies (its lease is 5 s)");
    let redis = RedisServer::start();
    let mut cluster = Cluster { redis, nodes: Vec::new() };
    for _ in 0..2 {
        let server = Server::start_on_store(&cluster.redis.url(), &[]).await;
        cluster.nodes.push(server);
    }
    cluster.settles().await;
    cluster.deploy(&fixtures::COUNTER).await;
    let homes = cluster.homes("counter").await;
    let mut longest = Duration::ZERO;
    for kill in 0..KILLS {
        let victim = kill % 2;
        let other = cluster.nodes[1 - victim].api().component("counter").worker(&homes[victim]);
        other.call("add", json!([1])).await;
        cluster.nodes[victim].kill();
        let stopwatch = Stopwatch::start();
        other.call("add", json!([1])).await;
        longest = longest.max(stopwatch.elapsed());
        cluster.nodes[victim].start_again().await;
        cluster.settles().await;
    }
    let text = format!("{:>9.2} s at most, of {KILLS} times", longest.as_secs_f64());
    report.row("until its worker answers elsewhere", &text);
    report.at_most("  beside its lease", longest.as_secs_f64() / 5.0, 1.5, "×");
}

fn describe(measurement: &Measurement) -> String {
    format!(
        "{:>9.0}/s  median {:>7.3} ms  99 % {:>7.3} ms",
        measurement.rate(),
        milliseconds(measurement.median()),
        milliseconds(measurement.percentile(0.99)),
    )
}
