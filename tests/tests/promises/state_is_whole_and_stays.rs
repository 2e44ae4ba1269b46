//! What the state API acknowledged is there after a kill, a list or transaction is never seen in
//! part, of many writers with one ETag one wins, and an ETag never comes back.

use everlog_tests::api::{send, try_send};
use everlog_tests::process;
use everlog_tests::redis::RedisServer;
use everlog_tests::seed;
use everlog_tests::server::Server;
use everlog_tests::state::{refused, upsert};
use everlog_tests::wait;
use futures::future::join_all;
use rand::Rng as _;
use rand::rngs::StdRng;
use reqwest::Method;
use serde_json::{Value, json};

const WRITERS: usize = 64;
const ROUNDS: usize = 8;

/// What is put into bodies.
const TORN: &[u8] = b"[]{}\",:\\1";

#[tokio::test]
async fn of_64_writers_with_one_etag_one_wins() {
    let server = Server::start().await;
    let store = server.state("statestore");
    store.put("k", "start").await;
    for round in 0..ROUNDS {
        let etag = store.etag("k").await;
        let writes = (0..WRITERS).map(|writer| {
            let value = format!("{round}-{writer}");
            let item = json!([{ "key": "k", "value": value, "etag": etag }]);
            async { (store.try_save(item).await.status, value) }
        });
        let told = join_all(writes).await;
        let winners: Vec<&String> =
            told.iter().filter(|(status, _)| *status == 204).map(|(_, value)| value).collect();
        assert_eq!(winners.len(), 1, "{told:?}");
        assert!(told.iter().all(|(status, _)| matches!(status, 204 | 409)), "{told:?}");
        assert_eq!(store.get("k").await, json!(winners[0]));
    }
    // And of those who would be first.
    let writes = (0..WRITERS).map(|writer| {
        let options = json!({ "concurrency": "first-write" });
        store.try_save(json!([{ "key": "new", "value": writer, "options": options }]))
    });
    let told = join_all(writes).await;
    assert_eq!(told.iter().filter(|reply| reply.status == 204).count(), 1);
}

#[tokio::test]
async fn an_etag_never_comes_back() {
    let mut server = Server::start().await;
    let store = server.state("statestore");
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..5 {
        store.put("k", "same").await;
        assert!(seen.insert(store.etag("k").await), "round {round}");
        store.delete("k").await;
        if round == 2 {
            server.restart_after_kill().await;
        }
    }
    store.put("k", "same").await;
    for etag in seen {
        let late = json!([{ "key": "k", "value": "late", "etag": etag }]);
        refused(&store.try_save(late).await, 409, "ERR_STATE_SAVE");
    }
    assert_eq!(store.get("k").await, "same");
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill() {
    let mut server = Server::start().await;
    let mut random = seed::generator();
    for round in 0..4 {
        let store = server.state("statestore");
        let key = format!("r{round}");
        store.put(&key, round).await;
        server.kill();
        server.start_again().await;
        assert_eq!(store.get(&key).await, round);

        // Under load, each writer counts up, and the kill comes at any moment.
        let writers = (0..8).map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                let key = format!("w{round}-{writer}");
                let mut acknowledged = 0;
                loop {
                    let next = acknowledged + 1;
                    let items = json!([{ "key": key, "value": next },
                        { "key": format!("{key}-twin"), "value": next }]);
                    let request = store.request(Method::POST, &[]).json(&items);
                    match try_send(request).await {
                        Ok(reply) if reply.status == 204 => acknowledged = next,
                        _ => return (key, acknowledged),
                    }
                }
            })
        });
        let writers: Vec<_> = writers.collect();
        let load = std::time::Duration::from_millis(random.random_range(30..150));
        wait::pause(load).await;
        server.kill();
        let reached = join_all(writers).await;
        server.start_again().await;
        for writer in reached {
            let (key, acknowledged) = writer.expect("no panic");
            let found = store.bulk(&[&key, &format!("{key}-twin")]).await;
            let value = found[0]["data"].as_i64().unwrap_or_default();
            assert!(value == acknowledged || value == acknowledged + 1, "{key}: {found}");
            assert_eq!(found[1]["data"].as_i64().unwrap_or_default(), value, "{key}: one of two");
        }
    }
}

