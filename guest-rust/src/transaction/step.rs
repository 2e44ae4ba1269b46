//! The operations that a transaction has executed.

use super::failure::{Remains, Rollback, Step};

/// The undo list of a transaction; `C` undoes one operation.
pub(super) struct Steps<C> {
    executed: usize,
    failed: Option<Step>,
    done: Vec<(Step, C)>,
}

impl<C> Steps<C> {
    pub(super) fn new() -> Self {
        Self { executed: 0, failed: None, done: Vec::new() }
    }

    /// Counts an operation that is about to be executed.
    pub(super) fn begin(&mut self, name: String) -> Step {
        self.executed += 1;
        Step { number: self.executed, name }
    }

    pub(super) fn succeeded(&mut self, step: Step, compensation: C) {
        self.failed = None;
        self.done.push((step, compensation));
    }

    pub(super) fn failed(&mut self, step: Step) {
        self.failed = Some(step);
    }

    /// The operation that failed last, if none succeeded since.
    pub(super) fn take_failed(&mut self) -> Option<Step> {
        self.failed.take()
    }

    /// The operation that is to be undone next.
    pub(super) fn pop(&mut self) -> Option<(Step, C)> {
        self.done.pop()
    }

    /// What is left after a compensation failed.
    pub(super) fn partial<Err>(self, step: Step, error: Err) -> Rollback<Err> {
        let before = self.done.into_iter().map(|(step, _)| step).collect();
        Rollback::Partial(Box::new(Remains { step, error, before }))
    }
}
