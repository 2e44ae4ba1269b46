//! What recording costs: a thousand clock reads in one call, recorded and unrecorded.

use super::load::{Goal, run, write_call};
use super::measurement::Measurement;
use super::report::{Report, milliseconds};
use crate::fixtures;
use crate::server::Server;

/// Calls of each kind that are measured.
const CALLS: u64 = 300;

/// Calls of each kind before that.
const WARM_UP: u64 = 20;

/// Compares both kinds of calls on one worker each.
pub async fn measure(report: &mut Report) {
    report.section("1,000 clock reads in one call");
    let server = Server::start().await;
    server.deploy(&fixtures::CLOCKS).await;
    let recorded = calls(&server, "recorded", "spend").await;
    let unrecorded = calls(&server, "unrecorded", "spend-unrecorded").await;
    for (what, calls) in [("recorded", &recorded), ("persist-nothing", &unrecorded)] {
        report.row(what, &format!("median {:.3} ms", milliseconds(calls.median())));
    }
    let ratio = recorded.median().as_secs_f64() / unrecorded.median().as_secs_f64();
    report.at_most("recorded to unrecorded", ratio, 2.0, "×");
}

async fn calls(server: &Server, worker: &str, function: &str) -> Measurement {
    let path = format!("/v1/workers/clocks/{worker}/invoke/{function}");
    let send = |phase: &'static str, count: u64| {
        let path = path.clone();
        run(server.port(), 1, Goal::Requests(count), move |number, request| {
            write_call(request, &path, &format!("{phase}-{number}"), "[1000]");
        })
    };
    send("warm", WARM_UP).await;
    send("main", CALLS).await
}
