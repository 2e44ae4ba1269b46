//! What is known about the store as a whole: whether it is reachable, and whether it is poisoned.

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
    /// Whether another node has declared this session dead.
    fenced: watch::Sender<bool>,
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
            let is_fenced = matches!(error, StoreError::Fenced { .. });
            inner.poison = Some(error);
            self.fenced.send_replace(is_fenced);
        }
    }

    /// Returns when another node has declared this session dead.
    pub(super) async fn fenced(&self) {
        // The sender is in `self`, and so there.
        let _ = self.fenced.subscribe().wait_for(|is_fenced| *is_fenced).await;
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
