//! Waiting for a worker's log to grow, wherever the worker is.

use std::sync::Arc;
use std::time::Duration;

use everlog_oplog::Index;

use crate::clock;
use crate::durable::Durable;
use crate::shared::Shared;
use crate::worker::WorkerId;

/// How often the log of a worker on another node is looked at.
const LOOK_ELSEWHERE: Duration = Duration::from_millis(200);

/// Tells when a worker's log may have grown.
pub struct Follower {
    shared: Arc<Shared>,
    worker: WorkerId,
    seen: Index,
}

impl Follower {
    pub(crate) fn new(shared: Arc<Shared>, worker: WorkerId) -> Self {
        Self { shared, worker, seen: Index(0) }
    }

    /// Returns `true` once there may be more durable entries than when it returned last, and `false` when the worker is
    /// gone for good (deleted, or never there) or the store can't be asked.
    pub async fn changed(&mut self) -> bool {
        loop {
            let arrival = self.shared.registry.arrivals.notified();
            match self.shared.registry.get(&self.worker) {
                Some(handle) => {
                    let mut durable = handle.durable.subscribe();
                    // Only the task keeps the channel open, so that its end is heard of.
                    drop(handle);
                    let seen = self.seen;
                    let grown = durable.wait_for(|durable| up_to(durable) > seen).await;
                    if let Ok(durable) = grown {
                        self.seen = up_to(&durable);
                        return true;
                    }
                }
                None if !self.exists().await => return false,
                // What happens on another node is seen in the store only.
                None if !self.shared.serves(&self.worker) => {
                    clock::pause(LOOK_ELSEWHERE).await;
                    return true;
                }
                None => arrival.await,
            }
        }
    }

    async fn exists(&self) -> bool {
        match self.worker.key() {
            Ok(key) => matches!(self.shared.store.last_index(&key).await, Ok(Some(_))),
            Err(_) => false,
        }
    }
}

fn up_to(durable: &Durable) -> Index {
    match durable {
        Durable::UpTo(index) => *index,
        Durable::Failed(_) => Index(0),
    }
}
