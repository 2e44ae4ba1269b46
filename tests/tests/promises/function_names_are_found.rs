//! A function answers to its full name and, where that is unambiguous, to short ones.

use everlog_tests::api::send;
use everlog_tests::{fixtures, server::Server};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn full_and_short_names_mean_the_same() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::NAMES).await.worker("n");
    for (name, answer) in [
        ("everlog:names/first@1.2.0.{which}", "first"),
        ("everlog:names/second@1.2.0.{which}", "second"),
        ("everlog:names/first.{which}", "first"),
        ("everlog:names/second.{which}", "second"),
        ("everlog:names/first@1.2.0.{only-here}", "only here"),
        ("only-here", "only here"),
        ("top", "top"),
    ] {
        assert_eq!(worker.call(name, json!([])).await, answer, "{name}");
        let request = worker.request(Method::POST, &["invoke"]).query(&[("function", name)]);
        assert_eq!(send(request).await.expect(200), answer, "?function={name}");
    }
}

#[tokio::test]
async fn an_ambiguous_name_lists_its_meanings() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::NAMES).await.worker("n");
    let problem = worker.invoke("which", json!([])).await.expect(400).to_string();
    for candidate in ["everlog:names/first@1.2.0.{which}", "everlog:names/second@1.2.0.{which}"] {
        assert!(problem.contains(candidate), "{problem}");
    }
    for unknown in
        ["", "whic", "first.{which", "everlog:names/third.{which}", "first@9.9.9.{which}"]
    {
        let reply = worker.invoke(unknown, json!([])).await;
        assert!(matches!(reply.status, 400 | 404), "{unknown}: {}", reply.text());
    }
    send(worker.request(Method::GET, &[])).await.expect_problem(404, "worker-not-found");
}
