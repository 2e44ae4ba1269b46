//! An action is one entry of the log, whatever it does. A kill inside runs it again; one before or
//! after does not; where it must not be repeated, the worker fails instead. What has no place in an
//! action is refused in plain words.

use everlog_tests::api::send;
use everlog_tests::outside::Outside;
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server};
use reqwest::Method;
use serde_json::{Value, json};

/// The calls in a worker's log that are of actions.
async fn actions(worker: &Worker) -> Vec<Value> {
    let mut calls = worker.oplog_of_type("host-call").await;
    calls.retain(|call| call["function"] == "everlog:api/actions.run");
    calls
}

/// Starts a call that asks `/held/before`, then three times inside, then `/held/after`.
async fn start(worker: &Worker, outside: &Outside) -> String {
    let url = |path: &str| outside.url(path);
    let inside = [url("/echo1"), url("/held/inside"), url("/echo2")];
    worker.start("ask", json!([url("/held/before"), inside, url("/held/after")])).await
}

/// What the call that was [started](start) returns.
fn answers() -> Value {
    let answers = ["/held/before", "/echo1", "/held/inside", "/echo2", "/held/after"];
    json!({ "ok": answers.map(|path| format!("GET {path} ")) })
}

/// Drops the worker once more: what it went through must hold, and reach nobody.
async fn assert_settled(server: &mut Server, worker: &Worker, outside: &Outside) {
    let received = outside.received();
    let drawn = worker.call("draw", json!([])).await;
    server.restart_after_kill().await;
    worker.obey("crash").await;
    assert_eq!(worker.metadata().await["status"], "idle");
    assert_ne!(worker.call("draw", json!([])).await, drawn, "it goes on");
    assert_eq!(outside.received(), received, "replay sends nothing");
}

#[tokio::test]
async fn a_kill_inside_runs_it_again() {
    let outside = Outside::start().await;
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::ACTIONS).await.worker("w");
    let key = start(&worker, &outside).await;
    outside.allow("before", 1);
    outside.has_received("/held/inside", 1).await;
    assert!(actions(&worker).await.is_empty(), "it has no outcome yet");
    server.restart_after_kill().await;
    outside.has_received("/held/inside", 2).await;
    outside.allow("inside", 2);
    outside.allow("after", 1);
    assert_eq!(worker.outcome(&key).await["result"], answers());
    let counts =
        ["/held/before", "/echo1", "/echo2", "/held/after"].map(|path| outside.count(path));
    assert_eq!(counts, [1, 2, 1, 1]);
    let calls = actions(&worker).await;
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0]["request"]["text"], "inside");
    assert!(calls[0]["outcome"]["text"].as_str().is_some_and(|text| text.contains("GET /echo1")));
    // What was printed again is told once.
    let asked = format!("ask {}", outside.url("/echo1"));
    let messages = worker.messages().await;
    assert_eq!(messages.iter().filter(|message| **message == asked).count(), 1, "{messages:?}");
    assert_settled(&mut server, &worker, &outside).await;
}

#[tokio::test]
async fn a_kill_before_or_after_does_not() {
    let outside = Outside::start().await;
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::ACTIONS).await.worker("w");
    let key = start(&worker, &outside).await;
    outside.has_received("/held/before", 1).await;
    server.restart_after_kill().await;
    outside.has_received("/held/before", 2).await;
    outside.allow("before", 2);
    outside.allow("inside", 1);
    outside.has_received("/held/after", 1).await;
    for _ in 0..3 {
        let received = outside.count("/held/after");
        server.restart_after_kill().await;
        outside.has_received("/held/after", received + 1).await;
    }
    outside.allow("after", 10);
    assert_eq!(worker.outcome(&key).await["result"], answers());
    let counts = ["/echo1", "/held/inside", "/echo2"].map(|path| outside.count(path));
    assert_eq!(counts, [1, 1, 1]);
    assert_settled(&mut server, &worker, &outside).await;
}

