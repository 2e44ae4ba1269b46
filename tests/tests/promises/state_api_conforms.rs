//! The state API of Dapr: the cases of the conformance suite of its state stores, over HTTP, each
//! test with the numbers of its cases. Two of them, 24 and 25, are about functions that are not
//! reachable over HTTP; that they are neither claimed nor there is part of 26. Each case runs on
//! the default store, on one in memory and on one in a Redis of its own.

use everlog_tests::redis::RedisServer;
use everlog_tests::server::Server;
use everlog_tests::state::{ComponentFiles, StateStore, component_file, delete, refused, upsert};
use everlog_tests::wait;
use serde_json::{Value, json};

const BAD_ETAG: &str = "9999999";

/// Runs a check on each kind of store.
async fn on_each_store(check: impl AsyncFn(&StateStore)) {
    let redis = RedisServer::start();
    let host = format!("127.0.0.1:{}", redis.port());
    let files = ComponentFiles::write(&[
        ("memory.yaml", &component_file("memory", "state.in-memory", &[])),
        ("redis.yaml", &component_file("redis", "state.redis", &[("redisHost", &host)])),
    ]);
    let server = Server::start_with(&["--resources-path", files.path()]).await;
    for name in ["statestore", "memory", "redis"] {
        println!("on the store {name}");
        check(&server.state(name)).await;
    }
}

#[tokio::test]
async fn types_1_2() {
    on_each_store(check_types_1_2).await;
}

