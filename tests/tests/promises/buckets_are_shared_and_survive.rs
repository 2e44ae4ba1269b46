//! Keys and values of `wasi:keyvalue` are the server's: what one worker writes another reads, in
//! every version of the interface, also after the server was killed and after the writer is gone.

use everlog_tests::{fixtures, server::Server, worker::Worker};
use serde_json::{Value, json};

async fn ok(worker: &Worker, function: &str, arguments: Value) -> Value {
    let result = worker.call(function, arguments).await;
    assert_eq!(result.get("err"), None, "{function}");
    result["ok"].clone()
}

#[tokio::test]
async fn between_workers_and_across_a_kill() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::KEY_VALUE).await;
    let (mary, john) = (component.worker("mary"), component.worker("john"));
    ok(&mary, "set", json!(["b", "größe", "42 cm"])).await;
    ok(&mary, "set", json!(["b", "gone", "x"])).await;
    ok(&mary, "delete", json!(["b", "gone"])).await;
    ok(&mary, "set-many", json!(["b", [["a", "1"], ["c", "3"]]])).await;
    assert_eq!(ok(&john, "get", json!(["b", "größe"])).await, "42 cm");
    mary.delete().await.expect(204);
    server.restart_after_kill().await;

    assert_eq!(ok(&john, "get", json!(["b", "größe"])).await, "42 cm");
    assert_eq!(ok(&john, "get", json!(["b", "gone"])).await, Value::Null);
    assert_eq!(ok(&john, "exists", json!(["b", "a"])).await, true);
    assert_eq!(ok(&john, "exists", json!(["other", "a"])).await, false);
    assert_eq!(ok(&john, "keys", json!(["b"])).await, json!(["a", "c", "größe"]));
    let many = ok(&john, "get-many", json!(["b", ["c", "nothing", "a"]])).await;
    assert_eq!(many, json!(["3", null, "1"]));
    ok(&john, "delete-many", json!(["b", ["a", "nothing", "größe"]])).await;
    assert_eq!(ok(&john, "keys", json!(["b"])).await, json!(["c"]));
}

#[tokio::test]
async fn small_and_large_through_streams() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::KEY_VALUE).await;
    let (mary, john) = (component.worker("mary"), component.worker("john"));
    for size in [1, 100_000, 3 << 20] {
        ok(&mary, "set-streamed", json!(["b", "k", size])).await;
        assert_eq!(ok(&john, "get-streamed", json!(["b", "k"])).await, json!([size, size]));
    }
    server.restart_after_kill().await;
    assert_eq!(ok(&john, "get-streamed", json!(["b", "k"])).await, json!([3 << 20, 3 << 20]));
}

#[tokio::test]
async fn between_versions_of_the_interface() {
    let server = Server::start().await;
    let first = server.deploy(&fixtures::KEY_VALUE).await.worker("w");
    let draft = server.deploy(&fixtures::KEY_VALUE_DRAFT).await.worker("w");
    let later = server.deploy(&fixtures::KEY_VALUE_DRAFT2).await.worker("w");
    assert_eq!(ok(&first, "add", json!(["b", "n", 5])).await, 5);
    assert_eq!(ok(&draft, "add", json!(["b", "n", 6])).await, 11);
    assert_eq!(ok(&later, "add", json!(["b", "n", -1])).await, 10);
    assert_eq!(ok(&first, "get", json!(["b", "n"])).await, "10");
    assert_eq!(ok(&first, "compare-and-swap", json!(["b", "n", 9, 1])).await, false);
    assert_eq!(ok(&first, "compare-and-swap", json!(["b", "n", 10, 1])).await, true);
    assert_eq!(ok(&draft, "get", json!(["b", "n"])).await, "1");

    ok(&draft, "set-many", json!(["", [["x", "1"], ["y", "2"]]])).await;
    assert_eq!(ok(&first, "keys", json!(["default"])).await, json!(["x", "y"]));
    let many = ok(&later, "get-many", json!(["", ["y", "z"]])).await;
    assert_eq!(many, json!([["y", "2"], ["z", null]]));
    assert_eq!(ok(&draft, "get-many", json!(["", ["y", "z"]])).await, json!(["2", null]));
    ok(&draft, "delete-many", json!(["", ["x"]])).await;
    ok(&draft, "delete", json!(["", "y"])).await;
    assert_eq!(ok(&draft, "exists", json!(["", "y"])).await, false);
}

#[tokio::test]
async fn listed_page_by_page_without_a_gap() {
    let mut server = Server::start().await;
    let draft = server.deploy(&fixtures::KEY_VALUE_DRAFT).await.worker("w");
    let later = server.deploy(&fixtures::KEY_VALUE_DRAFT2).await.worker("w");
    ok(&draft, "fill", json!(["b", 2_500])).await;
    let expected: Vec<String> = (0..2_500).map(|number| format!("{number:04}")).collect();
    let pages = ok(&draft, "pages", json!(["b"])).await;
    assert_eq!(pages, json!([[1_000, 1_000, 500], expected]));
    server.restart_after_kill().await;
    assert_eq!(ok(&draft, "pages", json!(["b"])).await, pages);

    let page = ok(&later, "page", json!(["b", "1998"])).await;
    assert_eq!((&page[0][0], &page[1]), (&json!("1999"), &Value::Null));
    let refused = draft.call("invented-cursor", json!(["b", 77])).await;
    assert!(refused["err"].as_str().unwrap_or_default().contains("cursor 77"), "{refused}");
}

#[tokio::test]
async fn cached_until_their_time_ends() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::KEY_VALUE).await;
    let (mary, john) = (component.worker("mary"), component.worker("john"));
    assert_eq!(ok(&mary, "get-or-set", json!(["k", "first"])).await, json!(["first", false]));
    assert_eq!(ok(&john, "get-or-set", json!(["k", "second"])).await, json!(["first", true]));
    ok(&mary, "cache-set", json!(["brief", "x", 1])).await;
    ok(&mary, "cache-set", json!(["long", "y", 3_600_000])).await;
    server.restart_after_kill().await;
    assert_eq!(ok(&john, "cache-get", json!(["k"])).await, "first");
    assert_eq!(ok(&john, "cache-get", json!(["brief"])).await, Value::Null);
    assert_eq!(ok(&john, "cache-exists", json!(["long"])).await, true);
    ok(&john, "cache-delete", json!(["long"])).await;
    assert_eq!(ok(&mary, "cache-exists", json!(["long"])).await, false);
}
