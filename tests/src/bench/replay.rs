//! How fast a history is replayed: the first answer of a worker after a restart of the server,
//! against a warm answer.

use std::time::Duration;

use serde_json::json;

use super::load::{Goal, run, write_call};
use super::report::{Report, milliseconds};
use crate::fixtures;
use crate::server::Server;
use crate::wait::Stopwatch;
use crate::worker::Worker;

/// Calls of 10,000 clock reads each: a million entries in few invocations.
const LONG_CALLS: u64 = 100;

/// Calls of a counter: two entries each.
const SMALL_CALLS: u64 = 50_000;

/// Measures a worker with few long invocations and one with many short ones.
pub async fn measure(report: &mut Report) {
    report.section("Replay after a restart");
    let mut server = Server::start().await;
    let clocks = server.deploy(&fixtures::CLOCKS).await.worker("long");
    let counter = server.deploy(&fixtures::COUNTER).await.worker("small");
    write_history(&server, "clocks/long/invoke/spend", "[10000]", LONG_CALLS, 1).await;
    write_history(&server, "counter/small/invoke/add", "[1]", SMALL_CALLS, 64).await;

    let long = replay(&mut server, &clocks, "remembered", report).await;
    report.at_least("  entries replayed", long.entries_per_second(), 500_000.0, "/s");
    let small = replay(&mut server, &counter, "get", report).await;
    let each = small.time.as_secs_f64() * 1e6 / SMALL_CALLS as f64;
    report.at_most("  each call", each, 15.0, "µs");
}

/// A history that was replayed.
struct Replay {
    entries: u64,
    time: Duration,
}

impl Replay {
    fn entries_per_second(&self) -> f64 {
        self.entries as f64 / self.time.as_secs_f64()
    }
}

async fn replay(
    server: &mut Server,
    worker: &Worker,
    function: &str,
    report: &mut Report,
) -> Replay {
    let entries = worker.metadata().await["oplog"]["lastIndex"].as_u64().unwrap_or(0);
    // The first call brings the worker back from an earlier restart.
    time_call(worker, function).await;
    let warm = time_call(worker, function).await;
    server.restart_after_kill().await;
    let cold = time_call(worker, function).await;
    let replay = Replay { entries, time: cold.saturating_sub(warm) };
    let value = format!("{entries} entries in {:.1} ms", milliseconds(replay.time));
    report.row(&format!("until `{function}` is answered"), &value);
    replay
}

async fn write_history(server: &Server, path: &str, body: &str, calls: u64, clients: usize) {
    let path = format!("/v1/workers/{path}");
    run(server.port(), clients, Goal::Requests(calls), |number, request| {
        write_call(request, &path, &format!("history-{number}"), body);
    })
    .await;
}

async fn time_call(worker: &Worker, function: &str) -> Duration {
    let stopwatch = Stopwatch::start();
    worker.call(function, json!([])).await;
    stopwatch.elapsed()
}
