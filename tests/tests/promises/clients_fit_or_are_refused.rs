//! `everlog wit client` makes what a component needs to call another, and a component whose client does not fit what
//! is deployed is refused before anything happens, with the function and the difference.

use std::path::Path;

use everlog_tests::command::run_in;
use everlog_tests::fixtures::{self, Fixture};
use everlog_tests::server::Server;
use serde_json::json;

/// The clients that the example's cart was compiled with.
const DEPENDENCIES: &str = "../components/examples/ticket-shop/shop-cart/wit/deps";

fn read_text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

async fn make_client(guest: &Fixture, component: &str, out: &Path) {
    let file = guest.path();
    let file = file.to_str().expect("a UTF-8 path");
    let arguments = ["wit", "client", file, "--component", component, "--out", "."];
    run_in(out, &arguments).await.success();
}

#[tokio::test]
async fn clients_are_as_they_would_be_made_now() {
    let out = tempfile::tempdir().expect("a directory");
    for (guest, component) in [
        (&fixtures::SHOP_TICKET, "ticket"),
        (&fixtures::SHOP_CHECKOUT, "checkout"),
        (&fixtures::SHOP_CART, "cart"),
    ] {
        make_client(guest, component, out.path()).await;
    }
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join(DEPENDENCIES);
    for file in [
        "ticket-client/client.wit",
        "checkout-client/client.wit",
        "cart-client/client.wit",
        "everlog-api/calls.wit",
        "io/io.wit",
        "clocks/clocks.wit",
    ] {
        let read = |folder: &Path| read_text(&folder.join(file));
        assert_eq!(read(out.path()), read(&kept), "{file}");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let server = Server::start().await;
    let api = server.api();
    // What is deployed as `ticket` is no ticket.
    api.deploy("ticket", fixtures::COUNTER.bytes()).await;
    let refused = api.upload("cart", fixtures::SHOP_CART.bytes()).await;
    let problem = refused.expect_problem(400, "invalid-component");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("shop:ticket-client/api"), "{detail}");
    assert!(detail.contains("version 0 of component ticket"), "{detail}");
    assert!(detail.contains("ticket.{reserve}") || detail.contains("ticket.{sell}"), "{detail}");
    api.deploy("ticket", fixtures::SHOP_TICKET.bytes()).await;
    let carts = api.deploy("cart", fixtures::SHOP_CART.bytes()).await;
    // Nothing is deployed as `checkout` yet: that is told to whoever calls it.
    let cart = carts.worker("mary");
    assert_eq!(cart.call("add", json!(["2B"])).await, json!({"ok": true}));
    let told = cart.call("check-out", json!([])).await;
    let told = told["err"].as_str().unwrap_or_default();
    assert!(told.starts_with("there is no component checkout"), "{told}");
    // A version that does not fit any more is found when it is called.
    api.deploy("ticket", fixtures::COUNTER.bytes()).await;
    let told = cart.call("add", json!(["2C"])).await;
    let told = told["err"].as_str().unwrap_or_default();
    assert!(told.starts_with("component ticket: the component exports no function"), "{told}");
}
