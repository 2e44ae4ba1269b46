//! A worker calls another exactly once, whoever is killed meanwhile: the caller, the one that is called, or all of a
//! chain. Arguments and results keep their meaning, and what can't be done is told with its reason.

use std::time::Duration;

use everlog_tests::api::{Component, send};
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, seed, server::Server, wait};
use rand::Rng;
use reqwest::Method;
use serde_json::{Value, json};

/// Workers in a chain.
const CHAIN: usize = 5;

fn location(component: &Component, worker: &str) -> String {
    format!("urn:worker:{}/{worker}", component.id)
}

async fn status_of(worker: &Worker) -> u16 {
    send(worker.request(Method::GET, &[])).await.status
}

fn links(component: &Component) -> Vec<String> {
    (1..CHAIN).map(|link| location(component, &format!("link-{link}"))).collect()
}

#[tokio::test]
async fn what_is_asked_is_answered() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::RELAY).await;
    let caller = component.worker("caller");
    let other = location(&component, "other");
    assert_eq!(caller.call("call", json!([other, "add", 5])).await, json!({"ok": 5}));
    assert_eq!(caller.call("call", json!([other, "calls.{add}", 2])).await, json!({"ok": 7}));
    assert_eq!(caller.call("call-at-most-once", json!([other, "add", 1])).await, json!({"ok": 8}));
    // By name too, and through a chain.
    let by_name = "urn:worker:relay/other";
    assert_eq!(caller.call("call", json!([by_name, "add", 1])).await, json!({"ok": 9}));
    let totals = caller.call("chain", json!([links(&component), 3])).await;
    assert_eq!(totals, json!([3, 3, 3, 3, 3]));
    // Nothing is asked again in replay.
    server.restart_after_kill().await;
    assert_eq!(caller.call("total", json!([])).await, 3);
    assert_eq!(component.worker("other").call("added", json!([])).await, json!([5, 2, 1, 1]));
}

#[tokio::test]
async fn what_cannot_be_is_told() {
    let server = Server::start().await;
    let component = server.deploy(&fixtures::RELAY).await;
    let caller = component.worker("caller");
    let other = location(&component, "other");
    let told = async |location: &str, function: &str| {
        let outcome = caller.call("call", json!([location, function, 1])).await;
        outcome["err"].as_str().unwrap_or_else(|| panic!("{outcome}")).to_owned()
    };
    let expected = [
        (other.as_str(), "ad", "not-found: component relay: the component exports no function"),
        (other.as_str(), "total", "protocol-error: everlog:relay/calls.{total}"),
        (other.as_str(), "variable", "protocol-error: everlog:relay/calls.{variable}"),
        ("urn:worker:nothing/other", "add", "not-found: there is no component nothing"),
        ("other", "add", "protocol-error: \"other\" is no location"),
        (&location(&component, "caller"), "add", "denied: worker"),
        (other.as_str(), "fail", "remote-internal-error: "),
    ];
    for (location, function, beginning) in expected {
        let told = told(location, function).await;
        assert!(told.starts_with(beginning), "{location} {function}: {told}");
    }
    assert!(told(&other, "add").await.contains("failed in an earlier invocation"));
    let other = component.worker("third");
    let described = caller.call("call", json!([location(&component, "third"), "total", 1])).await;
    assert!(described["err"].is_string(), "{described}");
    assert_eq!(status_of(&other).await, 404, "what is refused makes no worker");
}

#[tokio::test]
async fn a_chain_survives_kills_at_any_time() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::RELAY).await;
    let first = component.worker("link-0");
    let mut random = seed::generator();
    const ROUNDS: u64 = 12;
    for round in 1..=ROUNDS {
        let key = first.start("chain", json!([links(&component), round])).await;
        wait::pause(Duration::from_millis(random.random_range(0..12))).await;
        server.restart_after_kill().await;
        wait::pause(Duration::from_millis(random.random_range(0..12))).await;
        server.restart_after_kill().await;
        let outcome = first.outcome(&key).await;
        let total = round * (round + 1) / 2;
        assert_eq!(outcome["result"], json!(vec![total; CHAIN]), "round {round}: {outcome}");
    }
    let numbers: Vec<u64> = (1..=ROUNDS).collect();
    for link in 0..CHAIN {
        let added = component.worker(&format!("link-{link}")).call("added", json!([])).await;
        assert_eq!(added, json!(numbers), "link {link}");
    }
}

#[tokio::test]
async fn many_calls_are_under_way_at_once() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::RELAY).await;
    let caller = component.worker("caller");
    let locations: Vec<String> =
        (0..60).map(|number| location(&component, &format!("leaf-{number}"))).collect();
    assert_eq!(caller.call("fan-out", json!([locations, 1])).await, 60);
    let key = caller.start("fan-out", json!([locations, 2])).await;
    server.restart_after_kill().await;
    let outcome = caller.outcome(&key).await;
    assert_eq!(outcome["result"], 60 + 3 * 60, "{outcome}");
    for number in [0, 30, 59] {
        let added = component.worker(&format!("leaf-{number}")).call("added", json!([])).await;
        assert_eq!(added, json!([1, 2]));
    }
    assert_eq!(caller.call("total", json!([])).await, 60 + 3 * 60);
}

