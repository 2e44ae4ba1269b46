//! A state store is the bucket of its name: a guest and a caller over HTTP see the same values, and
//! an ETag and what a compare-and-swap saw stand for the same version.

use everlog_tests::fixtures;
use everlog_tests::server::Server;
use everlog_tests::state::{ComponentFiles, component_file, refused};
use serde_json::{Value, json};

#[tokio::test]
async fn with_and_without_a_prefix() {
    let files = ComponentFiles::write(&[
        ("orders.yaml", &component_file("orders", "state.everlog", &[("keyPrefix", "name")])),
        ("raw.yaml", &component_file("raw", "state.everlog", &[("keyPrefix", "none")])),
    ]);
    let mut server = Server::start_with(&["--resources-path", files.path()]).await;
    let mary = server.deploy(&fixtures::KEY_VALUE_DRAFT2).await.worker("mary");
    for name in ["statestore", "orders", "raw"] {
        let store = server.state(name);
        store.put("k", json!({ "n": 1 })).await;
        let seen = mary.call("get", json!([name, "k"])).await;
        assert_eq!(seen, json!({ "ok": r#"{"n":1}"# }), "{name}");
        let listed = mary.call("page", json!([name, null])).await;
        assert_eq!(listed["ok"][0], json!(["k"]), "{name}");

        // What the guest writes has another ETag.
        let etag = store.etag("k").await;
        mary.call("set", json!([name, "k", "[2]"])).await;
        assert_eq!(store.get("k").await, json!([2]));
        let late = json!([{ "key": "k", "value": 3, "etag": etag }]);
        refused(&store.try_save(late).await, 409, "ERR_STATE_SAVE");

        // A swap takes the place of what was seen, and of nothing else.
        mary.call("look", json!([name, "k"])).await;
        store.put("k", "in between").await;
        let told = mary.call("swap", json!(["\"guest\""])).await;
        assert_eq!(told, json!({ "err": "\"in between\"" }), "{name}");
        assert_eq!(mary.call("swap", json!(["\"guest\""])).await, json!({ "ok": null }));
        assert_eq!(store.get("k").await, "guest");
        let etag = store.etag("k").await;
        store.save(json!([{ "key": "k", "value": 4, "etag": etag }])).await;

        // And what a store deletes is gone for guests.
        store.delete("k").await;
        assert_eq!(mary.call("get", json!([name, "k"])).await, json!({ "ok": null }));
    }
    // Bytes that are no JSON are what they are.
    mary.call("set", json!(["statestore", "text", "plain text"])).await;
    let store = server.state("statestore");
    assert_eq!(store.try_get("text").await.text(), "plain text");
    assert_eq!(store.bulk(&["text"]).await[0]["data"], "plain text");
    server.restart_after_kill().await;
    assert_eq!(store.try_get("text").await.text(), "plain text");
    assert_eq!(mary.call("get", json!(["orders", "k"])).await["ok"], Value::Null);
}

/// Nothing is lost where guests and callers over HTTP append to the same value.
#[tokio::test]
async fn and_both_may_race() {
    let server = Server::start().await;
    let component = server.deploy(&fixtures::KEY_VALUE_DRAFT2).await;
    let store = server.state("statestore");
    store.put("k", "").await;
    let guests = (0..4).map(|number| {
        let worker = component.worker(&format!("w{number}"));
        tokio::spawn(async move {
            for round in 0..5 {
                let key = format!("{number}-{round}");
                worker
                    .call_until_acknowledged("append", json!(["statestore", "k", "g"]), &key)
                    .await;
            }
        })
    });
    let guests: Vec<_> = guests.collect();
    let callers = (0..4).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut done = 0;
            while done < 5 {
                // The text is no JSON once a guest has appended to it.
                let reply = store.try_get("k").await;
                let etag = reply.header("etag").expect("an ETag").to_owned();
                let letters = reply.text().replace(|letter| letter != 'g' && letter != 'h', "");
                let value = format!("{letters}h");
                let item = json!([{ "key": "k", "value": value, "etag": etag }]);
                done += u32::from(store.try_save(item).await.status == 204);
            }
        })
    });
    for task in guests.into_iter().chain(callers.collect::<Vec<_>>()) {
        task.await.expect("no panic");
    }
    let text = store.try_get("k").await.text();
    assert_eq!((text.matches('g').count(), text.matches('h').count()), (20, 20), "{text}");
}

#[tokio::test]
async fn unless_it_is_kept_elsewhere() {
    let file = component_file("memory", "state.in-memory", &[]);
    let files = ComponentFiles::write(&[("memory.yaml", &file)]);
    let server = Server::start_with(&["--resources-path", files.path()]).await;
    let mary = server.deploy(&fixtures::KEY_VALUE_DRAFT2).await.worker("mary");
    let told = mary.call("get", json!(["memory", "k"])).await;
    let told = told["err"].as_str().expect("a refusal").to_owned();
    assert!(told.contains("\"memory\"") && told.contains("cannot reach it"), "{told}");
}
