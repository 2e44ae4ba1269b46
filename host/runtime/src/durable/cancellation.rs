//! How a guest learns that somebody asks for the end of its invocation.
//!
//! The wish is an entry that nothing waits for. What the guest is told, and when, is the outcome of a host call like any
//! other: of a wait that it ended, of a request that it failed, of a question. So a replay tells the same in the same
//! place. A guest is told once in an invocation: after that it may wait again, to make good what it did.

use std::sync::Arc;

use super::Recorder;
use crate::wasi::SharedCount;

/// Shared by everything that a cancellation ends.
#[derive(Clone)]
pub(crate) struct Cancellation {
    recorder: Arc<Recorder>,
    /// Whether the guest was told in this invocation.
    told: SharedCount,
    /// How often it was told in its life: what began before the last time is given up.
    count: SharedCount,
}

impl Cancellation {
    pub(crate) fn new(recorder: Arc<Recorder>, told: SharedCount, count: SharedCount) -> Self {
        Self { recorder, told, count }
    }

    /// Whether the guest is to be told now. Not inside of an action: of what it learns there only the outcome is recorded,
    /// so a replay could not say that it was told.
    pub(crate) fn is_due(&self) -> bool {
        self.told.get() == 0
            && self.recorder.with(|journal, _| {
                !journal.is_replaying()
                    && journal.open_action().is_none()
                    && journal.status().cancel_requested().is_some()
            })
    }

    /// Returns when the guest is to be told.
    pub(crate) async fn due(&self) {
        loop {
            let asked = self.recorder.cancellation();
            if self.is_due() {
                return;
            }
            asked.await;
        }
    }

    /// The guest is told, now or in the log.
    pub(crate) fn tell(&self) {
        if self.told.get() == 0 {
            self.told.set(1);
            self.count.add(1);
        }
    }

    /// Whether the guest was told in this invocation.
    pub(crate) fn is_told(&self) -> bool {
        self.told.get() > 0
    }

    /// Another invocation begins, which nobody has asked to end.
    pub(crate) fn begin(&self) {
        self.told.set(0);
    }

    /// When something begins, for [`is_given_up`](Self::is_given_up).
    pub(crate) fn mark(&self) -> u64 {
        self.count.get()
    }

    /// Whether what began then is given up, since the guest was told afterwards.
    pub(crate) fn is_given_up(&self, mark: u64) -> bool {
        mark < self.count.get()
    }

    /// Returns when what began then is to be given up.
    pub(crate) async fn given_up(&self, mark: u64) {
        if !self.is_given_up(mark) {
            self.due().await;
        }
    }
}
