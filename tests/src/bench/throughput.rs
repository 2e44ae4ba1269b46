//! Calls per second over HTTP, against a static answer of the same server and the disk's own rate.

use std::time::Duration;

use super::disk::{SyncedFile, synced_appends};
use super::load::{Connection, Goal, run, write_call, write_get};
use super::measurement::Measurement;
use super::report::{Report, milliseconds};
use crate::fixtures;
use crate::server::Server;
use crate::wait::Stopwatch;

/// How long each case is measured.
const TIME: Duration = Duration::from_secs(4);

/// What a counter's call adds to the journal, about, in bytes.
const BYTES_PER_CALL: usize = 256;

const CLIENTS: [usize; 3] = [1, 8, 64];
const WORKERS: [u64; 2] = [1, 1_000];

/// A deployed function with arguments for the load generator.
struct Target {
    component: &'static str,
    function: &'static str,
    body: String,
}

/// Measures echo and counter for each number of clients and workers.
pub async fn measure(report: &mut Report) {
    report.section("Calls over HTTP");
    let server = Server::start().await;
    server.deploy(&fixtures::ECHO).await;
    server.deploy(&fixtures::COUNTER).await;
    let disk = synced_appends(&server.data_directory(), BYTES_PER_CALL, TIME);
    report.row("disk: append and sync", &describe(&disk));
    let floor = answers_and_syncs(&server).await;
    report.row("static answer, then append and sync", &describe(&floor));
    let echo = Target {
        component: "echo",
        function: "echo-string",
        body: format!("[\"{}\"]", "x".repeat(100)),
    };
    let counter = Target { component: "counter", function: "add", body: "[1]".to_owned() };
    for clients in CLIENTS {
        let fixed = static_answers(&server, clients).await;
        report.row(&format!("static answer, {clients} clients"), &describe(&fixed));
        for target in [&echo, &counter] {
            for workers in WORKERS {
                let calls = calls(&server, target, clients, workers).await;
                let what = format!("{}, {clients} clients, {workers} workers", target.component);
                report.row(&what, &compare(&calls, &fixed, &disk));
                judge(report, (clients, workers), &calls, &fixed, &floor);
            }
        }
    }
}

async fn static_answers(server: &Server, clients: usize) -> Measurement {
    run(server.port(), clients, Goal::Time(TIME), |_, request| write_get(request, "/livez")).await
}

/// What one client would see of a server that syncs and does nothing else: one after the other,
/// since a disk that idles between two syncs takes longer for each.
async fn answers_and_syncs(server: &Server) -> Measurement {
    let mut connection = Connection::open(server.port()).await;
    let mut file = SyncedFile::create(&server.data_directory(), BYTES_PER_CALL);
    let mut request = Vec::new();
    write_get(&mut request, "/livez");
    let mut each = Vec::new();
    let started = Stopwatch::start();
    while started.elapsed() < TIME {
        let stopwatch = Stopwatch::start();
        connection.exchange(&request).await;
        file.append();
        each.push(stopwatch.elapsed());
    }
    Measurement::new(started.elapsed(), each)
}

async fn calls(server: &Server, target: &Target, clients: usize, workers: u64) -> Measurement {
    // All workers exist and are loaded before the measurement begins.
    let warm_up = Goal::Requests(2 * workers);
    call_until(server, target, clients, workers, warm_up, "warm").await;
    call_until(server, target, clients, workers, Goal::Time(TIME), "main").await
}

async fn call_until(
    server: &Server,
    target: &Target,
    clients: usize,
    workers: u64,
    goal: Goal,
    phase: &str,
) -> Measurement {
    let Target { component, function, body } = target;
    run(server.port(), clients, goal, |number, request| {
        let worker = number % workers;
        let path = format!("/v1/workers/{component}/worker-{worker}/invoke/{function}");
        let key = format!("{phase}-{clients}-{workers}-{number}");
        write_call(request, &path, &key, body);
    })
    .await
}

/// The aims were set for a machine that gives 30,000 static answers a second: 10,000 calls on many
/// workers, 5,000 on one.
fn judge(
    report: &mut Report,
    (clients, workers): (usize, u64),
    calls: &Measurement,
    fixed: &Measurement,
    floor: &Measurement,
) {
    let share = calls.rate() / fixed.rate();
    match (clients, workers) {
        (64, 1_000) => report.at_least("  its share of the static answers", share, 0.33, "×"),
        (64, 1) => report.at_least("  its share of the static answers", share, 0.17, "×"),
        (1, 1) => {
            let ratio = calls.median().as_secs_f64() / floor.median().as_secs_f64();
            report.at_most("  its median to a static answer and one sync", ratio, 1.5, "×");
        }
        _ => {}
    }
}

fn describe(measurement: &Measurement) -> String {
    format!(
        "{:>9.0}/s  median {:>7.3} ms  99 % {:>7.3} ms",
        measurement.rate(),
        milliseconds(measurement.median()),
        milliseconds(measurement.percentile(0.99)),
    )
}

fn compare(calls: &Measurement, fixed: &Measurement, disk: &Measurement) -> String {
    format!(
        "{}  {:.2} × static  {:.2} × syncs",
        describe(calls),
        calls.rate() / fixed.rate(),
        calls.rate() / disk.rate(),
    )
}
