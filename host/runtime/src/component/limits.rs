//! How many callers of a component are served at once.
//!
//! Callers from outside pass a gate and hold their place until they have their answer. Calls between workers, messages
//! and schedules do not: who waits for another must not keep it from being served.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::{ComponentVersion, ConcurrencyLimit};
use crate::error::InvokeError;

/// The gates of all components that have one.
#[derive(Default)]
pub(crate) struct Limits(Mutex<HashMap<Uuid, Arc<Gate>>>);

/// The gate of one component.
struct Gate {
    limit: ConcurrencyLimit,
    served: Arc<Semaphore>,
    /// Those who are served, and those who wait.
    places: Arc<Semaphore>,
}

/// A place among those who are served or wait, given back when dropped.
pub(crate) struct Place {
    _served: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl Limits {
    /// Waits for a place; none is needed where the component has no limit.
    ///
    /// # Errors
    /// [`InvokeError::ComponentBusy`] where too many wait.
    pub(crate) async fn enter(
        &self,
        version: &ComponentVersion,
    ) -> Result<Option<Place>, InvokeError> {
        let Some(limit) = version.settings.limit else { return Ok(None) };
        let busy = || InvokeError::ComponentBusy {
            component: version.name.clone(),
            concurrent: limit.concurrent,
            waiting: limit.waiting,
        };
        let gate = self.gate(version.id, limit);
        let place = Arc::clone(&gate.places).try_acquire_owned().map_err(|_| busy())?;
        // Nobody closes it.
        let served = Arc::clone(&gate.served).acquire_owned().await.map_err(|_| busy())?;
        Ok(Some(Place { _served: served, _place: place }))
    }

    /// The gate of a component; a new one where its limit has changed, which those who are inside do not count for.
    fn gate(&self, component: Uuid, limit: ConcurrencyLimit) -> Arc<Gate> {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match gates.get(&component) {
            Some(gate) if gate.limit == limit => Arc::clone(gate),
            _ => {
                let gate = Arc::new(Gate::new(limit));
                gates.insert(component, Arc::clone(&gate));
                gate
            }
        }
    }
}

impl Gate {
    fn new(limit: ConcurrencyLimit) -> Self {
        let places = |count: u64| {
            let count = usize::try_from(count).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
            Arc::new(Semaphore::new(count))
        };
        let ConcurrencyLimit { concurrent, waiting } = limit;
        let (concurrent, waiting) = (u64::from(concurrent), u64::from(waiting));
        Self { limit, served: places(concurrent), places: places(concurrent + waiting) }
    }
}
