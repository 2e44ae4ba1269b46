//! Values written and read per second through the state API, against a bare Redis that syncs every
//! write too, driven by its own benchmark.

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::load::{Goal, run, write_get, write_post};
use super::report::Report;
use crate::redis::RedisServer;
use crate::server::Server;

/// How long each case of ours is measured.
const TIME: Duration = Duration::from_secs(3);
/// Clients, and how many requests of Redis' own benchmark take about as long.
const CLIENTS: [(usize, u64); 3] = [(1, 8_000), (8, 40_000), (64, 150_000)];
/// Different keys.
const KEYS: u64 = 10_000;
/// The length of a value, in bytes.
const VALUE_BYTES: usize = 100;

/// Requests a second.
struct Rates {
    set: f64,
    get: f64,
}

/// Measures writes and reads for each number of clients.
pub async fn measure(report: &mut Report) {
    report.section("State API of Dapr, against redis-benchmark on a Redis that syncs every write");
    let bare = RedisServer::start();
    let embedded = Server::start_embedded(&[]).await;
    let on_redis = Server::start_on_redis(RedisServer::start(), &[]).await;
    for (clients, requests) in CLIENTS {
        let redis = Rates {
            set: bare_rate(&bare, "SET", clients, requests),
            get: bare_rate(&bare, "GET", clients, requests),
        };
        report.row(&format!("bare Redis, {clients} clients"), &describe(&redis));
        let ours = rates(&embedded, clients).await;
        report.row(&format!("embedded, {clients} clients"), &describe(&ours));
        report.at_least("  set, to Redis", ours.set / redis.set, 1.0, "×");
        report.at_least("  get, to Redis", ours.get / redis.get, 0.3, "×");
        let ours = rates(&on_redis, clients).await;
        report.row(&format!("on Redis, {clients} clients"), &describe(&ours));
        report.at_least("  set, to Redis", ours.set / redis.set, 0.3, "×");
        report.at_least("  get, to Redis", ours.get / redis.get, 0.3, "×");
    }
}

async fn rates(server: &Server, clients: usize) -> Rates {
    let port = server.port();
    let value = "x".repeat(VALUE_BYTES);
    let set = run(port, clients, Goal::Time(TIME), |number, request| {
        let key = format!("key:{:012}", number % KEYS);
        let body = json!([{ "key": key, "value": value }]).to_string();
        write_post(request, "/v1.0/state/statestore", &body);
    });
    let set = set.await.rate();
    let get = run(port, clients, Goal::Time(TIME), |number, request| {
        write_get(request, &format!("/v1.0/state/statestore/key:{:012}", number % KEYS));
    });
    Rates { set, get: get.await.rate() }
}

/// What Redis' own benchmark says of one command.
fn bare_rate(redis: &RedisServer, command: &str, clients: usize, requests: u64) -> f64 {
    let output = Command::new("redis-benchmark")
        .args(["-p", &redis.port().to_string(), "-t", command, "--csv"])
        .args(["-c", &clients.to_string(), "-n", &requests.to_string()])
        .args(["-r", &KEYS.to_string(), "-d", &VALUE_BYTES.to_string()])
        .output()
        .unwrap_or_else(|error| panic!("redis-benchmark: {error}; `make setup-tests` brings it"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("\"{command}\",\"")));
    let rate = line.and_then(|line| line.split('"').next()?.parse().ok());
    rate.unwrap_or_else(|| panic!("redis-benchmark printed {text}"))
}

fn describe(Rates { set, get }: &Rates) -> String {
    format!("set {set:>9.0}/s  get {get:>9.0}/s")
}
