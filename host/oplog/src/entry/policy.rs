//! How failures are retried.

use bincode::{Decode, Encode};

const MILLISECOND_NANOS: u64 = 1_000_000;

/// How often and how fast a failed execution is tried again.
#[derive(Clone, Copy, Debug, Encode, Decode)]
pub struct RetryPolicy {
    /// Retries after the first execution.
    pub max_attempts: u32,
    /// Delay before the first retry, in nanoseconds.
    pub min_delay_nanos: u64,
    /// The longest delay before any retry, in nanoseconds, jitter not counted.
    pub max_delay_nanos: u64,
    /// Each delay is this many times the one before it.
    pub multiplier: f64,
    /// Up to this fraction of the delay is added by chance, so that workers that failed together do
    /// not return together.
    pub jitter: f64,
}

impl Default for RetryPolicy {
    fn default() -> RetryPolicy {
        RetryPolicy {
            max_attempts: 3,
            min_delay_nanos: 100 * MILLISECOND_NANOS,
            max_delay_nanos: 1000 * MILLISECOND_NANOS,
            multiplier: 3.0,
            jitter: 0.15,
        }
    }
}

/// Equal are policies of the same bits: what a guest sets twice in the same way is the same, also
/// where it is no number.
impl PartialEq for RetryPolicy {
    fn eq(&self, other: &RetryPolicy) -> bool {
        self.max_attempts == other.max_attempts
            && self.min_delay_nanos == other.min_delay_nanos
            && self.max_delay_nanos == other.max_delay_nanos
            && self.multiplier.to_bits() == other.multiplier.to_bits()
            && self.jitter.to_bits() == other.jitter.to_bits()
    }
}

impl RetryPolicy {
    /// How long to wait before retry number `retry` (1 is the first), in nanoseconds. `random` is
    /// any number; the whole range of `u64` is spread over the jitter. Guests choose the numbers of
    /// a policy, so none of them is trusted: what is not a number or out of range counts as no
    /// growth, or no jitter.
    #[must_use]
    pub fn delay_nanos(&self, retry: u32, random: u64) -> u64 {
        let multiplier = if self.multiplier >= 1.0 { self.multiplier } else { 1.0 };
        let exponent = i32::try_from(retry.saturating_sub(1)).unwrap_or(i32::MAX);
        let longest = self.max_delay_nanos.max(self.min_delay_nanos) as f64;
        let grown = (self.min_delay_nanos as f64 * multiplier.powi(exponent)).min(longest);
        let fraction = if self.jitter > 0.0 { self.jitter.min(1.0) } else { 0.0 };
        let chance = random as f64 / u64::MAX as f64;
        // A float that is too large for the integer becomes the largest one.
        (grown * (1.0 + fraction * chance)) as u64
    }
}
