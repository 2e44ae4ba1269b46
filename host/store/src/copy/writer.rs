//! Batches on their way to the target, many at once.

use std::collections::VecDeque;

use futures::channel::oneshot;

use super::CopyError;
use crate::{Batch, Store, StoreError};

/// What may be on its way; one batch may be larger.
const BYTES_MAX: usize = 8 << 20;
const BATCHES_MAX: usize = 2_048;

pub(super) struct Writer<'a> {
    store: &'a dyn Store,
    /// Sizes and answers, in the order of submission.
    waiting: VecDeque<(usize, oneshot::Receiver<Result<(), StoreError>>)>,
    bytes: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(store: &'a dyn Store) -> Self {
        Self { store, waiting: VecDeque::new(), bytes: 0 }
    }

    /// Hands a batch over, behind all before it. Waits while too much is on its way; the error may
    /// be that of an earlier batch.
    pub(super) async fn submit(&mut self, batch: Batch) -> Result<(), CopyError> {
        let size = batch.size();
        while !self.waiting.is_empty()
            && (self.bytes + size > BYTES_MAX || self.waiting.len() >= BATCHES_MAX)
        {
            self.wait().await?;
        }
        let (sender, receiver) = oneshot::channel();
        // Nobody listens any more where an earlier batch failed.
        self.store.submit(batch, Box::new(move |outcome| drop(sender.send(outcome))));
        self.waiting.push_back((size, receiver));
        self.bytes += size;
        Ok(())
    }

    /// Waits until everything is durable.
    pub(super) async fn finish(&mut self) -> Result<(), CopyError> {
        while !self.waiting.is_empty() {
            self.wait().await?;
        }
        Ok(())
    }

    /// Waits until nothing is on its way any more, however it ends.
    pub(super) async fn settle(&mut self) {
        while !self.waiting.is_empty() {
            // What counts is the error for which the copy ends.
            drop(self.wait().await);
        }
    }

    async fn wait(&mut self) -> Result<(), CopyError> {
        let Some((size, receiver)) = self.waiting.pop_front() else { return Ok(()) };
        self.bytes -= size;
        Ok(receiver.await.unwrap_or(Err(StoreError::Closed))?)
    }
}
