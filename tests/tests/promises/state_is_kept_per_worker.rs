//! What a guest keeps with `everlog::state` is its worker's own: changed exactly once through kills,
//! seen and set from outside while it runs, and gone with it.

use std::time::Duration;

use everlog_tests::api::send;
use everlog_tests::command::{run, run_in};
use everlog_tests::reply::Reply;
use everlog_tests::server::{Server, StoppedData};
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, seed, wait};
use rand::Rng as _;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

const ADDITIONS: u64 = 60;
const KILLS: u32 = 5;
/// How long the server lives between two kills, in milliseconds.
const LIFE: std::ops::Range<u64> = 50..400;

async fn ok(worker: &Worker, function: &str, arguments: Value) -> Value {
    let result = worker.call(function, arguments).await;
    assert_eq!(result.get("err"), None, "{function}");
    result["ok"].clone()
}

async fn put(worker: &Worker, key: &str, value: &Value) -> Reply {
    send(worker.request(Method::PUT, &["state", key]).json(value)).await
}

async fn get(worker: &Worker, key: &str) -> Reply {
    send(worker.request(Method::GET, &["state", key])).await
}

/// The keys and values of a whole listing, and how many pages it took.
async fn listed(worker: &Worker, prefix: &str, limit: usize) -> (Vec<(String, Value)>, usize) {
    let (mut entries, mut pages, mut cursor) = (Vec::new(), 0, None);
    loop {
        let mut query = vec![("prefix", prefix.to_owned()), ("limit", limit.to_string())];
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let page = send(worker.request(Method::GET, &["state"]).query(&query)).await.expect(200);
        pages += 1;
        for entry in page["state"].as_array().expect("entries") {
            let key = entry["key"].as_str().expect("a key").to_owned();
            entries.push((key, entry["value"].clone()));
        }
        cursor = page["cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return (entries, pages);
        }
    }
}

#[tokio::test]
async fn a_guest_sees_at_once_what_it_did() {
    let server = Server::start().await;
    let mary = server.deploy(&fixtures::STATE_KEEPER).await.worker("mary");
    assert_eq!(ok(&mary, "churn", json!([50])).await, 0, "surprises");
}

#[tokio::test]
async fn each_change_happens_once_through_kills() {
    let mut random = seed::generator();
    let mut server = Server::start().await;
    let mary = server.deploy(&fixtures::STATE_KEEPER).await.worker("mary");
    let adding = {
        let mary = mary.clone();
        tokio::spawn(async move {
            for number in 1..=ADDITIONS {
                let key = format!("k{number}");
                let told = mary.call_until_acknowledged("add", json!(["sum", 1]), &key).await;
                assert_eq!(told["ok"], number);
            }
        })
    };
    for _ in 0..KILLS {
        wait::pause(Duration::from_millis(random.random_range(LIFE))).await;
        server.restart_after_kill().await;
    }
    adding.await.expect("no panic");
    assert_eq!(get(&mary, "sum").await.expect(200), ADDITIONS);
    server.restart_after_kill().await;
    assert_eq!(ok(&mary, "add", json!(["sum", 1])).await, ADDITIONS + 1);
    assert_eq!(mary.metadata().await, mary.rebuilt_metadata().await);
}

#[tokio::test]
async fn it_is_seen_and_set_from_outside_while_the_worker_runs() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::STATE_KEEPER).await;
    let (mary, john) = (component.worker("mary"), component.worker("john"));
    ok(&mary, "set", json!(["größe/1", "42 cm"])).await;
    ok(&john, "set", json!(["größe/1", "other"])).await;
    let seen = get(&mary, "größe/1").await;
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.expect(200), "42 cm");

    let key = mary.start("take", json!(["gift"])).await;
    mary.reaches("running").await;
    assert_eq!(put(&mary, "gift", &json!("tea")).await.status, 204);
    assert_eq!(mary.outcome(&key).await["result"], json!({ "ok": "tea" }));
    get(&mary, "gift").await.expect_problem(404, "state-not-found");

    // A worker that comes back sees what it saw, whatever is there by then.
    put(&mary, "gift", &json!("milk")).await;
    server.restart_after_kill().await;
    assert_eq!(ok(&mary, "get", json!(["gift"])).await, "milk");
    assert_eq!(ok(&mary, "keys", json!([""])).await, json!(["gift", "größe/1"]));
    assert_eq!(ok(&john, "keys", json!([""])).await, json!(["größe/1"]));
    let deleted = send(mary.request(Method::DELETE, &["state", "gift"])).await;
    assert_eq!(deleted.status, 204);
    assert_eq!(ok(&mary, "get", json!(["gift"])).await, Value::Null);
}

