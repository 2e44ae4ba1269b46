//! Takes the money and sends the mail. It keeps nothing: each checkout runs on a worker of its own, gone afterwards.

use everlog::generate_idempotency_key;
use everlog::http;
use exports::shop::checkout::checkout::Guest;
use serde::{Deserialize, Serialize};

wit_bindgen::generate!();

/// What a seat costs.
const CENTS: u64 = 4_000;
/// Where payments and mails go, unless the variable SHOP says otherwise: `make shop` opens it.
const SHOP: &str = "http://127.0.0.1:7171";

struct Checkout;

#[derive(Serialize)]
struct Payment<'a> {
    customer: &'a str,
    cents: u64,
}

#[derive(Serialize)]
struct Mail<'a> {
    to: &'a str,
    text: String,
}

#[derive(Deserialize)]
struct Receipt {
    id: u64,
}

/// Sends an order again until there is an answer: under the same key it is one order.
fn order(kind: &str, order: &impl Serialize) -> Result<Receipt, http::Error> {
    let shop = std::env::var("SHOP").unwrap_or_else(|_| SHOP.to_owned());
    let key = generate_idempotency_key();
    loop {
        let sent = http::post(format!("{shop}/{kind}")).idempotency_key(key).json(order).send();
        match sent {
            Ok(answer) if answer.status == 503 => {}
            Ok(answer) => return answer.error_for_status()?.json(),
            Err(http::Error::Connection(_)) => {}
            Err(error) => return Err(error),
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

impl Guest for Checkout {
    fn pay(customer: String, seats: Vec<String>) -> Result<u64, String> {
        let cents = CENTS * seats.len() as u64;
        let payment = order("payments", &Payment { customer: &customer, cents })?;
        let text = format!("You have {} for {cents} cents.", seats.join(", "));
        order("mails", &Mail { to: &customer, text })?;
        Ok(payment.id)
    }
}

export!(Checkout);
