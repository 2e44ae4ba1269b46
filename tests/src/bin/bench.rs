//! Measures everlog and prints the table of ratios: `make bench`, or with the names of sections to
//! measure only those.

use everlog_tests::bench::report::Report;
use everlog_tests::bench::{
    actions, calls, clocks, cluster, cold_start, dapr, footprint, http, machine, replay, throughput,
};
use everlog_tests::server::is_on_redis;

/// The load generator shares the machine with the server, so it stays on one thread.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    println!("{}\ncommit {}", machine::machine(), machine::commit());
    let mut report = Report::default();
    if wants("throughput") {
        throughput::measure(&mut report).await;
    }
    if wants("clocks") {
        clocks::measure(&mut report).await;
    }
    if wants("calls") {
        calls::measure(&mut report).await;
    }
    if wants("actions") {
        actions::measure(&mut report).await;
    }
    if wants("replay") {
        replay::measure(&mut report).await;
    }
    if wants("cold-start") {
        cold_start::measure(&mut report).await;
    }
    if wants("http") {
        http::measure(&mut report).await;
    }
    if wants("dapr") {
        dapr::measure(&mut report).await;
    }
    if wants("footprint") {
        footprint::measure(&mut report).await;
    }
    // Servers that share a store need one that can be shared.
    if wanted.iter().any(|wanted| wanted == "cluster") || (wanted.is_empty() && is_on_redis()) {
        cluster::measure(&mut report).await;
    }
    println!("\n{} aims missed", report.missed());
}
