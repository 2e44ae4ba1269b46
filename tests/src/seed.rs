//! Randomness that can be had again: the seed is printed, and taken from `SEED` if that is set.

use rand::SeedableRng;
use rand::rngs::StdRng;

/// Returns a generator whose seed is printed, so that `SEED=… cargo nextest run` repeats the run as
/// far as the machine's timing allows.
///
/// # Panics
/// If `SEED` is set to something that is no number.
pub fn generator() -> StdRng {
    let seed = match std::env::var("SEED") {
        Ok(text) => text.parse().expect("SEED is a number"),
        Err(_) => rand::random(),
    };
    println!("SEED={seed}");
    StdRng::seed_from_u64(seed)
}
