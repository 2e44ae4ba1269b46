//! Several servers on one Redis, and clients that speak to all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::api::{Component, send, try_send};
use crate::fixtures::Fixture;
use crate::redis::RedisServer;
use crate::server::Server;
use crate::wait;
use crate::worker::Worker;

/// Short, so that tests need not wait long for it to end.
pub const FLAGS: [&str; 2] = ["--node-lease", "2s"];

/// How long a client waits before it asks the next server.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// How many shards there are.
const SHARDS: u64 = 1_024;

/// Servers that share a Redis.
#[derive(Debug)]
pub struct Cluster {
    /// The servers.
    pub nodes: Vec<Server>,
    /// What they share.
    pub redis: RedisServer,
}

impl Cluster {
    /// Starts `count` servers, and returns when each has its share of the workers.
    pub async fn start(count: usize) -> Self {
        let redis = RedisServer::start();
        let mut cluster = Self { nodes: Vec::new(), redis };
        for _ in 0..count {
            cluster.add().await;
        }
        cluster.settles().await;
        cluster
    }

    /// Starts one more server.
    pub async fn add(&mut self) {
        self.nodes.push(Server::start_on_store(&self.redis.url(), &FLAGS).await);
    }

    /// Returns when the servers that there are have even shares, and all of them know it.
    pub async fn settles(&self) {
        let nodes: Vec<&Server> = self.nodes.iter().collect();
        settles(&nodes).await;
    }

    /// Uploads a guest to the first server.
    pub async fn deploy(&self, fixture: &Fixture) -> Component {
        self.nodes[0].deploy(fixture).await
    }

    /// A worker of a component, as each of the servers shows it.
    pub fn worker(&self, component: &str, name: &str) -> Vec<Worker> {
        let of = |node: &Server| node.api().component(component).worker(name);
        self.nodes.iter().map(of).collect()
    }

    /// Names of workers, one for each server, that are at home there.
    pub async fn homes(&self, component: &str) -> Vec<String> {
        let mut homes = Vec::new();
        for at in 0..self.nodes.len() {
            homes.push(self.name_at(component, at, "w").await);
        }
        homes
    }

    /// The name of another worker than [`Self::homes`] tells that is at home at a server.
    pub async fn another_at(&self, component: &str, at: usize) -> String {
        self.name_at(component, at, "other").await
    }

    async fn name_at(&self, component: &str, at: usize, begin: &str) -> String {
        let address = format!("http://127.0.0.1:{}", self.nodes[at].port());
        for number in 0.. {
            let name = format!("{begin}{number}");
            if home(&self.nodes[0].api().component(component).worker(&name)).await == address {
                return name;
            }
        }
        unreachable!("each server has its share")
    }
}

/// Returns when these servers, and no others, have even shares, and all of them know it.
pub async fn settles(nodes: &[&Server]) {
    let share = SHARDS / nodes.len() as u64;
    wait::until("the shares are even", async || {
        for node in nodes {
            // It may be just beginning anew.
            let status = try_send(node.api().request(Method::GET, &["v1", "cluster"])).await;
            let Ok(status) = status.map(|reply| reply.expect(200)) else { return None };
            let members = status["nodes"].as_array().expect("a list");
            let is_even = |member: &Value| {
                let shards = member["shards"].as_u64().unwrap_or(0);
                member["state"] == "serving" && (shards == share || shards == share + 1)
            };
            if members.len() != nodes.len() || !members.iter().all(is_even) {
                return None;
            }
        }
        Some(())
    })
    .await;
}

/// The address of the server that answers for a worker, which need not exist.
async fn home(worker: &Worker) -> String {
    let reply = send(worker.request(Method::GET, &[])).await;
    reply.header("everlog-node").expect("the answer says which node has the worker").to_owned()
}

/// Clients that add 1 to counters, each call under a key of its own, at one server after the other until
/// one acknowledges it.
pub struct CounterLoad {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    clients: Vec<JoinHandle<u64>>,
}

impl CounterLoad {
    /// Starts a client for each worker, which is given as each server shows it.
    #[must_use]
    pub fn start(workers: Vec<Vec<Worker>>) -> Self {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let clients = workers.into_iter().enumerate().map(|(client, worker)| {
            tokio::spawn(add_until(worker, client, Arc::clone(&stop), Arc::clone(&acknowledged)))
        });
        Self { clients: clients.collect(), stop, acknowledged }
    }

    /// As [`Self::start`], with clients that try nothing twice.
    #[must_use]
    pub fn start_without_second_tries(workers: Vec<Vec<Worker>>) -> Self {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::<AtomicU64>::default());
        let clients = workers.into_iter().map(|worker| {
            let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
            tokio::spawn(async move {
                let mut calls = 0;
                while !stop.load(Ordering::SeqCst) {
                    calls += 1;
                    assert_eq!(worker[0].call("add", json!([1])).await, calls);
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
                calls
            })
        });
        Self { clients: clients.collect(), stop, acknowledged }
    }

    /// Returns when so many further calls were acknowledged.
    pub async fn advances(&self, calls: u64) {
        let goal = self.acknowledged.load(Ordering::SeqCst) + calls;
        wait::until("calls are acknowledged", async || {
            (self.acknowledged.load(Ordering::SeqCst) >= goal).then_some(())
        })
        .await;
    }

    /// Stops, and compares each counter with the calls that were acknowledged.
    ///
    /// # Panics
    /// If one was lost or doubled.
    pub async fn verify(self, workers: Vec<Vec<Worker>>) {
        self.stop.store(true, Ordering::SeqCst);
        for (client, worker) in self.clients.into_iter().zip(workers) {
            let acknowledged = client.await.expect("the client comes to an end");
            for worker in worker {
                let total = worker.call("get", json!([])).await;
                assert_eq!(total, acknowledged, "calls were lost or doubled");
            }
        }
    }
}

async fn add_until(
    worker: Vec<Worker>,
    client: usize,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
) -> u64 {
    let mut calls = 0;
    while !stop.load(Ordering::SeqCst) {
        let total = add_one(&worker, client, calls).await;
        calls += 1;
        assert_eq!(total, calls, "client {client}: the counter and its only client differ");
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
    calls
}

/// One call at one server after the other, until one acknowledges it.
async fn add_one(worker: &[Worker], client: usize, call: u64) -> Value {
    let key = format!("{client}-{call}");
    let stopwatch = wait::Stopwatch::start();
    let first = usize::try_from(call).expect("few calls");
    for node in worker.iter().cycle().skip(first % worker.len()) {
        match node.try_invoke_with_key("add", json!([1]), &key).await {
            Ok(reply) if reply.status == 200 => return reply.expect(200),
            Ok(reply) => assert_eq!(reply.status, 503, "{}", reply.text()),
            // It is down.
            Err(_) => {}
        }
        assert!(stopwatch.elapsed() < wait::PATIENCE, "client {client}: no answer to {key}");
        wait::pause(ASK_AGAIN_AFTER).await;
    }
    unreachable!("the servers are asked in a circle")
}