#[tokio::test]
async fn with_idempotence_off_a_kill_inside_fails_the_worker() {
    let outside = Outside::start().await;
    let mut server = Server::start().await;
    let worker = server.deploy(&fixtures::ACTIONS).await.worker("w");
    let answered = worker.call("ask-once", json!([outside.url("/echo")])).await;
    assert_eq!(answered, json!({ "ok": "GET /echo " }));
    let key = worker.start("ask-once", json!([outside.url("/held/a")])).await;
    outside.has_received("/held/a", 1).await;
    server.restart_after_kill().await;
    let outcome = worker.outcome(&key).await;
    assert_eq!(outcome["status"], "failed", "{outcome}");
    let detail = outcome["error"]["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("everlog:api/actions.run"), "{detail}");
    assert!(detail.contains("may have happened"), "{detail}");
    assert_eq!(outside.count("/held/a"), 1);
}

#[tokio::test]
async fn a_cancellation_does_not_cut_it_short() {
    let outside = Outside::start().await;
    let server = Server::start().await;
    let worker = server.deploy(&fixtures::ACTIONS).await.worker("w");
    let key = worker.start("ask-once", json!([outside.url("/held/a")])).await;
    outside.has_received("/held/a", 1).await;
    let cancelled = worker.request(Method::POST, &["invocations", &key, "cancel"]);
    assert_eq!(send(cancelled).await.status, 202);
    outside.allow("a", 1);
    assert_eq!(worker.outcome(&key).await["result"], json!({ "ok": "GET /held/a " }));
    assert_eq!(actions(&worker).await.len(), 1);
}

#[tokio::test]
async fn what_has_no_place_inside_is_refused() {
    let mut server = Server::start_with(&["--retry-max-attempts", "0"]).await;
    let component = server.deploy(&fixtures::ACTIONS).await;
    for (how, expected) in [
        ("nested", "an action can't hold another"),
        ("atomic", "golem:api/host.mark-begin-operation was called inside of action \"misuse\""),
        ("promise", "golem:api/host.create-promise was called inside of action \"misuse\""),
        ("mode", "golem:api/host.set-idempotence-mode was called inside of action \"misuse\""),
        ("left-open", "must be dropped inside it"),
        ("dropped", "was made before it"),
    ] {
        let worker = component.worker(how);
        let reply = worker.invoke("misuse", json!([how])).await;
        let problem = reply.expect_problem(500, "invocation-failed");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(expected), "{how}: {detail}");
        assert!(actions(&worker).await.is_empty());
    }
    let file = component.worker("file");
    let refused = file.call("misuse", json!(["file"])).await;
    assert!(refused["err"].as_str().is_some_and(|told| told.contains("permitted")), "{refused}");

    let large = component.worker("large");
    assert_eq!(large.call("large", json!([4_000_000])).await, 4_000_000);
    let problem = large.invoke("large", json!([5_000_000])).await;
    let problem = problem.expect_problem(500, "invocation-failed");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("at most 4194304 are allowed"), "{detail}");
    server.restart_after_kill().await;
    assert_eq!(file.call("misuse", json!(["file"])).await, refused);
}

#[tokio::test]
async fn what_is_drawn_is_drawn_once() {
    let mut server = Server::start().await;
    let component = server.deploy(&fixtures::ACTIONS).await;
    let (mary, john) = (component.worker("mary"), component.worker("john"));
    let of_mary = mary.invoke_with_key("draw", json!([]), "k").await.expect(200);
    let of_john = john.invoke_with_key("draw", json!([]), "k").await.expect(200);
    assert_eq!(of_mary[1], of_mary[2]);
    assert_eq!((&of_mary[3], &of_john[3]), (&json!("k"), &json!("k")));
    assert_ne!(of_mary[1], of_john[1], "another worker's key is another one");
    server.restart_after_kill().await;
    mary.obey("crash").await;
    assert_eq!(mary.metadata().await["status"], "idle");
    let other = mary.invoke_with_key("draw", json!([]), "k2").await.expect(200);
    assert_ne!(other[1], of_mary[1]);
}
