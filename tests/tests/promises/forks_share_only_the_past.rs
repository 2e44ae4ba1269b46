//! A fork is a new worker with the history of another up to an entry: it goes on by itself from there,
//! knows the same answers, and has its own files and promises; the other worker does not notice.

use everlog_tests::{fixtures, server::Server};
use serde_json::{Value, json};

fn last(oplog: &[Value]) -> Value {
    oplog.last().expect("an entry")["index"].clone()
}

#[tokio::test]
async fn each_goes_its_own_way() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::MIXER).await;
    let (source, fork) = (component.worker("source"), component.worker("fork"));
    let shared = source.invoke_with_key("work", json!([0]), "k").await.expect(200);
    let oplog = source.oplog().await;
    let created = source.fork(json!({ "worker": "fork" })).await.expect(201);
    assert_eq!((&created["worker"], &created["status"]), (&json!("fork"), &json!("idle")));
    assert_eq!(source.oplog().await, oplog, "the source is untouched");
    let again = fork.invoke_with_key("work", json!([0]), "k").await.expect(200);
    assert_eq!(again, shared, "it knows the answer");
    let of_source = source.call("work", json!([1])).await;
    let of_fork = fork.call("work", json!([2])).await;
    server.restart_after_kill().await;
    for function in ["remembered", "written"] {
        assert_eq!(source.call(function, json!([])).await, json!([shared, of_source]));
        assert_eq!(fork.call(function, json!([])).await, json!([shared, of_fork]));
    }
    source.delete().await;
    server.restart_after_kill().await;
    assert_eq!(fork.call("written", json!([])).await, json!([shared, of_fork]));
    assert_eq!(fork.metadata().await, fork.rebuilt_metadata().await);
}

#[tokio::test]
async fn in_the_middle_of_an_invocation_it_goes_on_by_itself() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::PROMISES).await;
    let source = component.worker("source");
    let key = source.start("create-and-wait", json!([])).await;
    let promise = source.made_promise().await;
    for (name, wanted) in [
        ("now", json!({ "worker": "now" })),
        ("then", json!({ "worker": "then", "atIndex": promise })),
    ] {
        source.fork(wanted).await.expect(201);
        let fork = component.worker(name);
        assert_eq!(fork.promise(&promise).await.expect(200)["state"], "pending");
        assert_eq!(fork.completes(&promise, name).await, true);
        assert_eq!(fork.outcome(&key).await["result"], name);
        assert_eq!(source.promise(&promise).await.expect(200)["state"], "pending");
    }
    source.completes(&promise, "source").await;
    server.restart_after_kill().await;
    for name in ["source", "now", "then"] {
        let worker = component.worker(name);
        assert_eq!(worker.outcome(&key).await["result"], name);
        assert_eq!(worker.call("waits", json!([])).await, 1);
    }
}

#[tokio::test]
async fn a_promise_keeps_the_name_that_the_guest_knows() {
    let server = Server::start().await;
    let component = server.deploy(&fixtures::PROMISES).await;
    let (source, fork) = (component.worker("source"), component.worker("fork"));
    let id = source.call("create", json!([])).await;
    source.fork(json!({ "worker": "fork" })).await.expect(201);
    assert_eq!(fork.call("complete", json!([id, "the fork's own"])).await, true);
    assert_eq!(fork.call("wait", json!([id])).await, "the fork's own");
    assert_eq!(source.promise(&id["oplog-idx"]).await.expect(200)["state"], "pending");
    let new = fork.call("create", json!([])).await;
    assert_eq!(new["worker-id"]["worker-name"], "fork");
    fork.fork(json!({ "worker": "grandchild" })).await.expect(201);
    assert_eq!(component.worker("grandchild").call("wait", json!([id])).await, "the fork's own");
}

#[tokio::test]
async fn large_values_come_along() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::PROMISES).await;
    let source = component.worker("source");
    let id = source.call("create", json!([])).await;
    source.complete(&id["oplog-idx"], &vec![7; 1 << 20]).await.expect(200);
    assert_eq!(source.call("measure", json!([id])).await, 1 << 20);
    source.fork(json!({ "worker": "fork" })).await.expect(201);
    source.delete().await;
    server.restart_after_kill().await;
    assert_eq!(component.worker("fork").call("measure", json!([id])).await, 1 << 20);
}

#[tokio::test]
async fn a_fork_before_a_failure_is_alive() {
    let server = Server::start_with(&["--retry-max-attempts", "0"]).await;
    let component = server.deploy(&fixtures::PROMISES).await;
    let source = component.worker("source");
    let id = source.call("create", json!([])).await;
    let healthy = last(&source.oplog().await);
    let mut unknown = id.clone();
    unknown["oplog-idx"] = json!(1);
    let reply = source.invoke_with_key("wait", json!([unknown]), "k").await;
    reply.expect_problem(500, "invocation-failed");
    source.fork(json!({ "worker": "fork", "atIndex": healthy })).await.expect(201);
    let fork = component.worker("fork");
    assert_eq!(fork.completes(&id["oplog-idx"], "x").await, true);
    assert_eq!(fork.invoke_with_key("wait", json!([id]), "k").await.expect(200), "x");
    assert_eq!(source.metadata().await["status"], "failed");
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let server = Server::start().await;
    let component = server.deploy(&fixtures::COUNTER).await;
    let worker = component.worker("mary");
    worker.call("add", json!([1])).await;
    worker.call("add", json!([1])).await;
    worker.revert(json!({ "lastInvocations": 1 })).await.expect(200);
    let oplog = worker.oplog().await;
    let deleted = oplog.last().expect("an entry")["deleted"]["from"].clone();
    for at in [json!(999), deleted] {
        let reply = worker.fork(json!({ "worker": "new", "atIndex": at })).await;
        reply.expect_problem(400, "not-in-history");
    }
    component.worker("new").call("add", json!([5])).await;
    for taken in ["new", "mary"] {
        let reply = worker.fork(json!({ "worker": taken })).await;
        reply.expect_problem(409, "worker-exists");
    }
    worker.fork(json!({ "worker": "" })).await.expect_problem(400, "invalid-request");
    worker.fork(json!({})).await.expect_problem(400, "malformed-json");
    let nobody = component.worker("nobody").fork(json!({ "worker": "x" })).await;
    nobody.expect_problem(404, "worker-not-found");
    assert_eq!(component.worker("new").call("get", json!([])).await, 5);
    assert_eq!(worker.oplog().await, oplog);
    worker.fork(json!({ "worker": "late" })).await.expect(201);
    assert_eq!(component.worker("late").call("get", json!([])).await, 1);
}
