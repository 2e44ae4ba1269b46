//! Resources that a guest exports live in its worker: made by their constructor or by name, called
//! by their handle, dropped once, and all of that across restarts.

use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server};
use serde_json::{Value, json};

const CONSTRUCTOR: &str = "everlog:cart/shop.{[constructor]cart}";
const ADD_ITEM: &str = "everlog:cart/shop.{[method]cart.add-item}";
const ITEMS: &str = "everlog:cart/shop.{[method]cart.items}";
const MERGE: &str = "everlog:cart/shop.{[static]cart.merge}";
const DROP: &str = "everlog:cart/shop.{[drop]cart}";

async fn shop(server: &Server) -> Worker {
    server.deploy(&fixtures::CART).await.worker("shop")
}

#[tokio::test]
async fn a_handle_is_good_after_a_restart() {
    let mut server = Server::start().await;
    let shop = shop(&server).await;
    let cart = shop.call(CONSTRUCTOR, json!(["mary"])).await;
    assert!(cart.as_str().is_some_and(|urn| urn.starts_with("urn:worker:")), "{cart}");
    assert_eq!(shop.call(ADD_ITEM, json!([cart, "bread", 2])).await, 2);
    server.restart_after_kill().await;

    assert_eq!(shop.call(ADD_ITEM, json!([cart, "milk", 1])).await, 3);
    let items = json!([{"name": "bread", "quantity": 2}, {"name": "milk", "quantity": 1}]);
    assert_eq!(shop.call(ITEMS, json!([cart])).await, items);
    assert_eq!(shop.call("id-of", json!([cart])).await, "mary");
    let owned = shop.metadata().await["ownedResources"].clone();
    assert_eq!(owned.as_array().map(Vec::len), Some(1), "{owned}");
}

#[tokio::test]
async fn a_dropped_resource_is_gone() {
    let mut server = Server::start().await;
    let shop = shop(&server).await;
    let cart = shop.call(CONSTRUCTOR, json!(["mary"])).await;
    assert_eq!(shop.call("live-carts", json!([])).await, 1);
    shop.call(DROP, json!([cart])).await;
    assert_eq!(shop.call("live-carts", json!([])).await, 0);
    server.restart_after_kill().await;

    assert_eq!(shop.call("live-carts", json!([])).await, 0);
    for function in [ITEMS, DROP] {
        shop.invoke(function, json!([cart])).await.expect_problem(400, "invalid-arguments");
    }
    assert_eq!(shop.metadata().await["ownedResources"], json!([]));
}

#[tokio::test]
async fn owned_handles_move_into_a_call() {
    let server = Server::start().await;
    let shop = shop(&server).await;
    let first = shop.call(CONSTRUCTOR, json!(["first"])).await;
    let second = shop.call(CONSTRUCTOR, json!(["second"])).await;
    shop.call(ADD_ITEM, json!([first, "bread", 1])).await;
    shop.call(ADD_ITEM, json!([second, "milk", 2])).await;
    let merged = shop.call(MERGE, json!([first, second])).await;
    assert_eq!(shop.call("id-of", json!([merged])).await, "first+second");
    assert_eq!(shop.call(ITEMS, json!([merged])).await.as_array().map(Vec::len), Some(2));
    assert_eq!(shop.call("live-carts", json!([])).await, 1);
    shop.invoke(ITEMS, json!([first])).await.expect_problem(400, "invalid-arguments");
}

#[tokio::test]
async fn a_resource_is_found_by_its_constructor_arguments() {
    let mut server = Server::start().await;
    let shop = shop(&server).await;
    let add = "everlog:cart/shop.{cart(\"mary\").add-item}";
    assert_eq!(shop.call(add, json!(["bread", 2])).await, 2, "made by its first use");
    assert_eq!(shop.call(add, json!(["milk", 1])).await, 3, "found by the second");
    server.restart_after_kill().await;

    assert_eq!(shop.call("cart(\"mary\").add-item", json!(["tea", 4])).await, 7);
    assert_eq!(shop.call("cart(\"john\").add-item", json!(["tea", 1])).await, 1);
    assert_eq!(shop.call("live-carts", json!([])).await, 2);
    shop.call("everlog:cart/shop.{cart(\"mary\").drop}", json!([])).await;
    assert_eq!(shop.call("live-carts", json!([])).await, 1);
    assert_eq!(shop.call(add, json!(["bread", 1])).await, 1, "a new cart of that name");
    let made = shop.call("everlog:cart/shop.{cart.new}", json!(["eve"])).await;
    assert_eq!(shop.call("id-of", json!([made])).await, "eve");
}

#[tokio::test]
async fn a_foreign_handle_is_refused() {
    let server = Server::start().await;
    let component = server.deploy(&fixtures::CART).await;
    let (mine, yours) = (component.worker("mine"), component.worker("yours"));
    let cart = mine.call(CONSTRUCTOR, json!(["mary"])).await;
    yours.call(CONSTRUCTOR, json!(["john"])).await;
    for handle in [cart, json!("urn:worker:nonsense"), json!(1), Value::Null] {
        yours.invoke(ITEMS, json!([handle])).await.expect_problem(400, "invalid-arguments");
    }
}
