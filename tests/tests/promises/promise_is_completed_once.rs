//! Of all who complete a promise exactly one is told that it was the first, and its data counts, through
//! any crash. What is no promise is refused and nothing changes.

use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server, wait};
use serde_json::{Value, json};

const CLIENTS: usize = 32;

/// More entries than the story makes; reached only if the drill never fires.
const ENTRIES_MAX: u32 = 60;

/// The most that a promise holds, in bytes.
const DATA_MAX: usize = 4 << 20;

/// The most promises that a worker has.
const PROMISES_MAX: u32 = 10_000;

#[tokio::test]
async fn by_the_first_of_many_clients() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::PROMISES).await.worker("p");
    let id = worker.call("create", json!([])).await;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (worker, promise) = (worker.clone(), id["oplog-idx"].clone());
            let data = format!("client {number}");
            tokio::spawn(async move { (worker.completes(&promise, &data).await, data) })
        })
        .collect();
    let mut winners = Vec::new();
    for client in clients {
        let (first, data) = client.await.expect("no panic");
        if first == true {
            winners.push(data);
        }
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    server.restart_after_kill().await;
    assert_eq!(worker.completes(&id["oplog-idx"], "too late").await, false);
    assert_eq!(worker.call("wait", json!([id])).await, winners[0].as_str());
}

#[tokio::test]
async fn what_is_no_promise_is_refused() {
    let server = Server::start().await;
    let component = server.deploy(&fixtures::PROMISES).await;
    let worker = component.worker("p");
    let id = worker.call("create", json!([])).await;
    let deleted = worker.call("create", json!([])).await;
    worker.call("delete", json!([deleted])).await;
    let entries = worker.oplog().await.len();
    for index in [json!(1), json!(999), deleted["oplog-idx"].clone()] {
        worker.complete(&index, b"x").await.expect_problem(404, "promise-not-found");
        worker.promise(&index).await.expect_problem(404, "promise-not-found");
    }
    worker.complete(&json!(-1), b"x").await.expect_problem(400, "invalid-request");
    let large = vec![7; DATA_MAX + 1];
    worker.complete(&id["oplog-idx"], &large).await.expect_problem(413, "body-too-large");
    let nobody = component.worker("nobody");
    nobody.complete(&json!(2), b"x").await.expect_problem(404, "worker-not-found");
    nobody.promise(&json!(2)).await.expect_problem(404, "worker-not-found");
    assert_eq!(worker.oplog().await.len(), entries, "nothing changed");
    assert_eq!(worker.promise(&id["oplog-idx"]).await.expect(200)["state"], "pending");
}

#[tokio::test]
async fn guests_that_are_wrong_are_told_so() {
    let server = Server::start_with(&["--retry-max-attempts", "0"]).await;
    let component = server.deploy(&fixtures::PROMISES).await;
    let owner = component.worker("owner");
    let id = owner.call("create", json!([])).await;
    let mut unknown = id.clone();
    unknown["oplog-idx"] = json!(1);
    let mut nobodys = id.clone();
    nobodys["worker-id"]["worker-name"] = json!("nobody");
    let cases = [
        ("wait", json!([unknown]), "has no promise 1"),
        ("complete", json!([unknown, "x"]), "has no promise 1"),
        ("delete", json!([unknown]), "only that worker may delete it"),
        ("wait", json!([nobodys]), "there is no worker"),
        ("complete", json!([nobodys, "x"]), "there is no worker"),
        ("complete-with", json!([id, DATA_MAX + 1]), "at most 4194304 bytes"),
    ];
    for (number, (function, arguments, told)) in cases.into_iter().enumerate() {
        let worker = component.worker(&format!("w-{number}"));
        let reply = worker.invoke(function, arguments).await;
        let problem = reply.expect_problem(500, "invocation-failed");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(told), "{function}: {detail}");
    }
    owner.call("delete", json!([id])).await;
    let problem = owner.invoke("wait", json!([id])).await.expect_problem(500, "invocation-failed");
    assert!(problem["detail"].as_str().unwrap_or_default().contains("is deleted"), "{problem}");
}

#[tokio::test]
async fn a_worker_has_room_for_so_many() {
    let server = Server::start_with(&["--retry-max-attempts", "0"]).await;
    let worker = server.deploy(&fixtures::PROMISES).await.worker("p");
    let id = worker.call("create", json!([])).await;
    worker.call("create-many", json!([PROMISES_MAX - 1])).await;
    worker.call("delete", json!([id])).await;
    worker.call("create", json!([])).await;
    let problem = worker.invoke("create", json!([])).await.expect_problem(500, "invocation-failed");
    assert!(problem["detail"].as_str().unwrap_or_default().contains("10000"), "{problem}");
}

#[tokio::test]
async fn large_data_survives() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::PROMISES).await;
    let worker = component.worker("p");
    for size in [300 << 10, DATA_MAX] {
        let id = worker.call("create", json!([])).await;
        let reply = worker.complete(&id["oplog-idx"], &vec![7; size]).await;
        assert_eq!(reply.expect(200)["completed"], true);
        let guests = worker.call("create", json!([])).await;
        let other = component.worker("other");
        assert_eq!(other.call("complete-with", json!([guests, size])).await, true);
        server.restart_after_kill().await;
        for id in [id, guests] {
            assert_eq!(worker.call("measure", json!([id])).await, size);
            server.restart_after_kill().await;
        }
    }
    assert_eq!(worker.call("waits", json!([])).await, 0);
}

#[tokio::test]
async fn a_completion_that_a_crash_repeats_gets_the_same_answer() {
    let mut survived = 0;
    for entries in 1..ENTRIES_MAX {
        if !survives_stop_after(entries).await {
            break;
        }
        survived += 1;
    }
    assert!((6..ENTRIES_MAX - 1).contains(&survived), "{survived} stops were survived");
}

/// Works with a stop after so many entries; false if the work ended before it came.
async fn survives_stop_after(entries: u32) -> bool {
    let flag = entries.to_string();
    let flags = ["--stop-after-entries", &flag, "--commit-interval", "1ms"];
    let mut server = Server::start_with(&flags).await;
    let component = server.deploy(&fixtures::PROMISES).await;
    let client = tokio::spawn(work(component.worker("owner"), component.worker("other")));
    let stopped = wait::until("the server stops or the work is done", async || {
        if server.has_ended() { Some(true) } else { client.is_finished().then_some(false) }
    })
    .await;
    if stopped {
        server.start_again_with(&[]).await;
        let told = client.await.expect("no panic");
        assert_eq!(told, json!([true, false, true, false, "a", "c"]), "after {entries} entries");
    }
    stopped
}

/// Another worker completes a promise of the owner's twice, the owner another one, and awaits both.
async fn work(owner: Worker, other: Worker) -> Value {
    let call = async |worker: &Worker, function: &str, arguments: Value, key: &str| {
        worker.call_until_acknowledged(function, arguments, key).await
    };
    let first = call(&owner, "create", json!([]), "1").await;
    let second = call(&owner, "create", json!([]), "2").await;
    let told = [
        call(&other, "complete", json!([first, "a"]), "3").await,
        call(&other, "complete", json!([first, "b"]), "4").await,
        call(&owner, "complete", json!([second, "c"]), "5").await,
        call(&other, "complete", json!([second, "d"]), "6").await,
        call(&owner, "wait", json!([first]), "7").await,
        call(&owner, "wait", json!([second]), "8").await,
    ];
    Value::from(told.to_vec())
}
