//! A guest can ask which workers there are and what they do; what it was told is recorded, so that a
//! replay tells the same though workers have come and gone since.

use everlog_tests::api::Component;
use everlog_tests::{fixtures, server::Server};
use serde_json::{Value, json};

/// More workers than fit into one page.
const MANY: usize = 130;

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

/// The names that a filter selects, as the worker `asker` sees them.
async fn selected(component: &Component, properties: Value) -> Vec<String> {
    let filter = json!({ "filters": [{ "filters": properties }] });
    let asker = component.worker("asker");
    let mut told = Vec::new();
    for precise in [true, false] {
        let pages = asker.call("pages", json!([filter, precise])).await;
        let names = pages.as_array().expect("pages").iter().flat_map(|page| {
            let page = page.as_array().expect("names").iter();
            page.map(|name| name.as_str().expect("a name").to_owned())
        });
        told.push(names.collect::<Vec<_>>());
    }
    assert_eq!(told[0], told[1], "both ways tell the same of workers that were left alone");
    told.remove(0)
}

#[tokio::test]
async fn what_was_told_is_replayed() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::ENUMERATOR).await;
    for name in ["a", "b", "c"] {
        component.worker(name).create(json!({})).await.expect(201);
    }
    let asker = component.worker("asker");
    assert_eq!(asker.call("remember", json!([])).await, 4);
    let other = asker.call("other", json!(["a"])).await;
    assert_eq!(other["status"], "idle");
    component.worker("a").delete().await;
    component.worker("z").create(json!({})).await.expect(201);
    server.restart_after_kill().await;
    assert_eq!(asker.call("remembered", json!([])).await, json!(["a", "asker", "b", "c"]));
    assert_eq!(asker.call("other", json!(["a"])).await, Value::Null);
    assert_eq!(asker.call("remember", json!([])).await, 4);
    assert_eq!(asker.call("remembered", json!([])).await, json!(["asker", "b", "c", "z"]));
}

#[tokio::test]
async fn filters_select() {
    let server = Server::start().await;
    let component = server.deploy(&fixtures::ENUMERATOR).await;
    let gold = json!({ "env": { "TIER": "gold" } });
    component.worker("cart-1").create(gold.clone()).await.expect(201);
    component.worker("cart-2").create(json!({ "env": { "TIER": "tin" } })).await.expect(201);
    component.worker("desk-1").create(gold).await.expect(201);
    component.worker("cart-2").obey("interrupt").await;
    let name = |comparator: &str, value: &str| json!([{ "name": { "comparator": comparator, "value": value } }]);
    let all = ["asker", "cart-1", "cart-2", "desk-1"];
    assert_eq!(selected(&component, json!([])).await, all);
    assert_eq!(selected(&component, name("like", "cart-*")).await, ["cart-1", "cart-2"]);
    assert_eq!(selected(&component, name("not-like", "cart-*")).await, ["asker", "desk-1"]);
    assert_eq!(selected(&component, name("equal", "desk-1")).await, ["desk-1"]);
    let env = |comparator: &str| json!([{ "env": { "name": "TIER", "comparator": comparator, "value": "gold" } }]);
    assert_eq!(selected(&component, env("equal")).await, ["cart-1", "desk-1"]);
    assert_eq!(selected(&component, env("not-equal")).await, ["asker", "cart-2"]);
    let status = json!([{ "status": { "comparator": "equal", "value": "interrupted" } }]);
    assert_eq!(selected(&component, status).await, ["cart-2"]);
    let both = json!([
        { "name": { "comparator": "like", "value": "cart*" } },
        { "status": { "comparator": "not-equal", "value": "interrupted" } },
        { "version": { "comparator": "less-equal", "value": 0 } },
        { "created-at": { "comparator": "greater", "value": 1_700_000_000_000_u64 } },
    ]);
    assert_eq!(selected(&component, both).await, ["cart-1"]);
    let newer = json!([{ "version": { "comparator": "greater", "value": 0 } }]);
    assert_eq!(selected(&component, newer).await, Vec::<String>::new());
}

#[tokio::test]
async fn many_workers_come_in_pages() {
    let server = Server::start().await;
    let component = server.deploy(&fixtures::ENUMERATOR).await;
    let mut expected = vec!["asker".to_owned()];
    for number in 0..MANY {
        let name = format!("w-{number}");
        component.worker(&name).create(json!({})).await.expect(201);
        expected.push(name);
    }
    let pages = component.worker("asker").call("pages", json!([null, true])).await;
    assert_eq!(pages.as_array().map(Vec::len), Some(2));
    assert_eq!(selected(&component, json!([])).await, sorted(expected));
}

#[tokio::test]
async fn of_themselves_and_of_others() {
    let server = Server::start().await;
    let component = server.deploy(&fixtures::ENUMERATOR).await;
    let worker = component.worker("m");
    worker.create(json!({ "args": ["one", "two"], "env": { "K": "v" } })).await.expect(201);
    let myself = worker.call("myself", json!([])).await;
    assert_eq!(myself["worker-id"]["worker-name"], "m");
    assert_eq!(myself["args"], json!(["one", "two"]));
    assert_eq!(myself["env"], json!([["K", "v"]]));
    assert_eq!(myself["status"], "running");
    assert_eq!((&myself["component-version"], &myself["retry-count"]), (&json!(0), &json!(0)));
    assert_eq!(component.worker("n").call("other", json!(["m"])).await["status"], "idle");
    assert_eq!(worker.call("other", json!(["nobody"])).await, Value::Null);
    assert_eq!(worker.call("other", json!(["no\nname"])).await, Value::Null);
    let uri = worker.call("uri", json!(["pkg:ns/api.{run}"])).await;
    assert_eq!(uri, format!("urn:worker:{}/m/pkg:ns/api.{{run}}", component.id));
}

#[tokio::test]
async fn what_they_call_must_be_there() {
    let server = Server::start().await;
    let component = server.deploy(&fixtures::ENUMERATOR).await;
    let location = format!("urn:worker:{}/other", component.id);
    let answers = component.worker("m").call("call", json!([location])).await;
    let answers = answers.as_array().expect("answers");
    assert_eq!(answers.len(), 3);
    for answer in answers {
        assert!(answer.as_str().unwrap_or_default().contains("exports no function"), "{answer}");
    }
}
