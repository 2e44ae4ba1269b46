//! Objects of `wasi:blobstore` are the server's: what one worker writes another reads, also after
//! the server was killed.

use everlog_tests::{fixtures, server::Server, wait, worker::Worker};
use serde_json::{Value, json};

async fn ok(worker: &Worker, function: &str, arguments: Value) -> Value {
    let result = worker.call(function, arguments).await;
    assert_eq!(result.get("err"), None, "{function}");
    result["ok"].clone()
}

async fn refused(worker: &Worker, function: &str, arguments: Value) -> String {
    let result = worker.call(function, arguments).await;
    result["err"].as_str().unwrap_or_else(|| panic!("{function}: {result}")).to_owned()
}

#[tokio::test]
async fn between_workers_and_across_a_kill() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::BLOB_STORE).await;
    let (mary, john) = (component.worker("mary"), component.worker("john"));
    let before = wait::wall_clock();
    assert_eq!(ok(&john, "exists", json!(["c"])).await, false);
    ok(&mary, "create", json!(["c"])).await;
    ok(&mary, "write", json!(["c", "größe", "hello world"])).await;
    ok(&mary, "write-many", json!(["c", "large", 3 << 20])).await;
    server.restart_after_kill().await;

    assert_eq!(ok(&john, "exists", json!(["c"])).await, true);
    assert_eq!(ok(&john, "read", json!(["c", "größe"])).await, "hello world");
    assert_eq!(ok(&john, "read-part", json!(["c", "größe", 6, 8])).await, "wor");
    assert_eq!(ok(&john, "read-part", json!(["c", "large", 3, 5])).await, "xxx");
    assert_eq!(ok(&john, "read-many", json!(["c", "large"])).await, 3 << 20);
    let info = ok(&john, "object-info", json!(["c", "large"])).await;
    let created = info["created-at"].as_u64().expect("a time");
    assert!((before..=wait::wall_clock()).contains(&created), "{created} is in milliseconds");
    let container = ok(&john, "created-at", json!(["c"])).await.as_u64().expect("a time");
    assert!((before..=created).contains(&container));
    let expected = json!({
        "name": "large", "container": "c", "created-at": created, "size": 3 << 20,
    });
    assert_eq!(info, expected);
}

#[tokio::test]
async fn copied_moved_listed_and_removed() {
    let server = Server::start().await;
    let component = server.deploy(&fixtures::BLOB_STORE).await;
    let worker = component.worker("w");
    ok(&worker, "create", json!(["a"])).await;
    ok(&worker, "create", json!(["b"])).await;
    for name in ["3", "1", "2", "4"] {
        ok(&worker, "write", json!(["a", name, name])).await;
    }
    assert_eq!(ok(&worker, "names", json!(["a", 3])).await, json!(["1", "2", "3", "4"]));
    assert_eq!(ok(&worker, "names", json!(["a", 2])).await, json!(["1", "2", "3", "4"]));
    assert_eq!(ok(&worker, "names", json!(["b", 2])).await, json!([]));
    assert_eq!(ok(&worker, "skip", json!(["a", 3])).await, json!([3, false, ["4"]]));
    assert_eq!(ok(&worker, "skip", json!(["a", 9])).await, json!([4, true, []]));

    ok(&worker, "copy", json!(["a", "1", "b", "one"])).await;
    ok(&worker, "move", json!(["a", "2", "b", "two"])).await;
    assert_eq!(ok(&worker, "names", json!(["a", 9])).await, json!(["1", "3", "4"]));
    assert_eq!(ok(&worker, "read", json!(["b", "two"])).await, "2");
    ok(&worker, "remove", json!(["a", ["1"]])).await;
    ok(&worker, "remove", json!(["a", ["3", "nothing"]])).await;
    assert_eq!(ok(&worker, "has", json!(["a", "3"])).await, false);
    ok(&worker, "clear", json!(["a"])).await;
    assert_eq!(ok(&worker, "names", json!(["a", 9])).await, json!([]));
    ok(&worker, "delete", json!(["b"])).await;
    assert_eq!(ok(&worker, "exists", json!(["b"])).await, false);
}

#[tokio::test]
async fn and_what_is_not_there_is_said_so() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::BLOB_STORE).await.worker("w");
    let missing = refused(&worker, "read", json!(["c", "o"])).await;
    assert_eq!(missing, "container \"c\" does not exist");
    ok(&worker, "create", json!(["c"])).await;
    let again = refused(&worker, "create", json!(["c"])).await;
    assert_eq!(again, "container \"c\" exists already");
    let missing = refused(&worker, "read", json!(["c", "o"])).await;
    assert_eq!(missing, "container \"c\" has no object \"o\"");
    ok(&worker, "write", json!(["c", "o", "text"])).await;
    let backwards = refused(&worker, "read-part", json!(["c", "o", 2, 1])).await;
    assert!(backwards.contains("starts at byte 2"), "{backwards}");
}