#[tokio::test]
async fn a_condition_decides_who_was_first() {
    let server = Server::start().await;
    let mary = server.deploy(&fixtures::STATE_KEEPER).await.worker("mary");
    mary.create(json!({})).await;
    let put = async |name: &str, tag: &str, value: u64| {
        let request = mary.request(Method::PUT, &["state", "k"]).header(name, tag);
        send(request.json(&value)).await
    };
    put("If-Match", "*", 0).await.expect_problem(412, "state-stands");
    let first = put("If-None-Match", "*", 1).await;
    let tag = first.header("etag").expect("an ETag").to_owned();
    put("If-None-Match", "*", 2).await.expect_problem(412, "state-stands");
    // The guest's change has another version, also with the same value.
    assert_eq!(ok(&mary, "add", json!(["k", 0])).await, 1);
    put("If-Match", &tag, 3).await.expect_problem(412, "state-stands");
    let tag = get(&mary, "k").await.header("etag").expect("an ETag").to_owned();
    assert_eq!(put("If-Match", &tag, 4).await.status, 204);
    assert_eq!(get(&mary, "k").await.expect(200), 4);
}

#[tokio::test]
async fn it_is_listed_in_pages_and_cleared() {
    let server = Server::start().await;
    let component = server.deploy(&fixtures::STATE_KEEPER).await;
    let (mary, john) = (component.worker("mary"), component.worker("john"));
    ok(&mary, "fill", json!([250])).await;
    ok(&john, "fill", json!([3])).await;
    let expected: Vec<_> = (0..250).map(|n| (format!("{n:04}"), json!(n))).collect();
    assert_eq!(listed(&mary, "", 100).await, (expected.clone(), 3));
    assert_eq!(listed(&mary, "", 125).await, (expected.clone(), 2));
    assert_eq!(listed(&mary, "01", 1_000).await, (expected[100..200].to_vec(), 1));
    assert_eq!(ok(&mary, "keys", json!(["024"])).await.as_array().map(Vec::len), Some(10));

    ok(&mary, "clear-all", json!([])).await;
    assert_eq!(ok(&mary, "keys", json!([""])).await, json!([]));
    let cleared = send(john.request(Method::DELETE, &["state"])).await.expect(200);
    assert_eq!(cleared["cleared"], 3);
    assert_eq!(listed(&john, "", 100).await, (Vec::new(), 1));
}

#[tokio::test]
async fn it_goes_with_the_worker_and_a_fork_takes_a_copy() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::STATE_KEEPER).await;
    let (mary, fork) = (component.worker("mary"), component.worker("fork"));
    ok(&mary, "add", json!(["n", 5])).await;
    ok(&mary, "set-long", json!(["long", 300_000])).await;
    mary.fork(json!({ "worker": "fork" })).await.expect(201);
    assert_eq!(ok(&fork, "add", json!(["n", 1])).await, 6);
    assert_eq!(ok(&mary, "add", json!(["n", 2])).await, 7);
    mary.delete().await.expect(204);
    get(&mary, "n").await.expect_problem(404, "worker-not-found");
    put(&mary, "n", &json!(1)).await.expect_problem(404, "worker-not-found");
    server.restart_after_kill().await;
    assert_eq!(ok(&mary, "keys", json!([""])).await, json!([]), "a new worker of that name");
    assert_eq!(ok(&fork, "add", json!(["n", 0])).await, 6);
    let long = get(&fork, "long").await.expect(200);
    assert_eq!(long.as_str().map(str::len), Some(300_000));
}

