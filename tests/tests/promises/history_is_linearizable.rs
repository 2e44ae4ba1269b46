//! Whatever breaks, each worker is like one thing that does one call at a time: everything that its
//! clients are told, by counters and by compare-and-swap, could have come from that, in an order that
//! agrees with what was over before something else began. Answers that got lost are asked for again
//! under the same key, or never.

use std::time::Duration;

use everlog_tests::cluster::{Cluster, FLAGS};
use everlog_tests::history::Load;
use everlog_tests::redis::RedisServer;
use everlog_tests::wire::Wire;
use everlog_tests::{seed, server::Server, wait};
use rand::Rng as _;
use rand::rngs::StdRng;

const KILLS: u32 = 6;

/// How long things work between two kills, in milliseconds.
const LIFE: std::ops::Range<u64> = 100..700;

/// The lease and the time to notice its end.
const LONGER_THAN_A_LEASE: Duration = Duration::from_millis(3_000);

async fn work_a_while(random: &mut StdRng) {
    wait::pause(Duration::from_millis(random.random_range(LIFE))).await;
}

#[tokio::test]
async fn on_files_while_the_server_is_killed() {
    let mut random = seed::generator();
    // Workers also come and go by themselves.
    let flags = ["--max-loaded-workers", "3"];
    let mut server = Server::start_on_store("embedded", &flags).await;
    let load = Load::start(&[server.api().clone()], &mut random).await;
    for _ in 0..KILLS {
        work_a_while(&mut random).await;
        server.restart_after_kill().await;
    }
    work_a_while(&mut random).await;
    load.verify().await;
}

#[tokio::test]
async fn on_redis_while_both_are_killed() {
    let mut random = seed::generator();
    let mut server = Server::start_on_redis(RedisServer::start(), &[]).await;
    let load = Load::start(&[server.api().clone()], &mut random).await;
    for _ in 0..KILLS {
        work_a_while(&mut random).await;
        match random.random_range(0..3) {
            0 => server.restart_after_kill().await,
            1 => {
                server.redis().kill();
                server.redis().start_again();
            }
            _ => {
                server.redis().kill();
                server.kill();
                server.redis().start_again();
                server.start_again().await;
            }
        }
    }
    work_a_while(&mut random).await;
    load.verify().await;
}

/// Three servers, of which one reaches Redis through a wire that is cut now and then: they are killed,
/// paused for longer than their leases, cut off and mended, and Redis is killed too.
#[tokio::test]
async fn on_three_servers_while_all_kinds_of_things_break() {
    let mut random = seed::generator();
    let mut cluster = Cluster::start(2).await;
    let wire = Wire::start(cluster.redis.port()).await;
    let url = format!("redis://127.0.0.1:{}", wire.port());
    cluster.nodes.push(Server::start_on_store(&url, &FLAGS).await);
    cluster.settles().await;
    let apis: Vec<_> = cluster.nodes.iter().map(|node| node.api().clone()).collect();
    let load = Load::start(&apis, &mut random).await;
    for _ in 0..KILLS {
        work_a_while(&mut random).await;
        let victim = random.random_range(0..2);
        match random.random_range(0..4) {
            0 => {
                cluster.nodes[victim].kill();
                work_a_while(&mut random).await;
                cluster.nodes[victim].start_again().await;
            }
            1 => {
                cluster.nodes[victim].stop().await;
                wait::pause(LONGER_THAN_A_LEASE).await;
                cluster.nodes[victim].signal("CONT");
            }
            2 => {
                wire.cut();
                wait::pause(LONGER_THAN_A_LEASE).await;
                wire.mend();
            }
            _ => {
                cluster.redis.kill();
                cluster.redis.start_again();
            }
        }
    }
    cluster.settles().await;
    load.verify().await;
}
