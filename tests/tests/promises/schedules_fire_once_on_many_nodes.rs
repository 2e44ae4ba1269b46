//! Servers that share a store fire each time of a schedule once, whichever of them is killed.

use everlog_tests::cluster::Cluster;
use everlog_tests::schedule::{add, ask, calls};
use everlog_tests::{fixtures, wait};
use reqwest::Method;
use serde_json::json;

const SCHEDULES: usize = 6;

#[tokio::test]
async fn and_are_taken_over() {
    let mut cluster = Cluster::start(2).await;
    cluster.deploy(&fixtures::COUNTER).await;
    let names: Vec<String> = (0..SCHEDULES).map(|number| format!("s{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        // Any node takes any schedule.
        let api = cluster.nodes[number % 2].api();
        let members = json!({ "cron": "* * * * * *", "missed": "run-all" });
        add(api, name, name, members).await.expect(201);
    }
    for victim in [0, 1] {
        let survivor = 1 - victim;
        let api = cluster.nodes[survivor].api().clone();
        let fired = async |name: &str| {
            ask(&api, Method::GET, &[name]).await.expect(200)["fired"].as_u64().unwrap_or_default()
        };
        let fire = async |more: u64| {
            let mut wanted = Vec::new();
            for name in &names {
                wanted.push((name, fired(name).await + more));
            }
            for (name, wanted) in wanted {
                let enough = async || (fired(name).await >= wanted).then_some(());
                wait::until("it fires", enough).await;
            }
        };
        fire(2).await;
        cluster.nodes[victim].kill();
        fire(2).await;
        cluster.nodes[victim].start_again().await;
        cluster.settles().await;
    }
    for name in &names {
        let api = cluster.nodes[0].api();
        ask(api, Method::POST, &[name, "pause"]).await.expect(200);
        let worker = &cluster.worker("counter", name)[0];
        let calls = wait::until("nothing is on its way", async || {
            let seen = calls(worker).await;
            (worker.call("get", json!([])).await == seen.len()).then_some(seen)
        })
        .await;
        let dues: Vec<u64> = calls.iter().map(|call| call.due).collect();
        let consecutive = dues.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 86_400);
        assert!(consecutive, "each second and in order: {dues:?}");
    }
}