#[tokio::test]
async fn transactions_are_never_seen_in_part() {
    let server = Server::start().await;
    let store = server.state("statestore");
    let amount = 100;
    store.transact(json!([upsert("a", amount), upsert("b", amount)])).await.expect(204);
    let movers = (0..8).map(|_| async {
        let mut moved = 0;
        while moved < 10 {
            let seen = store.bulk(&["a", "b"]).await;
            let (a, b) = (seen[0]["data"].as_i64().unwrap(), seen[1]["data"].as_i64().unwrap());
            let with_etag = |key: &str, value: i64, place: usize| {
                json!({ "operation": "upsert",
                    "request": { "key": key, "value": value, "etag": seen[place]["etag"] } })
            };
            let reply =
                store.transact(json!([with_etag("a", a - 1, 0), with_etag("b", b + 1, 1)])).await;
            match reply.status {
                204 => moved += 1,
                _ => drop(refused(&reply, 500, "ERR_STATE_TRANSACTION")),
            }
        }
    });
    join_all(movers).await;
    assert_eq!(store.get("a").await, amount - 80);
    assert_eq!(store.get("b").await, amount + 80);
}

/// A body that is cut, changed or torn is refused, or is a good body; and never written in part.
#[tokio::test]
async fn broken_bodies_write_nothing() {
    let server = Server::start().await;
    let store = server.state("statestore");
    let mut random = seed::generator();
    let mut refusals = 0;
    for round in 0..400 {
        // The round twice, so that no broken key of one is a key of another.
        let keys: Vec<String> =
            (0..4).map(|number| format!("{round:03}-{round:03}-{number}")).collect();
        let items: Vec<Value> = keys
            .iter()
            .map(|key| json!({ "key": key, "value": { "a": [1, "x"] }, "options": {} }))
            .collect();
        // As a list, or as a transaction.
        let operations: Vec<Value> =
            items.iter().map(|item| json!({ "operation": "upsert", "request": item })).collect();
        let (body, rest) = match round % 2 {
            0 => (json!(items), &[][..]),
            _ => (json!({ "operations": operations }), &["transaction"][..]),
        };
        let body = broken(&body.to_string(), &mut random);
        let request = store.request(Method::POST, rest).body(body.clone());
        let reply = send(request).await;
        let shown = String::from_utf8_lossy(&body).into_owned();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let found = store.bulk(&keys).await;
        let written = keys.iter().enumerate().filter(|(place, _)| !found[*place]["data"].is_null());
        match reply.status {
            400 => {
                refusals += 1;
                assert_eq!(written.count(), 0, "{shown}");
            }
            status => assert_eq!(status, 204, "{shown}: {}", reply.text()),
        }
    }
    assert!(refusals > 200, "only {refusals} bodies were broken");
    // Bodies that write nothing in any case.
    for round in 0..200 {
        let (body, rest) = match round % 2 {
            0 => (json!({ "keys": ["a", "b"], "parallelism": 2, "metadata": {} }), ["bulk"]),
            _ => (
                json!({ "operations": [{ "operation": "delete", "request": { "key": "a" } }] }),
                ["transaction"],
            ),
        };
        let body = broken(&body.to_string(), &mut random);
        let shown = String::from_utf8_lossy(&body).into_owned();
        let reply = send(store.request(Method::POST, &rest).body(body)).await;
        assert!(matches!(reply.status, 200 | 204 | 400), "{shown}: {}", reply.text());
    }
}

/// A strong write waits for a replica of Redis that hangs, and another does not.
#[tokio::test]
async fn strong_writes_are_on_the_replicas() {
    let mut server = Server::start_on_redis(RedisServer::start(), &[]).await;
    let replica = RedisServer::start_replica(server.redis());
    wait::until("the server counts the replica", async || {
        let metrics = server.api().get("/metrics").await.text();
        metrics.lines().any(|line| line == "everlog_store_replicas 1").then_some(())
    })
    .await;
    let store = server.state("statestore");
    let strong = |key: &str| {
        let store = store.clone();
        let item = json!([{ "key": key, "value": 1, "options": { "consistency": "strong" } }]);
        tokio::spawn(async move { store.try_save(item).await.status })
    };
    assert_eq!(strong("a").await.expect("no panic"), 204);
    process::stop(replica.process_id()).await;
    let waiting = strong("b");
    for round in 0..20 {
        store.put("c", round).await;
    }
    assert!(!waiting.is_finished(), "the replica has nothing of it");
    replica.signal("CONT");
    assert_eq!(waiting.await.expect("no panic"), 204);
}

fn broken(body: &str, random: &mut StdRng) -> Vec<u8> {
    let mut bytes = body.as_bytes().to_vec();
    for _ in 0..random.random_range(1..4) {
        let place = random.random_range(0..bytes.len());
        match random.random_range(0..4) {
            0 => bytes.truncate(place.max(1)),
            1 => {
                bytes.remove(place);
            }
            2 => bytes[place] = random.random(),
            _ => bytes.insert(place, TORN[random.random_range(0..TORN.len())]),
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}
