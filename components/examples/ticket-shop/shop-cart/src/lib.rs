//! A cart: reserves seats by calling them, gives them back by a message to itself that comes later, and buys them with
//! the help of a service. Every call in here happens exactly once, whatever crashes.

use std::sync::Mutex;

use everlog::api::calls::{CallError, SentCall, Start};
use exports::shop::cart::cart::Guest;
use shop::cart_client::api::Cart;
use shop::checkout_client::api::Checkout;
use shop::ticket_client::api::Ticket;

wit_bindgen::generate!({ generate_all });

/// How long seats are kept, unless the variable HOLD_SECONDS says otherwise.
const HOLD_SECONDS: u64 = 15 * 60;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A reserved seat.
struct Reserved {
    seat: String,
    /// The message that will give it back.
    expiry: SentCall,
}

struct Shopper;

static RESERVED: Mutex<Vec<Reserved>> = Mutex::new(Vec::new());

fn reserved() -> std::sync::MutexGuard<'static, Vec<Reserved>> {
    RESERVED.lock().expect("one thread")
}

/// The name of this cart, which is its owner's.
fn owner() -> String {
    std::env::var("GOLEM_WORKER_NAME").expect("every worker has a name")
}

fn hold_time() -> Start {
    let seconds = std::env::var("HOLD_SECONDS").ok().and_then(|text| text.parse().ok());
    Start::After(seconds.unwrap_or(HOLD_SECONDS) * NANOS_PER_SECOND)
}

fn told(error: CallError) -> String {
    match error {
        CallError::NotFound(detail)
        | CallError::Mismatch(detail)
        | CallError::Denied(detail)
        | CallError::Failed(detail)
        | CallError::Cancelled(detail) => detail,
    }
}

impl Guest for Shopper {
    fn add(seat: String) -> Result<bool, String> {
        if !Ticket::new(&seat).reserve().map_err(told)? {
            return Ok(false);
        }
        let expiry = Cart::new(&owner()).schedule_expire(hold_time(), &seat).map_err(told)?;
        reserved().push(Reserved { seat, expiry });
        Ok(true)
    }

    fn expire(seat: String) -> Result<(), String> {
        let place = reserved().iter().position(|reserved| reserved.seat == seat);
        if let Some(place) = place {
            reserved().remove(place);
            Ticket::new(&seat).give_back().map_err(told)?;
        }
        Ok(())
    }

    fn check_out() -> Result<u64, String> {
        let seats = Self::seats();
        if seats.is_empty() {
            return Err("the cart is empty".to_owned());
        }
        let payment = Checkout::fresh().pay(&owner(), &seats).map_err(told)??;
        for Reserved { seat, expiry } in reserved().drain(..) {
            expiry.cancel().map_err(told)?;
            Ticket::new(&seat).send_sell().map_err(told)?;
        }
        Ok(payment)
    }

    fn seats() -> Vec<String> {
        reserved().iter().map(|reserved| reserved.seat.clone()).collect()
    }
}

export!(Shopper);
