//! Deleting a worker removes all of it: oplog, files, queue. Its callers are told; a worker of the
//! same name begins anew, also after a restart.

use everlog_tests::api::send;
use everlog_tests::{fixtures, server::Server};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn nothing_is_left_of_it() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::FILES).await;
    let worker = component.worker("f");
    worker.call("write", json!(["note.txt", "hello"])).await;
    worker.invoke_with_key("read", json!(["note.txt"]), "k").await.expect(200);
    let other = component.worker("other");
    other.call("write", json!(["note.txt", "other"])).await;

    worker.delete().await.expect(204);
    for below in [&[][..], &["oplog"], &["logs"], &["invocations", "k"]] {
        send(worker.request(Method::GET, below)).await.expect_problem(404, "worker-not-found");
    }
    worker.delete().await.expect_problem(404, "worker-not-found");
    server.restart_after_kill().await;

    send(worker.request(Method::GET, &[])).await.expect_problem(404, "worker-not-found");
    let read = worker.invoke_with_key("read", json!(["note.txt"]), "k").await.expect(200);
    assert!(read["err"].is_string(), "a fresh worker has no file: {read}");
    assert_eq!(other.call("read", json!(["note.txt"])).await["ok"], "other");
}

#[tokio::test]
async fn its_callers_are_told() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::SLEEPER).await.worker("s");
    let running = tokio::spawn(send(worker.invocation("sleep-for", &json!([600_000]))));
    worker.reaches("suspended").await;
    let waiting = tokio::spawn(send(worker.invocation("awakenings", &json!([]))));
    everlog_tests::wait::until("the second call waits", async || {
        let metadata = worker.metadata().await;
        metadata["pendingInvocations"].as_array().is_some_and(|keys| !keys.is_empty()).then_some(())
    })
    .await;
    worker.delete().await.expect(204);
    for call in [running, waiting] {
        call.await.expect("no panic").expect_problem(409, "worker-deleted");
    }
}

#[tokio::test]
async fn what_it_had_scheduled_does_not_run() {
    let mut server = Server::start().await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    mary.start_when("add", json!([5]), &[("delay", "1s")]).await;
    let due = everlog_tests::wait::wall_clock() + 1_000;
    mary.delete().await.expect(204);
    server.restart_after_kill().await;
    everlog_tests::wait::until_wall_clock(due).await;
    assert_eq!(mary.call("get", json!([])).await, 0);
}
