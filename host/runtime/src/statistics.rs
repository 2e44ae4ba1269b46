//! Counters and gauges of a runtime, for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! statistics {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A snapshot of the runtime's counters; totals count since the start.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Statistics {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The counters themselves.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: AtomicU64,)*
        }

        impl Counters {
            pub(crate) fn snapshot(&self) -> Statistics {
                Statistics { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

statistics! {
    /// Workers in memory now.
    loaded_workers,
    /// Invocations that ended with a result.
    invocations_completed,
    /// Invocations that failed for good.
    invocations_failed,
    /// Failures that are tried again.
    retries,
    /// Workers brought back from their oplogs.
    recoveries,
    /// Entries met in replay.
    replayed_entries,
    /// Entries handed to the store.
    appended_entries,
    /// Batches handed to the store.
    commits,
    /// Replays that met something else than what was recorded.
    divergences,
    /// Linear memory of loaded workers, in bytes.
    memory_bytes,
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}
