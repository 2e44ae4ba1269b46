//! Random numbers: drawn by the host, recorded, and the same again when the worker comes back.
//!
//! Any other crate that draws from `wasi:random`, as all do, is as durable; this is for guests that
//! want no other.

use std::ops::Range;

use uuid::Uuid;

use crate::host;

/// Draws some bytes.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    host::random_bytes(&mut bytes);
    bytes
}

/// Draws any number.
#[must_use]
pub fn u64() -> u64 {
    u64::from_le_bytes(bytes())
}

/// Draws a number from 0 to 1, without 1.
#[must_use]
pub fn f64() -> f64 {
    // As many bits as a double holds.
    (u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Draws a number of a range, each as likely.
///
/// # Panics
/// If the range is empty.
#[must_use]
pub fn below(range: Range<u64>) -> u64 {
    assert!(range.start < range.end, "an empty range");
    let width = range.end - range.start;
    // Numbers of the last, incomplete round would make the first ones likelier.
    let rounds = u64::MAX - u64::MAX % width;
    loop {
        let drawn = u64();
        if drawn < rounds {
            return range.start + drawn % width;
        }
    }
}

/// Draws one of the elements; `None` of none.
#[must_use]
pub fn choose<T>(elements: &[T]) -> Option<&T> {
    if elements.is_empty() {
        return None;
    }
    elements.get(usize::try_from(below(0..elements.len() as u64)).unwrap_or_default())
}

/// Puts the elements into any order.
pub fn shuffle<T>(elements: &mut [T]) {
    for place in (1..elements.len()).rev() {
        let other = below(0..place as u64 + 1);
        elements.swap(place, usize::try_from(other).unwrap_or_default());
    }
}

/// Draws a UUID (version 4).
///
/// ```
/// assert_ne!(everlog::uuid(), everlog::uuid());
/// ```
#[must_use]
pub fn uuid() -> Uuid {
    uuid::Builder::from_random_bytes(bytes()).into_uuid()
}
