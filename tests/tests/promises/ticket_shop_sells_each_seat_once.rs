//! The example ticket-shop: a seat is one cart's however many want it, a cart gives it back after its time or pays for
//! it once, wherever the server was killed.

use std::time::Duration;

use everlog_tests::api::Component;
use everlog_tests::server::Server;
use everlog_tests::shop::Shop;
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, seed, wait};
use rand::Rng;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// The shop's components on a server.
struct Tickets {
    tickets: Component,
    carts: Component,
}

impl Tickets {
    async fn deploy(server: &Server) -> Self {
        let api = server.api();
        let tickets = api.deploy("ticket", fixtures::SHOP_TICKET.bytes()).await;
        api.deploy("checkout", fixtures::SHOP_CHECKOUT.bytes()).await;
        let carts = api.deploy("cart", fixtures::SHOP_CART.bytes()).await;
        Self { tickets, carts }
    }

    async fn cart(&self, name: &str, hold_seconds: &str, shop: &str) -> Worker {
        let cart = self.carts.worker(name);
        let env = json!({"HOLD_SECONDS": hold_seconds, "SHOP": shop});
        cart.create(json!({"env": env})).await.expect(201);
        cart
    }

    async fn seat(&self, name: &str) -> Value {
        self.tickets.worker(name).call("look", json!([])).await
    }
}

#[tokio::test]
async fn a_seat_goes_to_one_of_many() {
    let server = Server::start().await;
    let shop = Tickets::deploy(&server).await;
    let mut racing = JoinSet::new();
    for number in 0..64 {
        let cart = shop.carts.worker(&format!("cart-{number}"));
        racing.spawn(async move { cart.call("add", json!(["2B"])).await });
    }
    let outcomes = racing.join_all().await;
    let won = outcomes.iter().filter(|outcome| **outcome == json!({"ok": true})).count();
    let lost = outcomes.iter().filter(|outcome| **outcome == json!({"ok": false})).count();
    assert_eq!((won, lost), (1, 63));
    assert_eq!(shop.seat("2B").await, "reserved");
}

#[tokio::test]
async fn what_is_not_bought_is_given_back_once() {
    let mut server = Server::start().await;
    let shop = Tickets::deploy(&server).await;
    let cart = shop.cart("mary", "2", "").await;
    assert_eq!(cart.call("add", json!(["2B"])).await, json!({"ok": true}));
    // The message is due while the server is down.
    server.kill();
    wait::pause(Duration::from_secs(2)).await;
    server.start_again().await;
    wait::until("the seat is free", async || (shop.seat("2B").await == "free").then_some(())).await;
    assert_eq!(cart.call("seats", json!([])).await, json!([]));
    let other = shop.cart("bob", "600", "").await;
    assert_eq!(other.call("add", json!(["2B"])).await, json!({"ok": true}));
    server.restart_after_kill().await;
    assert_eq!(shop.seat("2B").await, "reserved", "the message came once");
    let expired = cart.oplog_of_type("invocation-started").await;
    let expired = expired.iter().filter(|entry| entry["function"] == "shop:cart/cart.{expire}");
    assert_eq!(expired.count(), 1);
}

#[tokio::test]
async fn a_cart_is_paid_once_wherever_the_server_is_killed() {
    let mut server = Server::start().await;
    let shop = Shop::open(0, false).await;
    let tickets = Tickets::deploy(&server).await;
    let mut random = seed::generator();
    const CARTS: usize = 5;
    for number in 0..CARTS {
        let cart = tickets.cart(&format!("cart-{number}"), "600", &shop.url()).await;
        for seat in ["A", "B"] {
            let add = cart.start("add", json!([format!("{number}{seat}")])).await;
            wait::pause(Duration::from_millis(random.random_range(0..10))).await;
            server.restart_after_kill().await;
            assert_eq!(cart.outcome(&add).await["result"], json!({"ok": true}));
        }
        let paying = cart.start("check-out", json!([])).await;
        for _ in 0..3 {
            wait::pause(Duration::from_millis(random.random_range(0..150))).await;
            server.restart_after_kill().await;
        }
        let outcome = cart.outcome(&paying).await;
        assert!(outcome["result"]["ok"].is_u64(), "{outcome}");
        assert_eq!(cart.call("seats", json!([])).await, json!([]));
        for seat in ["A", "B"] {
            let seat = format!("{number}{seat}");
            wait::until("the seat is sold", async || {
                (tickets.seat(&seat).await == "sold").then_some(())
            })
            .await;
        }
    }
    let taken = shop.taken();
    let payments = taken.iter().filter(|order| order.starts_with("payments/")).count();
    let mails = taken.iter().filter(|order| order.starts_with("mails/")).count();
    assert_eq!((payments, mails), (CARTS, CARTS), "{taken:?}");
}

#[tokio::test]
async fn what_was_bought_is_not_given_back() {
    let server = Server::start().await;
    let shop = Shop::open(0, false).await;
    let tickets = Tickets::deploy(&server).await;
    let cart = tickets.cart("mary", "600", &shop.url()).await;
    assert_eq!(cart.call("check-out", json!([])).await, json!({"err": "the cart is empty"}));
    assert_eq!(cart.call("add", json!(["2B"])).await, json!({"ok": true}));
    assert!(cart.call("check-out", json!([])).await["ok"].is_u64());
    let waiting = cart.metadata().await;
    assert_eq!(waiting["pendingInvocations"].as_array().map_or(0, Vec::len), 0, "{waiting}");
    assert_eq!(cart.oplog_of_type("cancelled").await.len(), 1);
}
