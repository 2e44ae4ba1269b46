//! What a worker does, waits for and has in line can be seen, from outside and by the command line.

use everlog_tests::api::send;
use everlog_tests::command;
use everlog_tests::outside::Outside;
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server, wait};
use reqwest::Method;
use serde_json::{Value, json};

async fn activity(worker: &Worker) -> Value {
    send(worker.request(Method::GET, &["activity"])).await.expect(200)
}

#[tokio::test]
async fn what_it_waits_for_and_since_when() {
    let server = Server::start_with(&["--suspend-after", "2s"]).await;
    let component = server.deploy(&fixtures::CANCELLER).await;
    let sleeper = component.worker("sleeper");
    let key = sleeper.start("hold", json!([3_600_000, 0])).await;
    let later = sleeper.start_when("held", json!([]), &[("delay", "1h")]).await;
    sleeper.reaches("suspended").await;
    let seen = activity(&sleeper).await;
    assert_eq!(seen["waitingFor"]["kind"], "time", "{seen}");
    assert!(seen["waitingFor"]["until"].is_string());
    assert_eq!(seen["invocation"]["idempotencyKey"], key);
    assert_eq!(seen["invocation"]["function"], "hold");
    assert_eq!(seen["queue"][0]["idempotencyKey"], later);
    assert_eq!(seen["queue"][0]["status"], "scheduled");
    assert!(seen["lastEntry"]["type"].is_string(), "{seen}");

    let promise = component.worker("promise");
    promise.start("await-promise", json!([])).await;
    promise.has_logged("awaits").await;
    wait::until("it is seen to await its promise", async || {
        let seen = activity(&promise).await;
        (seen["waitingFor"]["kind"] == "promise" && seen["waitingFor"]["promise"].is_u64())
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn which_calls_are_open_and_what_is_tried_again() {
    let server = Server::start_with(&["--retry-min-delay", "1h", "--retry-max-delay", "1h"]).await;
    let outside = Outside::start().await;
    let client = server.deploy(&fixtures::HTTP_CLIENT).await.worker("client");
    let url = outside.url("/held/a");
    let request = json!({ "method": "GET", "url": url, "headers": [], "body": null });
    client.start("send", json!([request])).await;
    let seen = wait::until("the open request is seen", async || {
        let reply = send(client.request(Method::GET, &["activity"])).await;
        let seen = (reply.status == 200).then(|| reply.expect(200))?;
        (seen["openCalls"].as_array().map(Vec::len) == Some(1)).then_some(seen)
    })
    .await;
    assert!(seen["openCalls"][0].to_string().contains("/held/a"), "{seen}");

    let failing = server.deploy(&fixtures::CANCELLER).await.worker("failing");
    let key = failing.start("hold-and-fail", json!([0])).await;
    failing.reaches("retrying").await;
    let seen = activity(&failing).await;
    assert_eq!((&seen["retries"], &seen["waitingFor"]["kind"]), (&json!(1), &json!("retry")));
    assert_eq!(seen["nextRetryAt"], seen["waitingFor"]["until"]);
    assert!(seen["lastError"].as_str().is_some_and(|text| text.contains("on purpose")), "{seen}");

    let list = send(failing.request(Method::GET, &["invocations"])).await.expect(200);
    assert_eq!(list["invocations"][0]["idempotencyKey"], key);
    assert_eq!(list["invocations"][0]["status"], "running");
}

/// Whom a worker waits for, and whom that one waits for.
#[tokio::test]
async fn calls_are_followed_to_whom_all_wait_for() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::RELAY).await;
    let (a, b, c) = (component.worker("a"), component.worker("b"), component.worker("c"));
    let slow = c.start("add-slowly", json!([1, 600_000])).await;
    c.reaches("suspended").await;
    let at = |worker: &str| format!("urn:worker:relay/{worker}");
    let chain = a.start("chain", json!([[at("b"), at("c")], 5])).await;
    for _ in 0..2 {
        let tree = wait::until("the whole chain is seen", async || {
            let describe = ["worker", "describe", "relay", "a", "--output", "json"];
            let tree = command::run(&server, &describe).await.json();
            tree["calls"][0]["calls"][0]["behind"].is_u64().then_some(tree)
        })
        .await;
        let (first, second) = (&tree["calls"][0], &tree["calls"][0]["calls"][0]);
        assert_eq!((&first["component"], &first["worker"]), (&json!("relay"), &json!("b")));
        assert_eq!((&second["worker"], &second["behind"]), (&json!("c"), &json!(1)));
        assert!(first["function"].as_str().is_some_and(|name| name.contains("chain")), "{tree}");
        assert_eq!(second["status"], "pending", "{tree}");
        let text = command::run(&server, &["worker", "describe", "relay", "a"]).await;
        let text = text.success();
        assert!(text.contains("\n  relay/b ") && text.contains("\n    relay/c "), "{text}");
        server.restart_after_kill().await;
    }
    send(c.request(Method::POST, &["invocations", &slow, "kill"])).await.expect(200);
    assert_eq!(a.outcome(&chain).await["result"], json!([5, 5, 5]));
    assert_eq!(activity(&a).await["calls"], json!([]));
    assert_eq!(b.call("total", json!([])).await, 5);
}

#[tokio::test]
async fn those_that_ended_are_listed_in_pages() {
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::COUNTER).await.worker("mary");
    for key in ["a", "b", "c"] {
        worker.invoke_with_key("add", json!([1]), key).await.expect(200);
    }
    let page = |query: Vec<(&'static str, String)>| {
        let request = worker.request(Method::GET, &["invocations"]).query(&query);
        async move { send(request).await.expect(200) }
    };
    let first = page(vec![("ended", "true".into()), ("limit", "2".into())]).await;
    let keys = |page: &Value| -> Vec<Value> {
        let found = page["invocations"].as_array().expect("a list");
        found.iter().map(|invocation| invocation["idempotencyKey"].clone()).collect()
    };
    assert_eq!(keys(&first), ["a", "b"]);
    assert_eq!(first["invocations"][0]["status"], "completed");
    assert_eq!(first["invocations"][0]["function"], "add");
    let cursor = first["cursor"].as_str().expect("more").to_owned();
    let second =
        page(vec![("ended", "true".into()), ("limit", "2".into()), ("cursor", cursor)]).await;
    assert_eq!(keys(&second), ["c"]);
    assert!(second["cursor"].is_null());
    assert_eq!(keys(&page(Vec::new()).await), Vec::<Value>::new());
}