#[tokio::test]
async fn limits_are_told_and_others_cannot_reach_it() {
    let server = Server::start().await;
    let mary = server.deploy(&fixtures::STATE_KEEPER).await.worker("mary");
    ok(&mary, "set", json!(["k", "v"])).await;
    let long = "k".repeat(1_025);
    let refused = mary.call("set", json!([long, "v"])).await;
    let expected = "a key has 1025 bytes, but at most 1024 are allowed";
    assert_eq!(refused, json!({ "err": expected }));
    let problem = put(&mary, &long, &json!(1)).await.expect_problem(400, "invalid-request");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(expected)));
    let request = mary.request(Method::PUT, &["state", "k"]).body("{");
    send(request).await.expect_problem(400, "malformed-json");
    let bytes = mary.request(Method::PUT, &["state", "raw"]);
    let bytes = bytes.header("content-type", "application/octet-stream").body("{");
    assert_eq!(send(bytes).await.status, 204);
    assert_eq!(get(&mary, "raw").await.text(), "{");
    let unfitting = mary.call("get", json!(["raw"])).await;
    assert!(unfitting["err"].as_str().is_some_and(|told| told.contains("\"raw\"")), "{unfitting}");

    let id = mary.metadata().await["componentId"].as_str().expect("an id").to_owned();
    let other = server.deploy(&fixtures::KEY_VALUE).await.worker("other");
    let refused = other.call("get", json!([format!("\u{1}state/{id}/mary"), "k"])).await;
    assert!(refused["err"].as_str().is_some_and(|told| told.contains("control character")));
}

#[tokio::test]
async fn the_command_line_shows_and_sets_it() {
    let server = Server::start().await;
    let mary = server.deploy(&fixtures::STATE_KEEPER).await.worker("mary");
    ok(&mary, "add", json!(["n", 5])).await;
    let state = async |verb: &str, rest: &[&str]| {
        let arguments = [&["state", verb, "state-keeper", "mary"], rest].concat();
        run(&server, &arguments).await
    };
    assert_eq!(state("get", &["n"]).await.success().trim(), "5");
    state("set", &["n", "7"]).await.success();
    assert_eq!(ok(&mary, "add", json!(["n", 1])).await, 8);
    let listed = state("list", &["--output", "json"]).await.json();
    assert_eq!(
        (&listed["state"][0]["key"], &listed["state"][0]["value"]),
        (&json!("n"), &json!(8))
    );
    state("clear", &["n"]).await.success();
    let gone = state("get", &["n"]).await;
    assert!(gone.code() == Some(1) && gone.errors().contains("state-not-found"));
    state("set", &["m", "1"]).await.success();
    state("clear", &["--all"]).await.success();
    assert_eq!(state("list", &["--output", "jsonl"]).await.success(), "");
}

#[tokio::test]
async fn an_exported_worker_takes_it_along() {
    let (source, target) = (Server::start().await, Server::start().await);
    let mary = source.deploy(&fixtures::STATE_KEEPER).await.worker("mary");
    ok(&mary, "fill", json!([100])).await;
    ok(&mary, "set-long", json!(["long", 300_000])).await;
    let exported = send(mary.request(Method::GET, &["oplog.bin"])).await;
    let bytes = exported.bytes;
    let component = target.deploy(&fixtures::STATE_KEEPER).await;
    for name in ["mary", "john"] {
        let worker = component.worker(name);
        let import = worker.request(Method::PUT, &["oplog.bin"]).body(bytes.clone());
        assert_eq!(send(import).await.status, 201);
        assert_eq!(ok(&worker, "add", json!(["0042", 1])).await, 43);
        assert_eq!(listed(&worker, "", 1_000).await.0.len(), 101);
        let long = get(&worker, "long").await.expect(200);
        assert_eq!(long.as_str().map(str::len), Some(300_000));
    }
}

#[tokio::test]
async fn a_copy_of_the_worker_takes_it_along() {
    let server = Server::start_embedded(&[]).await;
    let component = server.deploy(&fixtures::STATE_KEEPER).await;
    let (mary, john) = (component.worker("mary"), component.worker("john"));
    ok(&mary, "add", json!(["n", 5])).await;
    ok(&mary, "set-long", json!(["long", 300_000])).await;
    ok(&john, "add", json!(["n", 9])).await;
    let data = server.into_data().await;
    let target = TempDir::new().expect("a temporary directory");
    let from = format!("embedded:{}", data.data_directory().display());
    let to = format!("embedded:{}", target.path().join("data").display());
    let copy = ["store", "copy", "--from", &from, "--to", &to, "--worker", "state-keeper/mary"];
    run_in(target.path(), &copy).await.success();

    let server = Server::start_on_copy(&StoppedData::in_files(target), &[]).await;
    let component = server.api().component("state-keeper");
    let (mary, john) = (component.worker("mary"), component.worker("john"));
    assert_eq!(ok(&mary, "add", json!(["n", 1])).await, 6);
    let long = get(&mary, "long").await.expect(200);
    assert_eq!(long.as_str().map(str::len), Some(300_000));
    assert_eq!(ok(&john, "keys", json!([""])).await, json!([]), "it was not copied");
}
