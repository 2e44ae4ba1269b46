//! A guest that computes without ever calling the host can still be interrupted, deleted and stopped.

use everlog_tests::api::send;
use everlog_tests::{fixtures, server::Server};
use serde_json::json;

#[tokio::test]
async fn an_endless_loop_can_be_interrupted() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::SPINNER).await.worker("s");
    let call = tokio::spawn(send(worker.invocation("spin-for-ever", &json!([]))));
    worker.reaches("running").await;
    worker.obey("interrupt").await;
    worker.reaches("interrupted").await;
    call.await.expect("no panic").expect_problem(409, "worker-interrupted");
}

#[tokio::test]
async fn an_endless_loop_can_be_deleted() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::SPINNER).await.worker("s");
    let call = tokio::spawn(send(worker.invocation("spin-for-ever", &json!([]))));
    worker.reaches("running").await;
    worker.delete().await.expect(204);
    call.await.expect("no panic").expect_problem(409, "worker-deleted");
}

#[tokio::test]
async fn an_interrupted_computation_can_be_resumed() {
    let server = Server::start().await;
    let component = server.deploy(&fixtures::SPINNER).await;
    let rounds = json!([200_000_000]);
    let worker = component.worker("interrupted");
    let key = worker.start("spin", rounds.clone()).await;
    worker.reaches("running").await;
    worker.obey("interrupt").await;
    worker.reaches("interrupted").await;
    worker.obey("resume").await;
    let expected = component.worker("undisturbed").call("spin", rounds).await;
    assert_eq!(worker.outcome(&key).await["result"], expected);
}
