//! Many recorded steps in one call: journaled actions, and changes of state.

use std::time::Duration;

use super::load::{Goal, run, write_call};
use super::report::{Report, milliseconds};
use crate::fixtures;
use crate::server::Server;

/// How long each case is measured.
const TIME: Duration = Duration::from_secs(4);
/// Steps of a call.
const STEPS: u32 = 100;
const CLIENTS: [usize; 2] = [1, 64];
/// One for each client, so that no call waits for another.
const WORKERS: u64 = 64;

/// Measures calls of a hundred steps.
pub async fn measure(report: &mut Report) {
    report.section("A hundred steps in a call");
    let server = Server::start().await;
    server.deploy(&fixtures::ACTIONS).await;
    for clients in CLIENTS {
        for (function, what) in [("act", "actions"), ("keep", "changes of state")] {
            let call = |phase: &'static str, goal| {
                run(server.port(), clients, goal, move |number, request| {
                    let worker = number % WORKERS;
                    let path = format!("/v1/workers/actions/w{worker}/invoke/{function}");
                    let key = format!("{phase}-{function}-{clients}-{number}");
                    write_call(request, &path, &key, &format!("[{STEPS}]"));
                })
            };
            call("warm", Goal::Requests(WORKERS)).await;
            let calls = call("main", Goal::Time(TIME)).await;
            let shown = format!(
                "{:>9.0}/s  median {:>7.3} ms  99 % {:>7.3} ms",
                calls.rate(),
                milliseconds(calls.median()),
                milliseconds(calls.percentile(0.99)),
            );
            report.row(&format!("{STEPS} {what}, {clients} clients"), &shown);
        }
    }
}
