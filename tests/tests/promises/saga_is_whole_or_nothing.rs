//! The example payment-saga against a shop that loses answers: everything that was bought was
//! bought once, and what was refused left nothing behind, wherever the server was killed.

use everlog_tests::shop::Shop;
use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server, wait};
use serde_json::{Value, json};

async fn customer(server: &Server, shop: &Shop, name: &str) -> Worker {
    let worker = server.deploy(&fixtures::PAYMENT_SAGA).await.worker(name);
    worker.create(json!({"env": {"SHOP": shop.url()}})).await.expect(201);
    worker
}

fn order(first: u64) -> Value {
    json!({"ok": {"reservation": first, "payment": first + 1, "shipment": first + 2}})
}

#[tokio::test]
async fn all_is_bought_once_or_nothing() {
    let server = Server::start().await;
    let shop = Shop::open(0, false).await;
    let worker = customer(&server, &shop, "mary").await;

    assert_eq!(worker.call("buy", json!(["tea", 350])).await, order(1));
    let bought = ["payments/2", "reservations/1", "shipments/3"];
    assert_eq!(shop.standing(), bought);

    let refused = worker.call("buy", json!(["yacht", 99_999_999])).await;
    let message = refused["err"].as_str().unwrap_or_default();
    assert!(message.starts_with("step 2 (pay) failed: status 402"), "{message}");
    let refused = worker.call("buy", json!(["samovar", 9_000])).await;
    let message = refused["err"].as_str().unwrap_or_default();
    assert!(message.starts_with("step 3 (ship) failed: status 409"), "{message}");
    assert!(message.ends_with("everything before was undone"), "{message}");
    assert_eq!(shop.standing(), bought, "nothing is left of what was refused");
    // A reservation of the yacht, a reservation and a payment of the samovar.
    assert_eq!(shop.taken().len(), bought.len() + 3);
}

#[tokio::test]
async fn kills_change_nothing() {
    let shop = Shop::open(0, false).await;
    let mut server = Server::start().await;
    let worker = customer(&server, &shop, "mary").await;
    let tea = worker.start("buy", json!(["tea", 350])).await;
    let samovar = worker.start("buy", json!(["samovar", 9_000])).await;
    // Once on the way to each third request.
    for requests in [1, 4, 7, 10] {
        wait::until("the shop is asked", async || (shop.requests() >= requests).then_some(()))
            .await;
        server.restart_after_kill().await;
    }
    assert_eq!(worker.outcome(&tea).await["result"], order(1));
    let refused = worker.outcome(&samovar).await;
    assert!(refused["result"]["err"].is_string(), "{refused}");
    assert_eq!(shop.standing(), ["payments/2", "reservations/1", "shipments/3"]);
    assert_eq!(shop.taken().len(), 5, "nothing was ordered twice: {:?}", shop.taken());
}
