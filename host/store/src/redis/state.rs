//! What is known about the store as a whole: whether it is reachable, and whether it is poisoned.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::StoreError;
use crate::store::{Health, Replication};

/// Who says that Redis cannot be reached.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Commits,
    Watch,
}

#[derive(Debug, Default)]
pub(super) struct State {
    inner: Mutex<Inner>,
    /// Whether this session is over, and another one may begin.
    over: watch::Sender<bool>,
    /// The last batch whose outcome somebody was told.
    told: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    poison: Option<StoreError>,
    troubles: [Option<String>; 2],
    replication: Replication,
    facts: Vec<(&'static str, String)>,
}

impl State {
    /// From now on nothing is acknowledged. The first reason stays.
    pub(super) fn poison(&self, error: StoreError) {
        let mut inner = self.lock();
        if inner.poison.is_none() {
            tracing::error!(%error, "the store accepts nothing any more");
            let is_over = matches!(error, StoreError::Fenced { .. } | StoreError::Rewound { .. });
            inner.poison = Some(error);
            self.over.send_replace(is_over);
        }
    }

    /// Returns when this session is over, and another one may begin.
    pub(super) async fn over(&self) {
        // The sender is in `self`, and so there.
        let _ = self.over.subscribe().wait_for(|is_over| *is_over).await;
    }

    /// Notes that the outcomes of all batches up to this one are told.
    pub(super) fn tell_up_to(&self, number: u64) {
        self.told.fetch_max(number, Ordering::SeqCst);
    }

    /// The last batch whose outcome somebody was told.
    pub(super) fn told(&self) -> u64 {
        self.told.load(Ordering::SeqCst)
    }

    /// Fails if the store is poisoned.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.lock().poison.clone().map_or(Ok(()), Err)
    }

    /// Notes that something does not work now, or that it works again.
    pub(super) fn note(&self, side: Side, trouble: Option<String>) {
        let mut inner = self.lock();
        let before = inner.troubles.iter().any(Option::is_some);
        inner.troubles[side as usize] = trouble;
        match inner.troubles.iter().flatten().next() {
            Some(reason) if !before => {
                tracing::warn!(reason, "Redis cannot be used; trying again until it can");
            }
            None if before => tracing::info!("Redis can be used again"),
            _ => {}
        }
    }

    pub(super) fn set_facts(&self, facts: Vec<(&'static str, String)>) {
        self.lock().facts = facts;
    }

    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        self.lock().facts.clone()
    }

    pub(super) fn set_replication(&self, replication: Replication) {
        self.lock().replication = replication;
    }

    pub(super) fn replication(&self) -> Replication {
        self.lock().replication
    }

    pub(super) fn health(&self) -> Health {
        let inner = self.lock();
        match &inner.poison {
            Some(StoreError::Poisoned { reason }) => Health::Poisoned { reason: reason.clone() },
            Some(error) => Health::Poisoned { reason: error.to_string() },
            None => match inner.troubles.iter().flatten().next() {
                Some(reason) => Health::Unreachable { reason: reason.clone() },
                None => Health::Ok,
            },
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing between lock and unlock can leave it half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
