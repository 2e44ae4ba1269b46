//! Buys from a shop that fails now and then: all of it, or none.

mod shop;

use everlog::{fallible_transaction, golem_operation};
use exports::everlog::payment_saga::checkout::{Guest, Order};
use shop::{order, undo};

wit_bindgen::generate!({ generate_all });

struct Checkout;

#[golem_operation(compensation = release)]
fn reserve(item: String) -> Result<u64, String> {
    order("reservations", &item, 0)
}

fn release(reservation: u64) -> Result<(), String> {
    undo("reservations", reservation)
}

#[golem_operation(compensation = refund)]
fn pay(item: String, cents: u64) -> Result<u64, String> {
    order("payments", &item, cents)
}

fn refund(payment: u64, item: String, cents: u64) -> Result<(), String> {
    println!("{cents} cents for {item} come back");
    undo("payments", payment)
}

#[golem_operation(compensation = call_back)]
fn ship(item: String) -> Result<u64, String> {
    order("shipments", &item, 0)
}

fn call_back(shipment: u64) -> Result<(), String> {
    undo("shipments", shipment)
}

impl Guest for Checkout {
    fn buy(item: String, cents: u64) -> Result<Order, String> {
        let order = fallible_transaction(|tx| {
            let reservation = tx.reserve(item.clone())?;
            let payment = tx.pay(item.clone(), cents)?;
            let shipment = tx.ship(item)?;
            Ok(Order { reservation, payment, shipment })
        })?;
        Ok(order)
    }
}

export!(Checkout);