async fn check_types_1_2(store: &StateStore) {
    let values = [
        json!(123),
        json!(true),
        json!("{\"a\":\"b\"}"),
        json!("hello world"),
        json!(""),
        json!({ "message": "test" }),
        json!({ "product": { "value": "soap", "price": 1.5 }, "tags": ["a", null] }),
        json!({ "message": 42 }),
        json!("AQ=="),
    ];
    for (number, value) in values.iter().enumerate() {
        let key = format!("k{number}");
        store.put(&key, value.clone()).await;
        let reply = store.try_get(&key).await;
        assert_eq!(reply.expect(200), *value);
        assert_eq!(reply.header("content-type"), Some("application/json"));
    }
    // The text is kept, not only the value.
    let text = r#"{"big" : 12345678901234567890.10, "html":"<&>", "x":1e2}"#;
    store.save_text(&format!(r#"[{{"key":"k","value":{text}}}]"#)).await.expect(204);
    assert_eq!(store.try_get("k").await.text(), text);
}

#[tokio::test]
async fn deletes_3() {
    on_each_store(check_deletes_3).await;
}

async fn check_deletes_3(store: &StateStore) {
    store.save(json!([{ "key": "a", "value": 1 }, { "key": "b", "value": 2 }])).await;
    for key in ["a", "b", "never", "nor-this"] {
        store.delete(key).await;
        store.expect_absent(key).await;
    }
}

#[tokio::test]
async fn bulk_4_5_6_16() {
    on_each_store(check_bulk_4_5_6_16).await;
}

async fn check_bulk_4_5_6_16(store: &StateStore) {
    let keys: Vec<String> = (0..7).map(|number| format!("k{number}")).collect();
    let items: Vec<Value> =
        keys.iter().map(|key| json!({ "key": key, "value": { "of": key } })).collect();
    store.save(json!(items)).await;
    for key in &keys {
        assert_eq!(store.get(key).await, json!({ "of": key }));
    }
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let found = store.bulk(&keys).await;
    assert_eq!(found.as_array().map(Vec::len), Some(7));
    for (entry, key) in found.as_array().expect("a list").iter().zip(&keys) {
        assert_eq!((&entry["key"], &entry["data"]), (&json!(key), &json!({ "of": key })));
        assert_eq!(entry["etag"], json!(store.etag(key).await));
    }
    assert_eq!(store.bulk(&["absent", "k3"]).await[0], json!({ "key": "absent" }));
    assert_eq!(store.bulk(&["absent", "k3"]).await[1]["data"], json!({ "of": "k3" }));
    assert_eq!(store.bulk(&[]).await, json!([]));

    for key in ["k1", "k2"] {
        store.delete(key).await;
        store.expect_absent(key).await;
    }
    assert_eq!(store.bulk(&["k1", "k2"]).await, json!([{ "key": "k1" }, { "key": "k2" }]));
}

#[tokio::test]
async fn transactions_7_8_9() {
    on_each_store(check_transactions_7_8_9).await;
}

async fn check_transactions_7_8_9(store: &StateStore) {
    let first = json!([
        upsert("int", 1),
        upsert("bool", true),
        upsert("bytes", "AQ=="),
        upsert("string", "text"),
        upsert("x", "x")
    ]);
    store.transact(first).await.expect(204);
    for (key, value) in [("int", json!(1)), ("bool", json!(true)), ("x", json!("x"))] {
        assert_eq!(store.get(key).await, value);
    }
    store.transact(json!([upsert("struct", json!({"a": 1})), delete("x")])).await.expect(204);
    assert_eq!(store.get("struct").await, json!({ "a": 1 }));
    store.expect_absent("x").await;
    store.transact(json!([upsert("y", "y")])).await.expect(204);
    assert_eq!(store.get("y").await, "y");
    store.transact(json!([delete("y")])).await.expect(204);
    store.expect_absent("y").await;
    // 8
    store.transact(json!([delete("never")])).await.expect(204);
    // 9: in order
    store.put("k1", "value1").await;
    let ordered =
        json!([delete("k1"), upsert("k2", "value2"), delete("k2"), upsert("k3", "value3")]);
    store.transact(ordered).await.expect(204);
    store.expect_absent("k1").await;
    store.expect_absent("k2").await;
    assert_eq!(store.get("k3").await, "value3");
}

#[tokio::test]
async fn etags_10_11_12_14() {
    on_each_store(check_etags_10_11_12_14).await;
}

async fn check_etags_10_11_12_14(store: &StateStore) {
    for key in ["a", "b", "c", "d"] {
        store.put(key, key).await;
    }
    // 10
    let before = store.etag("a").await;
    assert!(!before.is_empty());
    for entry in store.bulk(&["b", "c", "d"]).await.as_array().expect("a list") {
        assert!(entry["etag"].as_str().is_some_and(|etag| !etag.is_empty()), "{entry}");
    }
    // 11
    let wrong = store.try_save(json!([{ "key": "a", "value": "new", "etag": BAD_ETAG }])).await;
    let message = refused(&wrong, 409, "ERR_STATE_SAVE");
    let expected = ": possible etag mismatch. error from state store: ";
    assert!(message.starts_with("failed saving state in state store "), "{message}");
    assert!(message.contains(expected), "{message}");
    assert_eq!((store.get("a").await, store.etag("a").await), (json!("a"), before.clone()));
    // 12
    store.save(json!([{ "key": "a", "value": "new", "etag": before }])).await;
    assert_eq!(store.get("a").await, "new");
    let after = store.etag("a").await;
    assert_ne!(after, before);
    // 14
    for wrong in [BAD_ETAG, before.as_str()] {
        let message = refused(&store.try_delete("a", Some(wrong)).await, 409, "ERR_STATE_DELETE");
        assert!(message.starts_with("failed deleting state with key a: "), "{message}");
        assert_eq!(store.get("a").await, "new");
    }
    store.try_delete("a", Some(&after)).await.expect(204);
    store.expect_absent("a").await;
}

#[tokio::test]
async fn parts_of_a_list_13_15() {
    on_each_store(check_parts_of_a_list_13_15).await;
}

async fn check_parts_of_a_list_13_15(store: &StateStore) {
    store.put("k1", "one").await;
    store.put("k2", "one").await;
    let (first, second) = (store.etag("k1").await, store.etag("k2").await);
    // 13
    let mixed = json!([
        { "key": "k1", "value": "two", "etag": BAD_ETAG },
        { "key": "k2", "value": "two", "etag": second },
    ]);
    let message = refused(&store.try_save(mixed).await, 409, "ERR_STATE_SAVE");
    assert!(message.contains("(key k1)"), "{message}");
    assert_eq!((store.get("k1").await, store.etag("k1").await), (json!("one"), first.clone()));
    assert_eq!(store.get("k2").await, "two");
    assert_ne!(store.etag("k2").await, second);
    let second = store.etag("k2").await;
    let both = json!([
        { "key": "k1", "value": "three", "etag": first },
        { "key": "k2", "value": "three", "etag": second },
    ]);
    store.save(both).await;
    assert_eq!((store.get("k1").await, store.get("k2").await), (json!("three"), json!("three")));
    // 15: over HTTP, one after the other
    let (first, second) = (store.etag("k1").await, store.etag("k2").await);
    store.try_delete("k1", Some(&first)).await.expect(204);
    refused(&store.try_delete("k2", Some(BAD_ETAG)).await, 409, "ERR_STATE_DELETE");
    store.expect_absent("k1").await;
    assert_eq!((store.get("k2").await, store.etag("k2").await), (json!("three"), second));
}

#[tokio::test]
async fn first_write_17_18() {
    on_each_store(check_first_write_17_18).await;
}

async fn check_first_write_17_18(store: &StateStore) {
    let options = json!({ "concurrency": "first-write", "consistency": "strong" });
    // 17, with the ETag missing and empty
    for etag in [None, Some("")] {
        store.delete("k").await;
        let item = |value: &str| {
            let mut item = json!({ "key": "k", "value": value, "options": options });
            if let Some(etag) = etag {
                item["etag"] = etag.into();
            }
            json!([item])
        };
        store.save(item("first")).await;
        refused(&store.try_save(item("second")).await, 409, "ERR_STATE_SAVE");
        assert_eq!(store.get("k").await, "first");
    }
    // 18
    store.put("l", "plain").await;
    let etag = store.etag("l").await;
    let item = json!([{ "key": "l", "value": "new", "etag": etag, "options": options }]);
    store.save(item.clone()).await;
    assert_ne!(store.etag("l").await, etag);
    refused(&store.try_save(item).await, 409, "ERR_STATE_SAVE");
}

#[tokio::test]
async fn time_to_live_19_20_21_22() {
    on_each_store(check_time_to_live_19_20_21_22).await;
}

async fn check_time_to_live_19_20_21_22(store: &StateStore) {
    let item = |key: &str, ttl: &str| json!([{ "key": key, "value": "v", "metadata": { "ttlInSeconds": ttl } }]);
    // 19
    refused(&store.try_save(item("bad", "foo")).await, 500, "ERR_STATE_SAVE");
    store.expect_absent("bad").await;
    // 20, and 22 beside it
    for key in ["brief", "endless", "forgotten"] {
        store.save(item(key, "2")).await;
        assert_eq!(store.get(key).await, "v");
    }
    store.save(item("endless", "-1")).await;
    store.put("forgotten", "v").await;
    for key in ["endless", "forgotten"] {
        assert_eq!(store.try_get(key).await.header("metadata.ttlexpiretime"), None);
    }
    // 21
    let before = wait::wall_clock() / 1_000;
    store.save(item("long", "3600")).await;
    let reply = store.try_get("long").await;
    let end = reply.header("metadata.ttlexpiretime").expect("when it ends").to_owned();
    assert!(seconds_of(&end).abs_diff(before + 3_600) < 60, "{end}");
    assert_eq!(store.bulk(&["long"]).await[0]["metadata"]["ttlExpireTime"], json!(end));
    // 20
    wait::until("the value has ended", async || {
        (store.try_get("brief").await.status == 204).then_some(())
    })
    .await;
    store.expect_absent("brief").await;
    assert_eq!(store.bulk(&["brief"]).await, json!([{ "key": "brief" }]));
    // 22: they outlive the value that ended with the time that they had at first.
    for key in ["endless", "forgotten"] {
        assert_eq!(store.get(key).await, "v");
    }
    // A value that ended is absent for conditions too.
    let again =
        json!([{ "key": "brief", "value": "new", "options": { "concurrency": "first-write" } }]);
    store.save(again).await;
    assert_eq!(store.get("brief").await, "new");
}

/// Seconds since 1970 of an instant such as `2026-11-26T04:20:16.5Z`.
fn seconds_of(text: &str) -> u64 {
    let number = |range: std::ops::Range<usize>| text[range].parse::<u64>().expect("a number");
    assert!(text.ends_with('Z') && &text[10..11] == "T", "{text}");
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let years = if month > 2 { year } else { year - 1 };
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let days = years * 365 + years / 4 - years / 100 + years / 400 + day_of_year - 719_468;
    ((days * 24 + number(11..13)) * 60 + number(14..16)) * 60 + number(17..19)
}

#[tokio::test]
async fn queries_23() {
    let server = Server::start().await;
    let store = server.state("statestore");
    let people = [
        ("1", "Dev Ops", 36, "Seattle"),
        ("2", "Hardware", 1_028, "Portland"),
        ("3", "Finance", 1_071, "Sacramento"),
        ("4", "Hardware", 1_077, "Olympia"),
    ];
    let items: Vec<Value> = people
        .iter()
        .map(|(key, org, id, city)| {
            json!({ "key": key, "value": { "person": { "org": org, "id": id }, "city": city } })
        })
        .collect();
    store.save(json!(items)).await;
    let hits = async |query: Value| -> Vec<String> {
        let reply = store.query(&query).await;
        if reply.status == 204 {
            return Vec::new();
        }
        let found = reply.expect(200);
        let results = found["results"].as_array().expect("results").clone();
        results.iter().map(|hit| hit["key"].as_str().expect("a key").to_owned()).collect()
    };
    for (filter, expected) in [
        (json!({ "EQ": { "person.org": "Hardware" } }), vec!["2", "4"]),
        (json!({ "NEQ": { "person.org": "Hardware" } }), vec!["1", "3"]),
        (json!({ "IN": { "city": ["Seattle", "Olympia", "Rome"] } }), vec!["1", "4"]),
        (json!({ "GT": { "person.id": 1_071 } }), vec!["4"]),
        (json!({ "GTE": { "person.id": 1_071 } }), vec!["3", "4"]),
        (json!({ "LT": { "person.id": 1_028 } }), vec!["1"]),
        (json!({ "LTE": { "person.id": 1_028 } }), vec!["1", "2"]),
        (json!({ "EQ": { "person.org": "Nobody" } }), vec![]),
        (
            json!({ "AND": [{ "EQ": { "person.org": "Hardware" } },
                { "OR": [{ "EQ": { "city": "Olympia" } }, { "LT": { "person.id": 9 } }] }] }),
            vec!["4"],
        ),
    ] {
        assert_eq!(hits(json!({ "filter": filter })).await, expected, "{filter}");
    }
    // Sorted, page by page.
    let sort = json!([{ "key": "person.org", "order": "DESC" }, { "key": "person.id" }]);
    let first = store.query(&json!({ "sort": sort, "page": { "limit": 3 } })).await.expect(200);
    let keys: Vec<&Value> = (0..3).map(|place| &first["results"][place]["key"]).collect();
    assert_eq!(keys, ["2", "4", "3"]);
    assert_eq!(first["results"][0]["data"]["city"], "Portland");
    assert_eq!(first["results"][0]["etag"], json!(store.etag("2").await));
    let rest = json!({ "sort": sort, "page": { "limit": 3, "token": first["token"] } });
    let rest = store.query(&rest).await.expect(200);
    assert_eq!((&rest["results"][0]["key"], rest.get("token")), (&json!("1"), None));
    let wrong = store.query(&json!({ "filter": { "LIKE": { "city": "S" } } })).await;
    refused(&wrong, 400, "ERR_MALFORMED_REQUEST");
}

#[tokio::test]
async fn honest_features_26() {
    let server = Server::start().await;
    let metadata = server.api().get("/v1.0/metadata").await.expect(200);
    assert_eq!(metadata["id"], "everlog");
    let component = &metadata["components"][0];
    assert_eq!((&component["name"], &component["version"]), (&json!("statestore"), &json!("v1")));
    let claimed = json!(["ETAG", "TRANSACTIONAL", "TTL", "QUERY_API"]);
    assert_eq!(component["capabilities"], claimed);
    for path in ["/v1.0/actors/a/1/state/k", "/v1.0/invoke/a/method/m", "/v1.0/state", "/v1.0"] {
        let reply = server.api().get(path).await;
        refused(&reply, 404, "ERR_DIRECT_INVOKE");
    }
}
