//! The only place of the tests that looks at the clock or sleeps: between two looks at a condition
//! that a deadline guards.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a test waits for something that should come soon. Generous, since tests share a machine
/// with compilers; a test that passes never waits this long.
pub const PATIENCE: Duration = Duration::from_secs(60);

const INTERVAL: Duration = Duration::from_millis(10);

/// Looks until there is something to see, and returns it.
///
/// # Panics
/// With `what` it waited for when [`PATIENCE`] is over.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let stopwatch = Stopwatch::start();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(stopwatch.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain until {what}");
        pause(INTERVAL).await;
    }
}

/// Waits until the wall clock has passed a point in time, in milliseconds since 1970.
pub async fn until_wall_clock(milliseconds: u64) {
    until("the wall clock has moved on", async || (wall_clock() > milliseconds).then_some(()))
        .await;
}

/// Lets time pass where the passing of time is what a test needs, as between random kills.
#[expect(clippy::disallowed_methods, reason = "this module owns the tests' timers")]
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Gives a future [`PATIENCE`] to finish.
///
/// # Panics
/// With `what` it waited for when the patience is over.
pub async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited {PATIENCE:?} in vain for {what}"),
    }
}

/// Gives a future a limited time; `None` when that is over.
pub async fn at_most<T>(duration: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(duration, future).await.ok()
}

/// Returns the wall clock in milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "this module owns the tests' clock")]
pub fn wall_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.map_or(0, |since| since.as_millis())).unwrap_or(u64::MAX)
}

/// Measures how long something takes.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts to measure.
    #[expect(clippy::disallowed_methods, reason = "this module owns the tests' clock")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Returns the time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
