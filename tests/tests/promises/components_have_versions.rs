//! A component has a UUID for life and numbered versions; each upload of other bytes makes one.

use everlog_tests::api::send;
use everlog_tests::{fixtures, server::Server};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn other_bytes_make_the_next_version() {
    let mut server = Server::start().await;
    let api = server.api().clone();
    let first = api.upload("guest", fixtures::COUNTER.bytes()).await.expect(201);
    let again = api.upload("guest", fixtures::COUNTER.bytes()).await.expect(200);
    let second = api.upload("guest", fixtures::SPINNER.bytes()).await.expect(201);
    assert_eq!((&first["version"], &second["version"]), (&json!(0), &json!(1)));
    assert_eq!(first, again);
    assert_eq!(first["componentId"], second["componentId"]);
    server.restart_after_kill().await;

    assert_eq!(api.get("/v1/components/guest").await.expect(200), second);
    assert_eq!(api.get("/v1/components/guest/versions/0").await.expect(200), first);
    let by_id = format!("/v1/components/{}", first["componentId"].as_str().unwrap_or_default());
    assert_eq!(api.get(&by_id).await.expect(200), second);
    let bytes = api.get("/v1/components/guest/versions/0/wasm").await;
    assert_eq!((bytes.status, bytes.bytes == fixtures::COUNTER.bytes()), (200, true));
    api.get("/v1/components/guest/versions/2").await.expect(404);
}

#[tokio::test]
async fn a_worker_keeps_its_version() {
    let server = Server::start().await;
    let guest = server.api().deploy("guest", fixtures::COUNTER.bytes()).await;
    let old = guest.worker("old");
    old.call("add", json!([5])).await;
    server.api().deploy("guest", fixtures::SPINNER.bytes()).await;
    assert_eq!(old.call("add", json!([1])).await, 6);
    old.invoke("spin", json!([1])).await.expect_problem(404, "function-not-found");
    let new = guest.worker("new");
    new.call("spin", json!([1])).await;
    assert_eq!(new.metadata().await["version"], 1);
    let settings = json!({"version": 0});
    guest.worker("asked-for").create(settings).await.expect(201);
    assert_eq!(guest.worker("asked-for").call("add", json!([2])).await, 2);
}

#[tokio::test]
async fn a_description_names_functions_and_types() {
    let server = Server::start().await;
    let echo = server.deploy(&fixtures::ECHO).await.description().await;
    let exports = echo["exports"].as_array().expect("exports");
    let join = exports
        .iter()
        .find(|export| export["function"] == "everlog:echo/values.{join}")
        .unwrap_or_else(|| panic!("no join in {echo}"));
    let params = json!([
        {"name": "first", "type": "string"},
        {"name": "second-part", "type": "option<string>"},
    ]);
    assert_eq!(join["params"], params);
    assert_eq!(join["result"], "string");
    for field in ["component", "componentId", "digest", "createdAt"] {
        assert!(echo[field].is_string(), "{field}: {echo}");
    }
    assert_eq!(echo["size"], fixtures::ECHO.bytes().len());
    assert!(echo["imports"].is_array());
}

#[tokio::test]
async fn a_component_with_workers_stays() {
    let server = Server::start().await;
    let counter = server.deploy(&fixtures::COUNTER).await;
    counter.worker("mary").call("add", json!([5])).await;
    counter.delete().await.expect(409);
    assert_eq!(counter.worker("mary").call("get", json!([])).await, 5);

    let forced = server.api().request(Method::DELETE, &["v1", "components", "counter"]);
    let reply = send(forced.query(&[("force", "true")])).await;
    assert!((200..300).contains(&reply.status), "{}", reply.text());
    send(counter.worker("mary").request(Method::GET, &[])).await.expect(404);
    let renewed = server.deploy(&fixtures::COUNTER).await;
    assert_ne!(renewed.id, counter.id, "under its old name it is another component");
    assert_eq!(renewed.worker("mary").call("get", json!([])).await, 0);
    let list = server.api().get("/v1/components").await.expect(200);
    assert_eq!(list["components"].as_array().map(Vec::len), Some(1), "{list}");
    assert_ne!(list["components"][0]["componentId"], Value::from(counter.id));
}
