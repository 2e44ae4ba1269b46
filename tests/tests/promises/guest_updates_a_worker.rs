//! A guest asks that a worker go over to another version, itself or another one, and the request is
//! made once, whatever happens to the server between asking and noting that it was asked.

use everlog_tests::api::Component;
use everlog_tests::server::{Server, StoppedData};
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, wait};
use serde_json::{Value, json};

const MODES: [(bool, &str); 2] = [(false, "automatic"), (true, "snapshot")];

/// More entries than a story makes; reached only if the drill never fires.
const ENTRIES_MAX: u32 = 60;

const QUICK_RETRIES: [&str; 4] = ["--retry-min-delay", "1ms", "--retry-max-delay", "2ms"];

/// The fixture with two versions.
async fn updater(server: &Server) -> Component {
    let component = server.api().deploy("updater", fixtures::UPDATER_1.bytes()).await;
    server.api().deploy("updater", fixtures::UPDATER_2.bytes()).await;
    component
}

async fn worker(component: &Component, name: &str) -> Worker {
    let worker = component.worker(name);
    worker.create(json!({ "version": 0 })).await.expect(201);
    worker
}

/// The requests in a worker's log, as (version, mode, who asked).
async fn requests(worker: &Worker) -> Vec<(Value, Value, Value)> {
    let requests = worker.oplog_of_type("update-requested-by").await;
    let told = |request: &Value| {
        (
            request["version"].clone(),
            request["mode"].clone(),
            request["requester"]["worker"].clone(),
        )
    };
    requests.iter().map(told).collect()
}

fn once(mode: &str, name: &str) -> Vec<(Value, Value, Value)> {
    vec![(json!(1), json!(mode), json!(name))]
}

#[tokio::test]
async fn another_worker_is_updated_and_replay_asks_nothing() {
    for (snapshot, mode) in MODES {
        let mut server = Server::start().await;
        let component = updater(&server).await;
        let target = worker(&component, "target").await;
        target.call("add", json!([5])).await;
        let caller = worker(&component, "caller").await;
        let told = caller.call("request-update", json!(["target", 1, snapshot, 0])).await;
        assert_eq!(told, "0", "the caller stays what it is");
        target.is_updated_to(1).await;
        server.restart_after_kill().await;
        assert_eq!(caller.call("total", json!([])).await, 0);
        assert_eq!(target.call("add", json!([2])).await, 7);
        assert_eq!(requests(&target).await, once(mode, "caller"));
        assert_eq!(target.metadata().await["updates"]["successful"], json!([1]));
        // Another call is another request.
        caller.call("request-update", json!(["target", 1, snapshot, 0])).await;
        assert_eq!(requests(&target).await.len(), 2);
    }
}

#[tokio::test]
async fn itself_goes_over_at_once_and_the_call_goes_on() {
    let mut server = Server::start().await;
    let component = updater(&server).await;
    let itself = worker(&component, "w").await;
    itself.call("add", json!([5])).await;
    let told = itself.call("request-update", json!(["w", 1, false, 500])).await;
    assert_eq!(told, "1", "what it is told after the update is the new version");
    itself.is_updated_to(1).await;
    assert_eq!(itself.call("extra", json!([])).await, "new in this version");
    server.restart_after_kill().await;
    assert_eq!(itself.call("total", json!([])).await, 5);
    assert_eq!(requests(&itself).await, once("automatic", "w"));
    assert_eq!(itself.messages().await, ["step 0"], "nothing is printed twice");
}

#[tokio::test]
async fn itself_by_snapshot_goes_over_when_the_call_is_done() {
    let mut server = Server::start().await;
    let component = updater(&server).await;
    let itself = worker(&component, "w").await;
    itself.call("add", json!([5])).await;
    let told = itself.call("request-update", json!(["w", 1, true, 0])).await;
    assert_eq!(told, "0", "the call ends on the version that began it");
    itself.is_updated_to(1).await;
    server.restart_after_kill().await;
    assert_eq!(itself.call("add", json!([1])).await, 6);
    assert_eq!(requests(&itself).await, once("snapshot", "w"));
}

