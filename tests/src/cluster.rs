//! Several servers on one Redis, and clients that speak to all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::api::Component;
use crate::fixtures::Fixture;
use crate::redis::RedisServer;
use crate::server::Server;
use crate::wait;
use crate::worker::Worker;

/// Short, so that tests need not wait long for it to end.
pub const FLAGS: [&str; 2] = ["--node-lease", "2s"];

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
        let mut homes = vec![None; self.nodes.len()];
        for number in 0.. {
            let name = format!("w{number}");
            let home = home(&self.nodes[0].api().component(component).worker(&name)).await;
            let at = self.nodes.iter().position(|node| session_of(node) == home);
            homes[at.expect("the home is one of the servers")].get_or_insert(name);
            if homes.iter().all(Option::is_some) {
                break;
            }
        }
        homes.into_iter().flatten().collect()
    }
}

/// Returns when these servers, and no others, have even shares, and all of them know it.
pub async fn settles(nodes: &[&Server]) {
    let share = SHARDS / nodes.len() as u64;
    wait::until("the shares are even", async || {
        for node in nodes {
            let status = node.api().get("/v1/cluster").await.expect(200);
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
    let reply = crate::api::send(worker.request(reqwest::Method::GET, &[])).await;
    reply.header("everlog-node").expect("the answer says which node has the worker")
}

fn session_of(node: &Server) -> String {
    format!("http://127.0.0.1:{}", node.port())
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
        let key = format!("{client}-{calls}");
        let total = wait::until("the call is acknowledged", async || {
            let node = &worker[usize::try_from(calls).expect("few") % worker.len()];
            match node.try_invoke_with_key("add", json!([1]), &key).await {
                Ok(reply) if reply.status == 200 => Some(reply.expect(200)),
                Ok(reply) => {
                    assert!([502, 503].contains(&reply.status), "{}", reply.text());
                    another(&worker, calls, &key).await
                }
                Err(_) => another(&worker, calls, &key).await,
            }
        })
        .await;
        calls += 1;
        assert_eq!(total, calls, "client {client}: the counter and its only client differ");
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
    calls
}

/// The same call at the other servers, once each.
async fn another(worker: &[Worker], calls: u64, key: &str) -> Option<Value> {
    for step in 1..worker.len() {
        let node = &worker[(usize::try_from(calls).expect("few") + step) % worker.len()];
        if let Ok(reply) = node.try_invoke_with_key("add", json!([1]), key).await
            && reply.status == 200
        {
            return Some(reply.expect(200));
        }
    }
    None
}
