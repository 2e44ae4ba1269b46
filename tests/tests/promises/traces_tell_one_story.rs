//! What a call leads to is one trace, across workers, messages, delays and outgoing requests, retries and crashes; what
//! runs again in replay is told once.

use std::time::Duration;

use everlog_tests::api::send;
use everlog_tests::collector::{CollectedSpan, Collector};
use everlog_tests::redis::Port;
use everlog_tests::server::Server;
use everlog_tests::shop::Shop;
use everlog_tests::{fixtures, wait};
use reqwest::Method;
use serde_json::json;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const PRODUCER: i32 = 4;

fn is(name: &'static str, kind: i32) -> impl Fn(&CollectedSpan) -> bool {
    move |span| span.name == name && span.kind == kind
}

async fn deploy_shop(server: &Server) {
    let api = server.api();
    api.deploy("ticket", fixtures::SHOP_TICKET.bytes()).await;
    api.deploy("checkout", fixtures::SHOP_CHECKOUT.bytes()).await;
    api.deploy("cart", fixtures::SHOP_CART.bytes()).await;
}

#[tokio::test]
async fn a_call_and_what_it_leads_to_are_one_trace() {
    let collector = Collector::start().await;
    let shop = Shop::open(0, false).await;
    let mut server = Server::start_with(&["--otlp-endpoint", &collector.url()]).await;
    deploy_shop(&server).await;
    let cart = server.api().component("cart").worker("mary");
    let env = json!({"SHOP": shop.url(), "HOLD_SECONDS": "2"});
    cart.create(json!({ "env": env })).await.expect(201);
    let call = cart.invocation("add", &json!(["2B"]));
    let call = call.header("traceparent", format!("00-{TRACE}-{CALLER}-01"));
    send(call).await.expect(200);

    let add = collector.span("the call", is("shop:cart/cart.{add}", SERVER)).await;
    assert_eq!((add.trace.as_str(), add.parent.as_str()), (TRACE, CALLER));
    let reserve = collector.span("the seat is called", is("ticket ticket.{reserve}", CLIENT)).await;
    let reserved = collector.span("the seat", is("shop:ticket/ticket.{reserve}", SERVER)).await;
    let expire = collector.span("a message is sent", is("cart cart.{expire}", PRODUCER)).await;
    assert_eq!((&reserve.parent, &expire.parent), (&add.id, &add.id));
    assert_eq!(reserved.parent, reserve.id);

    // The message comes after a crash, and nothing of before is told again.
    server.restart_after_kill().await;
    let expired = collector.span("the message", is("shop:cart/cart.{expire}", SERVER)).await;
    assert_eq!(expired.parent, expire.id);
    assert!(expired.time.0 >= expire.time.0 + 1_900_000_000, "{expired:?} {expire:?}");
    collector.span("once", is("shop:cart/cart.{add}", SERVER)).await;
    for span in [&reserve, &reserved, &expire, &expired] {
        assert_eq!(span.trace, TRACE, "{span:?}");
        assert!(span.error.is_none() && span.time.0 <= span.time.1, "{span:?}");
        assert!(span.attributes.iter().any(|(name, _)| name == "everlog.worker"), "{span:?}");
    }
}

