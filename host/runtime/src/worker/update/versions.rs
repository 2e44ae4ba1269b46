//! Which versions of its component a worker's callers may mean.

use std::sync::{Arc, PoisonError, RwLock};

use crate::component::ComponentVersion;

/// The version that a worker runs, and those that it is to go over to.
#[derive(Clone)]
pub struct Versions {
    /// What runs now.
    pub current: Arc<ComponentVersion>,
    /// What was asked for and is not done yet, in the order in which it will be.
    pub coming: Vec<Arc<ComponentVersion>>,
}

impl Versions {
    /// A worker that no update waits for.
    pub(crate) fn only(current: Arc<ComponentVersion>) -> Self {
        Self { current, coming: Vec::new() }
    }
}

/// The versions of a worker in memory, as its task tells them to those who call it.
#[derive(Default)]
pub(crate) struct VersionsCell(RwLock<Option<Versions>>);

impl VersionsCell {
    /// What the task said last; `None` until it knows.
    pub(crate) fn get(&self) -> Option<Versions> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// To be said whenever it changes.
    pub(crate) fn set(&self, versions: Versions) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(versions);
    }
}
