//! A seat: free, reserved or sold. Plain memory is all the state it has.

use std::sync::Mutex;

use exports::shop::ticket::ticket::{Guest, Status};

wit_bindgen::generate!();

struct Ticket;

static STATUS: Mutex<Status> = Mutex::new(Status::Free);

fn change(from: Status, to: Status) -> bool {
    let mut status = STATUS.lock().expect("one thread");
    let fits = *status == from;
    if fits {
        *status = to;
    }
    fits
}

impl Guest for Ticket {
    fn reserve() -> bool {
        change(Status::Free, Status::Reserved)
    }

    fn give_back() {
        change(Status::Reserved, Status::Free);
    }

    fn sell() {
        change(Status::Reserved, Status::Sold);
    }

    fn look() -> Status {
        *STATUS.lock().expect("one thread")
    }
}

export!(Ticket);
