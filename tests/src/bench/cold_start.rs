//! What the first call on a new worker costs beyond a call on a warm one.

use super::load::{Goal, run, write_call};
use super::measurement::Measurement;
use super::report::{Report, milliseconds};
use crate::fixtures;
use crate::server::Server;

/// New workers that are called.
const WORKERS: u64 = 500;

/// Compares the first with the second call of many workers, one client.
pub async fn measure(report: &mut Report) {
    report.section("First call on a new worker");
    let server = Server::start().await;
    server.deploy(&fixtures::COUNTER).await;
    calls(&server, "warm-up", "a").await;
    let first = calls(&server, "worker", "first").await;
    let second = calls(&server, "worker", "second").await;
    for (what, calls) in [("first call", &first), ("second call", &second)] {
        report.row(what, &format!("median {:.3} ms", milliseconds(calls.median())));
    }
    let difference = milliseconds(first.median()) - milliseconds(second.median());
    report.at_most("first above second", difference, 1.0, "ms");
}

async fn calls(server: &Server, prefix: &str, key: &str) -> Measurement {
    run(server.port(), 1, Goal::Requests(WORKERS), |number, request| {
        let path = format!("/v1/workers/counter/{prefix}-{number}/invoke/add");
        write_call(request, &path, key, "[1]");
    })
    .await
}