#[tokio::test]
async fn a_result_is_looked_for_without_waiting() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::RELAY).await;
    let caller = component.worker("caller");
    let other = location(&component, "other");
    let key = caller.start("ask-until-done", json!([other, 4, 300])).await;
    let callee = component.worker("other");
    wait::until("the call has begun", async || (status_of(&callee).await == 200).then_some(()))
        .await;
    server.restart_after_kill().await;
    let outcome = caller.outcome(&key).await;
    assert_eq!(outcome["result"][1], 4, "{outcome}");
    assert!(outcome["result"][0].as_u64() > Some(0), "{outcome}");
    caller.call("begin-and-drop", json!([other, 1])).await;
    server.restart_after_kill().await;
    assert_eq!(caller.call("total", json!([])).await, 0);
}

#[tokio::test]
async fn who_is_called_begins_with_the_callers_environment() {
    let server = Server::start().await;
    let component = server.deploy(&fixtures::RELAY).await;
    let caller = component.worker("caller");
    caller.create(json!({"env": {"SHOP": "corner"}})).await.expect(201);
    let of = async |worker: &str| {
        caller.call("variable-of", json!([location(&component, worker), "SHOP"])).await
    };
    assert_eq!(of("new").await, json!("corner"));
    let settled = component.worker("settled");
    settled.create(json!({})).await.expect(201);
    assert_eq!(of("settled").await, Value::Null);
    // Its name is its own.
    let name = json!([location(&component, "new"), "GOLEM_WORKER_NAME"]);
    assert_eq!(caller.call("variable-of", name).await, json!("new"));
}

#[tokio::test]
async fn a_fresh_worker_is_gone_after_its_call() {
    let server = Server::start().await;
    let component = server.deploy(&fixtures::RELAY).await;
    let caller = component.worker("caller");
    let fresh = format!("urn:worker:{}", component.id);
    assert_eq!(caller.call("call", json!([fresh, "add", 5])).await, json!({"ok": 5}));
    assert_eq!(caller.call("call", json!([fresh, "add", 6])).await, json!({"ok": 6}));
    wait::until("only the caller is left", async || {
        let listed = server.api().get("/v1/workers?component=relay").await.json();
        (listed["workers"].as_array().map(Vec::len) == Some(1)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn messages_come_in_their_order_and_once() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::RELAY).await;
    let sender = component.worker("sender");
    let receiver = component.worker("receiver");
    let mut random = seed::generator();
    const MESSAGES: u64 = 40;
    let to = location(&component, "receiver");
    for _ in 0..4 {
        let sending = sender.start("send", json!([to, MESSAGES])).await;
        wait::pause(Duration::from_millis(random.random_range(0..30))).await;
        server.restart_after_kill().await;
        assert_eq!(sender.outcome(&sending).await["result"], json!({"ok": null}));
    }
    let expected: Vec<u64> = (0..4).flat_map(|_| 0..MESSAGES).collect();
    let added = receiver.call("added", json!([])).await;
    assert_eq!(added, json!(expected));
}

#[tokio::test]
async fn the_oplog_tells_who_was_called() {
    let server = Server::start().await;
    let component = server.deploy(&fixtures::RELAY).await;
    let caller = component.worker("caller");
    caller.call("call", json!(["urn:worker:relay/other", "add", 5])).await;
    caller.call("call", json!(["urn:worker:relay/other", "nothing", 5])).await;
    caller.call("send", json!(["urn:worker:relay/other", 1])).await;
    let entries = caller.oplog_of_type("host-call").await;
    let calls: Vec<&Value> = entries.iter().map(|entry| &entry["call"]).collect();
    let [asked, refused, sent] = calls[..] else { panic!("{entries:?}") };
    assert_eq!(*asked, json!({"component": "relay", "worker": "other", "function": "add"}));
    assert!(refused["error"].as_str().is_some_and(|error| error.contains("nothing")), "{refused}");
    let key = sent["acceptedAs"].as_str().expect("a key");
    assert_eq!(component.worker("other").outcome(key).await["status"], "completed");
}

/// The dynamic form of the crate for guests.
#[tokio::test]
async fn workers_are_called_by_name() {
    let mut server = Server::start().await;
    server.deploy(&fixtures::COUNTER).await;
    server.deploy(&fixtures::SHAPES).await;
    let dialler = server.deploy(&fixtures::DIALLER).await.worker("d");
    assert_eq!(dialler.call("add", json!(["mary", 5])).await, json!({"ok": 5}));
    assert_eq!(dialler.call("post", json!(["mary", 3])).await, json!({"ok": null}));
    assert_eq!(dialler.call("area", json!([3, 4])).await, json!({"ok": 12}));
    let misfit = dialler.call("misfit", json!(["mary"])).await;
    let told = misfit["err"].as_str().unwrap_or_default();
    assert!(told.ends_with("parameter n: expected u64, found string"), "{told}");
    server.restart_after_kill().await;
    assert_eq!(dialler.call("add", json!(["mary", 1])).await, json!({"ok": 9}));
}
