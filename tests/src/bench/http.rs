//! What an outgoing HTTP request costs: in a worker, which makes each durable before it is sent,
//! against a plain client; and how fast requests are replayed, which sends nothing.

use std::time::Duration;

use serde_json::json;

use super::disk::SyncedFile;
use super::report::{Report, milliseconds};
use crate::fixtures;
use crate::outside::Outside;
use crate::server::Server;
use crate::wait::Stopwatch;
use crate::worker::Worker;

/// Requests, one after the other, of which the time of one is taken.
const REQUESTS: u32 = 1_000;

/// About what one request adds to a log, in bytes.
const ENTRY_BYTES: usize = 1_000;

/// Requests that are replayed.
const REPLAYED: u32 = 10_000;

/// Measures requests of one worker and their replay.
pub async fn measure(report: &mut Report) {
    report.section("Outgoing HTTP requests, one after the other");
    let outside = Outside::start().await;
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::HTTP_CLIENT).await.worker("w");
    let url = outside.url("/echo");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut file = SyncedFile::create(directory.path(), ENTRY_BYTES);
    let plain = plain_requests(&url, || {}).await;
    // One after the other, since a disk that idles between two syncs takes longer for each.
    let synced = plain_requests(&url, || file.append()).await;
    repeat(&worker, &url, REQUESTS / 10).await;
    let durable = repeat(&worker, &url, REQUESTS).await / REQUESTS;
    let rows = [("a plain client", plain), ("  with one sync each", synced), ("a worker", durable)];
    for (what, time) in rows {
        report.row(what, &format!("{:.3} ms", milliseconds(time)));
    }
    let ratio = durable.as_secs_f64() / synced.as_secs_f64();
    report.at_most("a worker to a plain client with one sync each", ratio, 1.5, "×");

    repeat(&worker, &url, REPLAYED).await;
    let requests = outside.received().len();
    server.restart_after_kill().await;
    let cold = repeat(&worker, &url, 0).await;
    let warm = repeat(&worker, &url, 0).await;
    assert_eq!(outside.received().len(), requests, "replay sends nothing");
    let all = REPLAYED + REQUESTS + REQUESTS / 10;
    let replay = cold.saturating_sub(warm);
    report.row("requests replayed", &format!("{all} in {:.1} ms", milliseconds(replay)));
    let each = replay.as_secs_f64() * 1e6 / f64::from(all);
    report.at_most("  each request", each, 25.0, "µs");
}

async fn repeat(worker: &Worker, url: &str, times: u32) -> Duration {
    let stopwatch = Stopwatch::start();
    assert_eq!(worker.call("repeat", json!([url, times])).await, times * 200);
    stopwatch.elapsed()
}

/// The time of one request, with what comes before it.
async fn plain_requests(url: &str, mut before: impl FnMut()) -> Duration {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let get = async || client.get(url).send().await.expect("an answer").bytes().await;
    get().await.expect("a body");
    let stopwatch = Stopwatch::start();
    for _ in 0..REQUESTS {
        before();
        get().await.expect("a body");
    }
    stopwatch.elapsed() / REQUESTS
}