#[tokio::test]
async fn requests_and_failures_are_told() {
    let collector = Collector::start().await;
    let shop = Shop::open(0, false).await;
    let server = Server::start_with(&["--otlp-endpoint", &collector.url()]).await;
    deploy_shop(&server).await;
    let checkout = server.api().component("checkout").worker("till");
    checkout.create(json!({"env": {"SHOP": shop.url()}})).await.expect(201);
    // Of three requests the shop answers one with 503.
    for _ in 0..2 {
        checkout.call("pay", json!(["mary", ["2B"]])).await;
    }
    let paid = wait::until("the calls", async || {
        let mut paid = collector.spans();
        paid.retain(is("shop:checkout/checkout.{pay}", SERVER));
        (paid.len() == 2).then_some(paid)
    })
    .await;
    assert!(paid.iter().all(|paid| paid.parent.is_empty()), "nobody has said which trace it is");
    assert_ne!(paid[0].trace, paid[1].trace);
    let requests = wait::until("the requests", async || {
        let mut requests = collector.spans();
        requests.retain(|span| span.name == "POST" && span.kind == CLIENT);
        (requests.len() as u64 == shop.requests()).then_some(requests)
    })
    .await;
    for request in &requests {
        let of = paid.iter().find(|paid| paid.id == request.parent).expect("a call");
        assert_eq!(of.trace, request.trace);
    }
    let mut ids: Vec<_> = requests.iter().map(|span| &span.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), requests.len(), "each request is a span");
    assert!(requests.iter().any(|span| span.error.is_some()), "one is answered 503, or lost");

    let relay = server.deploy(&fixtures::RELAY).await;
    relay.worker("mary").invoke("fail", json!([7])).await.expect_problem(500, "invocation-failed");
    let failed = collector.span("the failure", is("everlog:relay/calls.{fail}", SERVER)).await;
    assert!(failed.error.is_some_and(|error| error.contains("7 is too much")));
    let attempts = wait::until("the attempts", async || {
        let mut attempts = collector.spans();
        attempts.retain(|span| span.name == "failed attempt");
        (attempts.len() == 3).then_some(attempts)
    })
    .await;
    assert!(attempts.iter().all(|span| span.trace == failed.trace && span.parent == failed.id));
}

/// Also of what has no instance any more that could tell of it.
#[tokio::test]
async fn calls_that_are_killed_are_told() {
    let collector = Collector::start().await;
    let flags = ["--otlp-endpoint", &collector.url(), "--suspend-after", "200ms"];
    let server = Server::start_with(&flags).await;
    let component = server.deploy(&fixtures::CANCELLER).await;
    for (function, arguments, status) in
        [("count", json!([]), "running"), ("hold", json!([600_000, 0]), "suspended")]
    {
        let worker = component.worker(function);
        let call = worker.invocation(function, &arguments);
        let call = call.header("traceparent", format!("00-{TRACE}-{CALLER}-01"));
        let key = format!("the-{function}");
        let call = call.header("Prefer", "respond-async").header("Idempotency-Key", &key);
        send(call).await.expect(202);
        worker.reaches(status).await;
        send(worker.request(Method::POST, &["invocations", &key, "kill"])).await.expect(200);
        let of_it = |span: &CollectedSpan| {
            span.attributes
                .iter()
                .any(|(name, value)| name == "everlog.idempotency_key" && *value == key)
        };
        let killed = collector.span(function, of_it).await;
        assert_eq!((killed.trace.as_str(), killed.parent.as_str()), (TRACE, CALLER));
        assert!(killed.error.as_ref().is_some_and(|error| error.contains("killed")), "{killed:?}");
        assert!(killed.time.0 < killed.time.1, "{killed:?}");
    }
}

#[tokio::test]
async fn who_is_not_wanted_is_not_told_of() {
    let collector = Collector::start().await;
    let server = Server::start_with(&["--otlp-endpoint", &collector.url()]).await;
    let worker = server.deploy(&fixtures::COUNTER).await.worker("mary");
    let call = worker.invocation("add", &json!([1]));
    let unsampled = format!("00-{TRACE}-{CALLER}-00");
    send(call.header("traceparent", unsampled)).await.expect(200);
    worker.call("get", json!([])).await;
    collector.span("the other call", is("get", SERVER)).await;
    assert!(collector.spans().iter().all(|span| span.trace != TRACE));
}

#[tokio::test]
async fn a_collector_that_is_away_holds_nobody_up() {
    let closed = Port::draw();
    let endpoint = format!("http://127.0.0.1:{}", closed.number());
    let mut server = Server::start_with(&["--otlp-endpoint", &endpoint]).await;
    let worker = server.deploy(&fixtures::COUNTER).await.worker("mary");
    for total in 1..=50 {
        assert_eq!(worker.call("add", json!([1])).await, total);
    }
    wait::until("they are counted", async || {
        let metrics = server.api().get("/metrics").await;
        let dropped = metrics.text().lines().find_map(|line| {
            line.strip_prefix("everlog_spans_dropped_total ")?.parse::<u64>().ok()
        });
        (dropped == Some(50)).then_some(())
    })
    .await;
    let ended = wait::at_most(Duration::from_secs(8), server.terminate()).await;
    assert!(ended.is_some_and(|status| status.success()));
}
