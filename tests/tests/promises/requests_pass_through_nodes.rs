//! A request that comes to a server without the worker is as good as one that comes to the right one:
//! bodies of any size go both ways, streams arrive as they are written, who goes away is heard of, and
//! nothing is passed on twice.

use everlog_tests::api::send;
use everlog_tests::cluster::{Cluster, FLAGS};
use everlog_tests::redis::RedisServer;
use everlog_tests::server::Server;
use everlog_tests::{fixtures, wait};
use reqwest::Method;
use serde_json::json;

/// More than what is kept of a request, and less than `max-body`.
const LARGE: usize = 3_000_000;

#[tokio::test]
async fn large_bodies_go_both_ways() {
    let cluster = Cluster::start(2).await;
    cluster.deploy(&fixtures::HTTP_SERVER).await;
    let homes = cluster.homes("http-server").await;
    let first = cluster.nodes[0].api();
    for name in &homes {
        let path = ["http", "http-server", name, "large"];
        let request = first.request(Method::POST, &path).body("y".repeat(LARGE));
        let reply = send(request).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let text = reply.text();
        assert!(text.starts_with("method Method::Post\ntarget /large\n"), "{}", &text[..200]);
        let authority = format!("authority 127.0.0.1:{}\n", cluster.nodes[0].port());
        assert!(
            text.contains(&authority),
            "the guest sees whom the client named: {}",
            &text[..200]
        );
        assert!(!text.contains("header everlog-"), "the guest does not see how it came");
        assert!(text.ends_with(&format!("body {}\n", "y".repeat(LARGE))), "the body is whole");
        let path = format!("/http/http-server/{name}/bytes?{LARGE}");
        assert_eq!(first.get(&path).await.bytes.len(), LARGE);
    }
}

#[tokio::test]
async fn followers_hear_at_once_and_their_leaving_is_heard_of() {
    // As many requests as the other server answers at once.
    const MOST: usize = 4;
    let mut cluster = Cluster { redis: RedisServer::start(), nodes: Vec::new() };
    let most = MOST.to_string();
    let flags = [&FLAGS[..], &["--max-requests", &most]].concat();
    for flags in [&FLAGS[..], &flags] {
        let server = Server::start_on_store(&cluster.redis.url(), flags).await;
        cluster.nodes.push(server);
    }
    cluster.settles().await;
    cluster.deploy(&fixtures::PRINTER).await;
    let name = &cluster.homes("printer").await[1];
    let [through, at_home] = &cluster.worker("printer", name)[..] else { panic!("two") };
    at_home.call("print", json!([["one"]])).await;
    for _ in 0..MOST * 3 {
        let mut follower = through.follow().await;
        assert_eq!(follower.messages(1).await, ["one"]);
        drop(follower);
        // Had it not heard of the end, it would refuse the next ones.
        wait::until("there is room", async || {
            let reply = send(at_home.request(Method::GET, &[])).await;
            (reply.status == 200).then_some(())
        })
        .await;
    }
    let mut follower = through.follow().await;
    assert_eq!(follower.messages(1).await, ["one"]);
    at_home.call("print", json!([["two"]])).await;
    assert_eq!(follower.messages(1).await, ["two"]);
}

#[tokio::test]
async fn nothing_is_passed_on_twice() {
    let cluster = Cluster::start(2).await;
    cluster.deploy(&fixtures::COUNTER).await;
    let homes = cluster.homes("counter").await;
    let [first, second] = &cluster.worker("counter", &homes[1])[..] else { panic!("two") };
    let passed_on = |worker: &everlog_tests::worker::Worker| {
        worker.invocation("add", &json!([1])).header("everlog-forwarded", "1")
    };
    let refused = send(passed_on(first)).await;
    refused.expect_problem(503, "worker-elsewhere");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(send(passed_on(second)).await.expect(200), 1);
    // What servers ask each other is nobody else's business.
    let path = "/v1/cluster/messages";
    let message = cluster.nodes[0].api().request_path(Method::POST, path).body("x");
    send(message).await.expect_problem(401, "unauthorized");
}
