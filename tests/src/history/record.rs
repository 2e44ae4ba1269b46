//! Who was told what, and when.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::model::Model;

/// One call and what came of it. Times only say what was before what.
#[derive(Debug)]
pub struct Operation<M: Model> {
    /// What was asked.
    pub call: M::Call,
    /// Just before it was asked for the first time.
    pub begun: u64,
    /// Just after the answer came, and the answer. Without one, the call may have been done at any
    /// time since it was begun, may be done later, or never.
    pub ended: Option<(u64, M::Outcome)>,
}

impl<M: Model> Clone for Operation<M> {
    fn clone(&self) -> Self {
        Self { call: self.call.clone(), begun: self.begun, ended: self.ended.clone() }
    }
}

/// What happened to one worker. Its clones write to the same record.
#[derive(Debug)]
pub struct Record<M: Model> {
    clock: Arc<AtomicU64>,
    operations: Arc<Mutex<Vec<Operation<M>>>>,
}

impl<M: Model> Clone for Record<M> {
    fn clone(&self) -> Self {
        Self { clock: Arc::clone(&self.clock), operations: Arc::clone(&self.operations) }
    }
}

impl<M: Model> Default for Record<M> {
    fn default() -> Self {
        Self { clock: Arc::default(), operations: Arc::default() }
    }
}

impl<M: Model> Record<M> {
    /// Writes down that a call is about to be made; returns what [`Record::end`] wants to know.
    pub fn begin(&self, call: M::Call) -> usize {
        let mut operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = self.clock.fetch_add(1, Ordering::SeqCst);
        operations.push(Operation { call, begun, ended: None });
        operations.len() - 1
    }

    /// Writes down what a call was answered, as soon as that is known.
    pub fn end(&self, operation: usize, outcome: M::Outcome) {
        let mut operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = self.clock.fetch_add(1, Ordering::SeqCst);
        operations[operation].ended = Some((ended, outcome));
    }

    /// Returns everything so far.
    pub fn operations(&self) -> Vec<Operation<M>> {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
