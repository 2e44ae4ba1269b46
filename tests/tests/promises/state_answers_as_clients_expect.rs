//! Status codes and the shapes of errors of the state API, on which clients act, and what its
//! requests may look like.

use everlog_tests::api::send;
use everlog_tests::seed;
use everlog_tests::server::Server;
use everlog_tests::state::{ComponentFiles, refused, upsert};
use rand::Rng as _;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn to_bodies_of_all_kinds() {
    let server = Server::start().await;
    let store = server.state("statestore");
    for malformed in [
        "",
        "{}",
        "foobar",
        "[{}]",
        r#"[{"ey":"a"}]"#,
        r#"[{"key":""}]"#,
        r#"[{"key":"a","value":1},]"#,
        r#"[{"key":"a","value":1,"etag":1}]"#,
        r#"[{"key":"a","value":1,"metadata":{"x":1}}]"#,
        r#"[{"key":"a","value":1},{"key":"b||c","value":1}]"#,
    ] {
        refused(&store.save_text(malformed).await, 400, "ERR_MALFORMED_REQUEST");
        store.expect_absent("a").await;
    }
    let twice = store.save_text(r#""[{\"key\":\"a\",\"value\":1}]""#).await;
    let message = refused(&twice, 400, "ERR_MALFORMED_REQUEST");
    assert!(message.contains("a JSON string that itself holds JSON"), "{message}");
    let large = format!(r#"[{{"key":"a","value":"{}"}}]"#, "x".repeat(4 << 20));
    refused(&store.save_text(&large).await, 400, "ERR_MALFORMED_REQUEST");
    for taken in ["[]", r#"[{"key":"a"}]"#, r#"[{"key":"a","value":1},{"key":"a","value":2}]"#] {
        store.save_text(taken).await.expect(204);
    }
    assert_eq!(store.get("a").await, 2);
    store.save_text(r#"[{"key":"n"}] and more"#).await.expect(204);
    assert_eq!(store.get("n").await, Value::Null);
}

#[tokio::test]
async fn to_what_cannot_be_done() {
    let server = Server::start().await;
    let store = server.state("statestore");
    let missing = server.state("other").try_get("k").await;
    refused(&missing, 400, "ERR_STATE_STORE_NOT_FOUND");
    let details = missing.json()["details"].clone();
    assert_eq!(details[0]["@type"], "type.googleapis.com/google.rpc.ErrorInfo");
    assert_eq!(details[0]["reason"], "DAPR_STATE_NOT_FOUND");
    assert_eq!(details[0]["domain"], "dapr.io");
    assert_eq!(details[1]["resource_name"], "other");

    let illegal = store.try_get("a||b").await;
    refused(&illegal, 400, "ERR_MALFORMED_REQUEST");
    assert_eq!(illegal.json()["details"][0]["reason"], "DAPR_STATE_ILLEGAL_KEY");

    let unknown = json!([{ "operation": "read", "request": { "key": "k" } }]);
    refused(&store.transact(unknown).await, 400, "ERR_NOT_SUPPORTED_STATE_OPERATION");
    let many: Vec<Value> = (0..1_001).map(|_| upsert("k", 1)).collect();
    let many = store.transact(json!(many)).await;
    refused(&many, 400, "ERR_STATE_STORE_TOO_MANY_TRANSACTIONS");
    let numbers = &many.json()["details"][0]["metadata"];
    assert_eq!(
        numbers,
        &json!({ "currentOpsTransaction": "1001", "maxOpsPerTransaction": "1000" })
    );
    store.expect_absent("k").await;

    for option in [json!({ "concurrency": "me-first" }), json!({ "consistency": "some" })] {
        let item = json!([{ "key": "k", "value": 1, "options": option }]);
        refused(&store.try_save(item).await, 500, "ERR_STATE_SAVE");
        store.expect_absent("k").await;
    }
    let on_missing = store.try_save(json!([{ "key": "k", "value": 1, "etag": "1" }])).await;
    refused(&on_missing, 409, "ERR_STATE_SAVE");
}

#[tokio::test]
async fn to_a_transaction_that_meets_another_etag() {
    let server = Server::start().await;
    let store = server.state("statestore");
    store.put("a", 1).await;
    let wrong = json!({ "operation": "upsert",
        "request": { "key": "a", "value": 2, "etag": "9", "metadata": null, "options": {} } });
    let reply = store.transact(json!([upsert("b", 1), wrong, upsert("c", 1)])).await;
    let message = refused(&reply, 500, "ERR_STATE_TRANSACTION");
    let expected = "error while executing state transaction: possible etag mismatch. error from \
                    state store: ";
    assert!(message.starts_with(expected) && message.ends_with("(key a)"), "{message}");
    assert_eq!(store.get("a").await, 1);
    store.expect_absent("b").await;
    store.expect_absent("c").await;
    for nothing in [json!({}), json!({ "operations": [] }), json!({ "operations": null })] {
        let request = store.request(Method::POST, &["transaction"]).json(&nothing);
        send(request).await.expect(204);
    }
}

#[tokio::test]
async fn to_parameters_and_headers() {
    let server = Server::start().await;
    let store = server.state("statestore");
    let path = |rest: &str| format!("/v1.0/state/statestore{rest}");
    let put = |rest: &str, body: Value| {
        send(server.api().request_path(Method::PUT, &path(rest)).json(&body))
    };
    // What the query says goes before what the item says.
    let item = json!([{ "key": "k", "value": 1, "metadata": { "ttlInSeconds": "-1" } }]);
    put("?metadata.ttlInSeconds=3600", item).await.expect(204);
    assert!(store.try_get("k").await.header("metadata.ttlexpiretime").is_some());
    let body = json!({ "operations": [upsert("t", 1)], "metadata": { "ttlInSeconds": "3600" } });
    put("/transaction", body.clone()).await.expect(204);
    assert_eq!(store.try_get("t").await.header("metadata.ttlexpiretime"), None);
    put("/transaction?metadata.ttlInSeconds=3600", body).await.expect(204);
    assert!(store.try_get("t").await.header("metadata.ttlexpiretime").is_some());

    let get = async |rest: &str| server.api().get(&path(rest)).await;
    get("/k?").await.expect(200);
    get("/k?consistency=strong").await.expect(200);
    refused(&get("/k?consistency=some").await, 500, "ERR_STATE_GET");
    let remove = |rest: &str| server.api().request_path(Method::DELETE, &path(rest));
    let first = send(remove("/k?concurrency=first-write&consistency=strong")).await;
    refused(&first, 409, "ERR_STATE_DELETE");
    // A header counts where the parameter is missing.
    let first = send(remove("/k").header("concurrency", "first-write")).await;
    refused(&first, 409, "ERR_STATE_DELETE");
    let last = remove("/k?concurrency=last-write").header("concurrency", "first-write");
    send(last).await.expect(204);
}

#[tokio::test]
async fn to_keys_of_all_alphabets() {
    let server = Server::start().await;
    let store = server.state("statestore");
    let keys = ["größe", "a/b", "a b", "a+b", "?x=1", "a#b", "100%", "日本語", "😀", "\n", "bulk"];
    for key in keys {
        store.put(key, key).await;
        assert_eq!(store.get(key).await, key);
        assert_eq!(store.bulk(&[key]).await[0]["data"], key);
    }
    assert_eq!(server.api().get("/v1.0//state/statestore/a+b/").await.expect(200), "a b");
    let long = "k".repeat(1_024);
    store.put(&long, 1).await;
    assert_eq!(store.get(&long).await, 1);
    let reply = store.try_save(json!([{ "key": format!("{long}k"), "value": 1 }])).await;
    refused(&reply, 400, "ERR_MALFORMED_REQUEST");
}

#[tokio::test]
async fn to_keys_and_stores_of_any_name() {
    let mut random = seed::generator();
    let mut name = |most: usize| -> String {
        let length = random.random_range(1..most);
        (0..length)
            .map(|_| {
                loop {
                    let letter: char = random.random();
                    if !letter.is_control() && letter != '|' && letter != '\u{FEFF}' {
                        return letter;
                    }
                }
            })
            .collect()
    };
    let stores: Vec<String> = (0..10).map(|_| name(20)).collect();
    let files: Vec<(String, String)> = stores
        .iter()
        .enumerate()
        .map(|(number, store)| {
            // A JSON text is a YAML text.
            let text = json!({ "apiVersion": "dapr.io/v1alpha1", "kind": "Component",
                "metadata": { "name": store }, "spec": { "type": "state.everlog", "version": "v1" } });
            (format!("{number}.yaml"), text.to_string())
        })
        .collect();
    let files: Vec<(&str, &str)> =
        files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let files = ComponentFiles::write(&files);
    let server = Server::start_with(&["--resources-path", files.path()]).await;
    for store in stores.iter().map(|name| server.state(name)) {
        let keys: Vec<String> = (0..50).map(|_| name(40)).collect();
        let items: Vec<Value> =
            keys.iter().map(|key| json!({ "key": key, "value": key })).collect();
        store.save(json!(items)).await;
        for key in &keys {
            assert_eq!(store.get(key).await, json!(key));
        }
        store.delete(&keys[0]).await;
        store.expect_absent(&keys[0]).await;
    }
}

#[tokio::test]
async fn to_questions_about_the_server() {
    let server = Server::start_with(&["--app-id", "shop"]).await;
    for path in ["/v1.0/healthz", "/v1.0/healthz/outbound", "/v1.0/healthz?appid=shop"] {
        server.api().get(path).await.expect(204);
    }
    let other = server.api().get("/v1.0/healthz?appid=other").await;
    refused(&other, 500, "ERR_HEALTH_APPID_NOT_MATCH");
    let note = server.api().request_path(Method::PUT, "/v1.0/metadata/mood").body("good");
    send(note).await.expect(204);
    let metadata = server.api().get("/v1.0/metadata").await.expect(200);
    assert_eq!((&metadata["id"], &metadata["extended"]["mood"]), (&json!("shop"), &json!("good")));
    let reply = server.api().request_path(Method::PATCH, "/v1.0/state/statestore/k");
    refused(&send(reply).await, 404, "ERR_DIRECT_INVOKE");
}

#[tokio::test]
async fn to_tokens() {
    let token = "a-token-that-nobody-guesses";
    let server = Server::start_with(&["--tokens", token]).await;
    let path = "/v1.0/state/statestore/k";
    let bare = server.api().get(path).await;
    assert_eq!((bare.status, bare.text().as_str()), (401, "invalid api token"));
    let get = |header: &str, value: &str| {
        send(server.api().request_path(Method::GET, path).header(header, value))
    };
    get("dapr-api-token", token).await.expect(204);
    get("authorization", &format!("Bearer {token}")).await.expect(204);
    assert_eq!(get("dapr-api-token", "other").await.status, 401);
    server.api().get("/v1.0/healthz").await.expect(204);
}

#[tokio::test]
async fn to_the_wish_to_stop() {
    let mut server = Server::start().await;
    send(server.api().request_path(Method::POST, "/v1.0/shutdown")).await.expect(204);
    everlog_tests::wait::until("the server has stopped", async || server.has_ended().then_some(()))
        .await;
}
