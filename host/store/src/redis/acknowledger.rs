//! Holds back the answers to batches until enough replicas have them, in their order.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::channel::mpsc;

use super::replicas::Wishes;
use super::state::State;
use crate::StoreError;
use crate::store::Done;

/// The answer to a batch, not yet given.
pub(super) struct Pending {
    done: Option<Done>,
    outcome: Result<(), StoreError>,
    /// Which batch of the session it was.
    number: u64,
    /// What has become of the session.
    state: Arc<State>,
}

impl Pending {
    pub(super) fn new(
        done: Done,
        outcome: Result<(), StoreError>,
        number: u64,
        state: Arc<State>,
    ) -> Self {
        Self { done: Some(done), outcome, number, state }
    }

    fn give(mut self) {
        if let Some(done) = self.done.take() {
            done(self.outcome.clone());
        }
    }
}

/// Nobody is left without an answer, but nothing is said to be stored that was not waited for.
impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done(Err(self.state.check().err().unwrap_or(StoreError::Closed)));
        }
    }
}

/// Gives answers once `count` replicas, or all there are, have what was executed before; ends with
/// the last answer.
pub(super) async fn run(
    mut answers: mpsc::UnboundedReceiver<Pending>,
    wishes: Wishes,
    count: u32,
    state: Arc<State>,
) {
    while let Some(first) = answers.next().await {
        // All that were executed by now share a wait.
        let mut ready = vec![first];
        while let Ok(pending) = answers.try_recv() {
            ready.push(pending);
        }
        let waited = wishes.wait(count).await.and_then(|()| state.check());
        for mut pending in ready {
            match &waited {
                Ok(()) => state.tell_up_to(pending.number),
                Err(error) => pending.outcome = Err(error.clone()),
            }
            pending.give();
        }
    }
}
