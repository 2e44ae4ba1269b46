//! All that the server says of a worker is a fold over its oplog: folded anew, past every cache, it
//! is the same, for workers in every state.

use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server};
use serde_json::json;

async fn idle(server: &Server) -> Worker {
    let worker = server.deploy(&fixtures::COUNTER).await.worker("w");
    for _ in 0..10 {
        worker.call("add", json!([1])).await;
    }
    worker
}

async fn failed(server: &Server) -> Worker {
    let worker = server.deploy(&fixtures::TRAPPER).await.worker("w");
    worker.start("always-with-policy", json!([2, 1_000])).await;
    // Accepted while the first call is tried again; it stays queued when that has failed.
    worker.start("successes", json!([])).await;
    worker.reaches("failed").await;
    worker
}

async fn exited(server: &Server) -> Worker {
    let worker = server.deploy(&fixtures::EXITER).await.worker("w");
    worker.invoke("leave", json!([1])).await.expect(409);
    worker
}

async fn interrupted(server: &Server) -> Worker {
    let worker = server.deploy(&fixtures::SLEEPER).await.worker("w");
    worker.start("sleep-for", json!([600_000])).await;
    worker.start("awakenings", json!([])).await;
    worker.start_when("awakenings", json!([]), &[("delay", "1h")]).await;
    worker.reaches("suspended").await;
    worker.obey("interrupt").await;
    worker
}

async fn with_resources(server: &Server) -> Worker {
    let worker = server.deploy(&fixtures::CART).await.worker("w");
    for name in ["a", "b", "c"] {
        worker.call("[constructor]cart", json!([name])).await;
    }
    worker.call("cart(\"b\").drop", json!([])).await;
    worker
}

async fn jumped(server: &Server) -> Worker {
    let worker = server.deploy(&fixtures::OPLOG_CONTROL).await.worker("w");
    let deadline = everlog_tests::wait::wall_clock() + 200;
    worker.call("go-back-until", json!([deadline])).await;
    worker.call("set-idempotence", json!([false])).await;
    worker
}

#[tokio::test]
async fn in_every_state() {
    let mut server = Server::start().await;
    let workers = [
        (idle(&server).await, "idle"),
        (failed(&server).await, "failed"),
        (exited(&server).await, "exited"),
        (interrupted(&server).await, "interrupted"),
        (with_resources(&server).await, "idle"),
        (jumped(&server).await, "idle"),
    ];
    let mut before = Vec::new();
    for (worker, status) in &workers {
        let cached = worker.reaches(status).await;
        assert_eq!(worker.rebuilt_metadata().await, cached);
        before.push(cached);
    }
    server.restart_after_kill().await;
    for ((worker, _), before) in workers.iter().zip(before) {
        assert_eq!(worker.metadata().await, before);
        assert_eq!(worker.rebuilt_metadata().await, before);
    }
}