/// What cannot be granted ever is recorded and told with its reason, also after a crash.
#[tokio::test]
async fn unknown_workers_and_versions_are_refused_for_good() {
    let mut server = Server::start_with(&QUICK_RETRIES).await;
    let component = updater(&server).await;
    worker(&component, "target").await;
    let refusals = [
        ("a", "nobody", 1, "nobody"),
        ("b", "target", 9, "has no version 9; its newest is 1"),
        ("c", "", 1, "is no worker name"),
        ("d", "d", 9, "has no version 9; its newest is 1"),
    ];
    for (caller, target, version, why) in refusals {
        let caller = worker(&component, caller).await;
        let arguments = json!([target, version, false, 0]);
        let ask = || caller.invoke_with_key("request-update", arguments.clone(), "k");
        let reply = ask().await;
        let problem = reply.expect_problem(500, "invocation-failed");
        assert!(problem["detail"].as_str().is_some_and(|told| told.contains(why)), "{problem}");
        let calls = caller.oplog_of_type("host-call").await;
        let last = calls.last().expect("the request");
        assert!(last["outcome"]["value"]["err"].is_string(), "{last}");
        server.restart_after_kill().await;
        caller.obey("resume").await;
        caller.reaches("failed").await;
        assert_eq!(caller.oplog_of_type("host-call").await, calls, "it is not asked again");
    }
    let nobody = component.worker("nobody");
    let update = json!({ "version": 1, "mode": "automatic" });
    nobody.request_update(update).await.expect_problem(404, "worker-not-found");
}

#[tokio::test]
async fn a_stop_after_every_entry_asks_another_worker_once() {
    for (snapshot, mode) in MODES {
        survives_every_stop("target", snapshot, mode).await;
    }
}

#[tokio::test]
async fn a_stop_after_every_entry_asks_itself_once() {
    for (snapshot, mode) in MODES {
        survives_every_stop("caller", snapshot, mode).await;
    }
}

async fn survives_every_stop(target: &str, snapshot: bool, mode: &str) {
    let server = Server::start().await;
    updater(&server).await;
    let data = server.into_data().await;
    let mut survived = 0;
    for entries in 1..ENTRIES_MAX {
        let context = format!("{target}, {mode}: stopped after {entries} entries");
        if !survives_stop_after(entries, &data, target, (snapshot, mode), &context).await {
            break;
        }
        survived += 1;
    }
    assert!((7..ENTRIES_MAX - 1).contains(&survived), "{survived} stops were survived");
}

/// Works with a stop after so many entries; false if the work ended before it came.
async fn survives_stop_after(
    entries: u32,
    data: &StoppedData,
    target: &str,
    (snapshot, mode): (bool, &str),
    context: &str,
) -> bool {
    let flag = entries.to_string();
    let flags = ["--stop-after-entries", &flag, "--commit-interval", "1ms"];
    let mut server = Server::start_on_copy(data, &flags).await;
    let component = server.api().component("updater");
    let request = json!([target, 1, snapshot, 20]);
    let (caller, target) = (component.worker("caller"), component.worker(target));
    let client = tokio::spawn(work(caller.clone(), target.clone(), request.clone()));
    let stopped = wait::until("the server stops or the work is done", async || {
        if server.has_ended() { Some(true) } else { client.is_finished().then_some(false) }
    })
    .await;
    if !stopped {
        return false;
    }
    server.start_again_with(&[]).await;
    let told = client.await.expect("no panic");
    target.is_updated_to(1).await;
    caller.obey("crash").await;
    let again = caller.call_until_acknowledged("request-update", request, "r").await;
    assert_eq!(again, told, "{context}");
    assert_eq!(requests(&target).await, once(mode, "caller"), "{context}");
    assert_eq!(target.metadata().await["updates"]["successful"], json!([1]), "{context}");
    assert_eq!(target.call("total", json!([])).await, 5, "{context}");
    let mut lines = caller.messages().await;
    lines.retain(|line| line != "loading");
    assert_eq!(lines, ["step 0"], "{context}");
    true
}

/// Has the target work and the caller ask for its update, each until it is acknowledged.
async fn work(caller: Worker, target: Worker, request: Value) -> Value {
    target.create_until_acknowledged(json!({ "version": 0 })).await;
    target.call_until_acknowledged("add", json!([5]), "a").await;
    caller.create_until_acknowledged(json!({ "version": 0 })).await;
    caller.call_until_acknowledged("request-update", request, "r").await
}
