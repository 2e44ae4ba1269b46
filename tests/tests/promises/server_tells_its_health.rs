//! What operators look at: liveness, readiness with its checks, metrics, version; and who may speak
//! to the server.

use everlog_tests::api::{send, try_send};
use everlog_tests::command::run_in;
use everlog_tests::{fixtures, server::Server};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn probes_and_version_are_answered() {
    let server = Server::start().await;
    assert_eq!(server.api().get("/livez").await.status, 200);
    assert_eq!(server.api().get("/readyz").await.status, 200);
    let checks = server.api().get("/readyz?verbose").await.expect(200);
    assert!(checks.is_object(), "{checks}");
    let version = server.api().get("/v1/version").await.expect(200);
    assert!(version["version"].is_string(), "{version}");
    let described = server.api().get("/openapi.json").await.expect(200);
    assert!(described["openapi"].as_str().is_some_and(|text| text.starts_with("3.1")));
}

#[tokio::test]
async fn metrics_count_without_worker_names() {
    let server = Server::start().await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("a-name-to-look-for");
    mary.call("add", json!([5])).await;
    let metrics = server.api().get("/metrics").await;
    assert_eq!(metrics.status, 200);
    let text = metrics.text();
    let counted = text.lines().any(|line| line.starts_with("everlog_") && line.ends_with(" 1"));
    assert!(counted, "{text}");
    assert!(!text.contains("a-name-to-look-for"), "{text}");
}

#[tokio::test]
async fn without_tokens_only_loopback_is_served() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let refused = run_in(directory.path(), &["serve", "--listen", "0.0.0.0:0"]).await;
    assert_eq!(refused.code(), Some(1));
    assert!(refused.errors().contains("token"), "{}", refused.errors());
    let production = run_in(directory.path(), &["serve", "--production"]).await;
    assert_eq!(production.code(), Some(1));
    assert!(production.errors().contains("token"), "{}", production.errors());
}

#[tokio::test]
async fn workers_are_listed_in_pages_and_by_filter() {
    let mut server = Server::start().await;
    let counter = server.deploy(&fixtures::COUNTER).await;
    for number in 0..25 {
        counter.worker(&format!("w-{number:02}")).call("add", json!([1])).await;
    }
    server.restart_after_kill().await;
    let mut names = Vec::new();
    let mut path = String::from("/v1/workers?component=counter&limit=10");
    loop {
        let page = server.api().get(&path).await.expect(200);
        let workers = page["workers"].as_array().cloned().unwrap_or_default();
        assert!(workers.len() <= 10);
        names.extend(workers.iter().map(|worker| worker["worker"].clone()));
        let Some(cursor) = page["cursor"].as_str() else { break };
        path = format!("/v1/workers?component=counter&limit=10&cursor={cursor}");
    }
    let expected: Vec<Value> = (0..25).map(|number| json!(format!("w-{number:02}"))).collect();
    assert_eq!(names, expected);

    let request = server.api().request(Method::GET, &["v1", "workers"]);
    let filter = [("filter", "name like \"w-1*\" and status = idle")];
    let page = send(request.query(&filter)).await.expect(200);
    assert_eq!(page["workers"].as_array().map(Vec::len), Some(10), "{page}");
    let request = server.api().request(Method::GET, &["v1", "workers"]);
    let nonsense = try_send(request.query(&[("filter", "name ~ (")])).await;
    nonsense.expect("an answer").expect(400);
}
