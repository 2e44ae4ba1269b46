//! A worker that is taken back goes on as if what came after had never been: its memory, its files, the
//! keys of its invocations and its failures. What came before stays, and a target that is none changes
//! nothing.

use everlog_tests::{fixtures, server::Server, wait};
use serde_json::{Value, json};

/// The last entry of the worker's oplog.
fn last(oplog: &[Value]) -> u64 {
    oplog.last().and_then(|entry| entry["index"].as_u64()).expect("an entry")
}

#[tokio::test]
async fn its_last_invocations() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::COUNTER).await.worker("mary");
    for (key, total) in [("a", 1), ("b", 2), ("c", 3)] {
        assert_eq!(worker.invoke_with_key("add", json!([1]), key).await.expect(200), total);
    }
    worker.revert(json!({ "lastInvocations": 2 })).await.expect(200);
    assert_eq!(worker.metadata().await["status"], "idle");
    server.restart_after_kill().await;
    assert_eq!(worker.invoke_with_key("add", json!([1]), "a").await.expect(200), 1, "kept");
    assert_eq!(worker.invoke_with_key("add", json!([5]), "c").await.expect(200), 6, "forgotten");
    assert_eq!(worker.invoke_with_key("add", json!([5]), "c").await.expect(200), 6, "new");
    worker
        .invoke_with_key("add", json!([7]), "c")
        .await
        .expect_problem(422, "idempotency-key-reused");
    server.restart_after_kill().await;
    assert_eq!(worker.call("get", json!([])).await, 6);
    assert_eq!(worker.metadata().await, worker.rebuilt_metadata().await);
}

#[tokio::test]
async fn with_its_files_and_its_lines() {
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::MIXER).await.worker("m");
    let first = worker.call("work", json!([0])).await;
    let kept = last(&worker.oplog().await);
    worker.call("work", json!([1])).await;
    let messages = worker.messages().await;
    worker.revert(json!({ "toIndex": kept })).await.expect(200);
    assert_eq!(worker.call("written", json!([])).await, json!([first]));
    let second = worker.call("work", json!([2])).await;
    server.restart_after_kill().await;
    for function in ["remembered", "written"] {
        assert_eq!(worker.call(function, json!([])).await, json!([first, second]));
    }
    let now = worker.messages().await;
    assert_eq!(now[..messages.len()], messages, "what was printed stays in the log");
}

#[tokio::test]
async fn into_the_middle_of_an_invocation() {
    let mut server = Server::start_with(&["--suspend-after", "100ms"]).await;
    let worker = server.deploy(&fixtures::PROMISES).await.worker("p");
    let key = worker.start("create-and-wait", json!([])).await;
    let promise = worker.made_promise().await;
    worker.completes(&promise, "first").await;
    assert_eq!(worker.outcome(&key).await["result"], "first");
    worker.revert(json!({ "toIndex": promise })).await.expect(200);
    // The completion is a fact, so that the call ends again, in the same way.
    assert_eq!(worker.outcome(&key).await["result"], "first");
    server.restart_after_kill().await;
    assert_eq!(worker.call("waits", json!([])).await, 1);
    assert_eq!(worker.outcome(&key).await["result"], "first");
}

#[tokio::test]
async fn while_it_runs() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::SLEEPER).await.worker("s");
    worker.call("awakenings", json!([])).await;
    let kept = last(&worker.oplog().await);
    let caller = worker.clone();
    let call =
        tokio::spawn(async move { caller.invoke_with_key("sleep-for", json!([9_000]), "k").await });
    worker.reaches("running").await;
    wait::until("the sleep is recorded", async || {
        (last(&worker.oplog().await) > kept + 1).then_some(())
    })
    .await;
    worker.revert(json!({ "lastInvocations": 1 })).await.expect(200);
    call.await.expect("no panic").expect_problem(409, "invocation-reverted");
    worker.reaches("idle").await;
    let reply = worker.invoke_with_key("sleep-for", json!([1]), "k").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[tokio::test]
async fn that_it_failed_or_exited_or_was_cut_off() {
    let mut server = Server::start_with(&["--retry-max-attempts", "0"]).await;
    let promises = server.deploy(&fixtures::PROMISES).await;
    let exiter = server.deploy(&fixtures::EXITER).await.worker("e");
    let failed = promises.worker("f");
    let id = failed.call("create", json!([])).await;
    let mut unknown = id.clone();
    unknown["oplog-idx"] = json!(1);
    let reply = failed.invoke_with_key("wait", json!([unknown]), "k").await;
    reply.expect_problem(500, "invocation-failed");
    failed.reaches("failed").await;
    failed.revert(json!({ "lastInvocations": 1 })).await.expect(200);
    server.restart_after_kill().await;
    assert_eq!(failed.metadata().await["status"], "idle");
    assert_eq!(failed.completes(&id["oplog-idx"], "alive").await, true);
    assert_eq!(failed.invoke_with_key("wait", json!([id]), "k").await.expect(200), "alive");

    exiter.invoke("leave", json!([3])).await.expect_problem(409, "worker-exited");
    exiter.reaches("exited").await;
    exiter.revert(json!({ "lastInvocations": 1 })).await.expect(200);
    assert_eq!(exiter.metadata().await["status"], "idle");
}

#[tokio::test]
async fn nothing_where_there_is_nothing_to_go_back_to() {
    let server = Server::start().await;
    let component = server.deploy(&fixtures::COUNTER).await;
    let worker = component.worker("mary");
    worker.call("add", json!([1])).await;
    worker.call("add", json!([1])).await;
    worker.revert(json!({ "lastInvocations": 1 })).await.expect(200);
    let oplog = worker.oplog().await;
    let deleted = oplog.last().expect("an entry")["deleted"]["from"].clone();
    for target in [
        json!({ "toIndex": 999 }),
        json!({ "toIndex": deleted }),
        json!({ "toIndex": last(&oplog) }),
        json!({ "lastInvocations": 2 }),
    ] {
        worker.revert(target).await.expect_problem(400, "not-in-history");
    }
    for body in [json!({}), json!({ "toIndex": 0 }), json!({ "lastInvocations": 0 })] {
        worker.revert(body).await.expect_problem(400, "invalid-request");
    }
    worker.revert(json!({ "to": 1 })).await.expect_problem(400, "malformed-json");
    assert_eq!(worker.oplog().await, oplog, "nothing changed");
    let nobody = component.worker("nobody").revert(json!({ "toIndex": 1 })).await;
    nobody.expect_problem(404, "worker-not-found");
    assert_eq!(worker.call("get", json!([])).await, 1);
    worker.revert(json!({ "toIndex": 1 })).await.expect(200);
    assert_eq!(worker.call("get", json!([])).await, 0);
}
