//! The one owner of the clock: everything else asks here, so that no time reaches a guest but through the oplog.

use std::time::Duration;

use everlog_oplog::Timestamp;

/// A wall clock may be set back or forward while we wait; a long wait looks at it again this often.
const LONGEST_NAP: Duration = Duration::from_secs(10);

/// The wall clock now, in nanoseconds since the Unix epoch.
#[must_use]
pub fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "this module owns the clock")]
    let now = std::time::SystemTime::now();
    let since_epoch = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
}

/// Waits for a length of time that has nothing to do with what guests see (housekeeping, back-off of I/O).
pub async fn pause(duration: Duration) {
    #[expect(clippy::disallowed_methods, reason = "this module owns timers")]
    tokio::time::sleep(duration).await;
}

/// Waits until the wall clock shows `deadline`, also when the clock is set while waiting.
pub async fn wait_until(deadline: Timestamp) {
    while now() < deadline {
        nap_until(deadline).await;
    }
}

/// Waits until the wall clock shows `deadline`, or for a while at most: for loops that [look](Course::is_set_back) whether
/// it was set back.
pub async fn nap_until(deadline: Timestamp) {
    let wait = deadline.0.saturating_sub(now().0);
    pause(Duration::from_nanos(wait).min(LONGEST_NAP)).await;
}

/// How the wall clock goes, for those who plan by it: what is planned for later is worthless when it is set back.
pub(crate) struct Course {
    seen: Timestamp,
}

impl Course {
    pub(crate) fn begin() -> Self {
        Self { seen: now() }
    }

    /// Whether the clock shows less than when this was asked before.
    pub(crate) fn is_set_back(&mut self) -> bool {
        let before = std::mem::replace(&mut self.seen, now());
        self.seen < before
    }
}
