//! Many durations, summed up.

use std::time::Duration;

/// How often something was done in a time, and how long each took.
#[derive(Debug, Clone)]
pub struct Measurement {
    elapsed: Duration,
    sorted: Vec<Duration>,
}

impl Measurement {
    /// Sums up what was done within `elapsed`.
    pub fn new(elapsed: Duration, mut each: Vec<Duration>) -> Self {
        each.sort_unstable();
        Self { elapsed, sorted: each }
    }

    /// Returns how often it was done.
    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// Returns how often it was done per second.
    pub fn rate(&self) -> f64 {
        self.sorted.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// Returns the duration that this share of all stayed below, as in 0.5 for the median; zero
    /// where there is nothing.
    pub fn percentile(&self, share: f64) -> Duration {
        let last = self.sorted.len().saturating_sub(1);
        let position = (last as f64 * share).round() as usize;
        self.sorted.get(position).copied().unwrap_or_default()
    }

    /// Returns the median.
    pub fn median(&self) -> Duration {
        self.percentile(0.5)
    }
}
