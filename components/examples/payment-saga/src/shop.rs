//! The shop, which has its own mind: it is down, or does not answer, or refuses.

use std::time::Duration;

use everlog::{generate_idempotency_key, http};

/// How long to wait before a request that failed is sent again.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(serde::Serialize)]
struct Wish<'a> {
    item: &'a str,
    cents: u64,
}

#[derive(serde::Deserialize)]
struct Receipt {
    id: u64,
}

/// Orders something; the shop answers with the number under which it can be undone.
pub(crate) fn order(what: &str, item: &str, cents: u64) -> Result<u64, String> {
    let wish = Wish { item, cents };
    let answer = persist(&format!("order {what}"), http::post(url(what)).json(&wish))?;
    let receipt: Receipt = answer.error_for_status()?.json()?;
    println!("ordered {what} {} for {item}", receipt.id);
    Ok(receipt.id)
}

/// Undoes an order.
pub(crate) fn undo(what: &str, id: u64) -> Result<(), String> {
    let path = format!("{what}/{id}");
    persist(&format!("undo {path}"), http::delete(url(&path)))?.error_for_status()?;
    println!("undone {path}");
    Ok(())
}

/// Sends a request until the shop says yes or no. All attempts have one key, so the shop knows that
/// they are the same wish, also if an answer was lost on the way, or the server was killed.
fn persist(wish: &str, request: http::RequestBuilder) -> Result<http::Response, http::Error> {
    let request = request.idempotency_key(generate_idempotency_key());
    loop {
        match request.clone().send() {
            Ok(answer) if answer.status < 500 => return Ok(answer),
            Ok(answer) => println!("{wish}: the shop says {}, once more", answer.status),
            Err(http::Error::Connection(_)) => println!("{wish}: no answer, once more"),
            Err(error) => return Err(error),
        }
        std::thread::sleep(PAUSE);
    }
}

fn url(path: &str) -> String {
    let shop = std::env::var("SHOP").unwrap_or_else(|_| "http://127.0.0.1:7171".to_owned());
    format!("{shop}/{path}")
}
