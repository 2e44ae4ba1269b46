//! A number that survives everything: plain memory is all the state it has.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

wit_bindgen::generate!();

struct Counter;

static TOTAL: AtomicU64 = AtomicU64::new(0);

impl Guest for Counter {
    fn add(n: u64) -> u64 {
        TOTAL.fetch_add(n, Relaxed).wrapping_add(n)
    }

    fn get() -> u64 {
        TOTAL.load(Relaxed)
    }
}

export!(Counter);
