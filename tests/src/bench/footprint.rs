//! What an idle, unloaded worker costs in memory and on disk.

use super::load::{Goal, run, write_call};
use super::machine::{disk_bytes, resident_bytes};
use super::report::Report;
use crate::fixtures;
use crate::server::Server;

/// So many fill the store's caches and tables in memory, whose size is bounded.
const BASE: u64 = 100_000;

/// Workers in the end: 100,000 more.
const WORKERS: u64 = 200_000;

const CLIENTS: usize = 64;

/// Calls many workers once each, and looks at what stays.
pub async fn measure(report: &mut Report) {
    report.section("100,000 workers, called once each");
    let mut server = Server::start().await;
    server.deploy(&fixtures::COUNTER).await;
    call_each(&server, 0, BASE).await;
    let base = resident_bytes(server.process_id());
    call_each(&server, BASE, WORKERS).await;
    let grown = resident_bytes(server.process_id());
    report.row("resident after 100,000", &mebibytes(base));
    report.row("resident after 200,000", &mebibytes(grown));
    let each = grown.saturating_sub(base) as f64 / (WORKERS - BASE) as f64;
    report.at_most("memory per idle, unloaded worker", each, 200.0, "bytes");

    let disk = disk_bytes(&server.data_directory());
    report.row("disk per worker", &format!("{:.0} bytes", disk as f64 / WORKERS as f64));
    server.restart_after_kill().await;
    report.row("resident after a restart", &mebibytes(resident_bytes(server.process_id())));
}

async fn call_each(server: &Server, from: u64, to: u64) {
    run(server.port(), CLIENTS, Goal::Requests(to - from), |number, request| {
        let path = format!("/v1/workers/counter/worker-{}/invoke/add", from + number);
        write_call(request, &path, "once", "[1]");
    })
    .await;
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
