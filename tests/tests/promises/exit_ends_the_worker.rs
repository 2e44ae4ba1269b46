//! `wasi:cli/exit` ends a worker's life, with any code and for good.

use everlog_tests::{fixtures, server::Server};
use serde_json::json;

#[tokio::test]
async fn an_exited_worker_takes_no_more_calls() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::EXITER).await;
    for (name, code) in [("well", 0), ("badly", 1)] {
        let worker = component.worker(name);
        assert_eq!(worker.call("stay", json!([7])).await, 7);
        worker.invoke("leave", json!([code])).await.expect_problem(409, "worker-exited");
        worker.reaches("exited").await;
        worker.invoke("stay", json!([7])).await.expect_problem(409, "worker-exited");
    }
    server.restart_after_kill().await;
    for name in ["well", "badly"] {
        let worker = component.worker(name);
        assert_eq!(worker.metadata().await["status"], "exited");
        worker.invoke("stay", json!([7])).await.expect_problem(409, "worker-exited");
        worker.delete().await.expect(204);
        assert_eq!(worker.call("stay", json!([7])).await, 7);
    }
}
