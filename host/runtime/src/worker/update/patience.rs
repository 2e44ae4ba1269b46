//! How long a version that is tried may go without meeting the next recorded entry.

use std::time::Duration;

use everlog_oplog::Journal;

use crate::{Timestamp, clock};

/// A guest that computes for longer than this between two host calls, or for ever, is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// Watches a replay's progress.
#[derive(Default)]
pub(crate) struct Patience {
    met: u64,
    /// When that was first seen.
    since: Option<Timestamp>,
}

impl Patience {
    /// Why the trial is given up, if it is. To be asked now and then.
    pub(crate) fn is_over(&mut self, journal: &Journal) -> Option<String> {
        let (met, now) = (journal.replayed_entries(), clock::now());
        if met != self.met || !journal.is_replaying() {
            *self = Self { met, since: None };
        }
        let since = *self.since.get_or_insert(now);
        let over = Duration::from_nanos(now.0.saturating_sub(since.0)) > PATIENCE;
        over.then(|| format!("it made no host call for {} seconds", PATIENCE.as_secs()))
    }
}
