//! The two threads that write tables: one takes memtables out of memory, one merges.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering as Atomic;
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};

use super::Tree;
use super::compaction::Failure;
use super::fault::Fault;
use super::levels::LEVELS;
use crate::embedded::panics::panic_text;
use crate::error::describe;

/// How much larger than a memtable level 1 may be.
const BASE_GROWTH: u64 = 8;

/// Runs the threads of a tree; stops them when dropped. What they had not finished is in the
/// journal, or in the tables as they were.
pub(in crate::embedded) struct Background {
    tree: Arc<Tree>,
    threads: Vec<JoinHandle<()>>,
}

impl Background {
    /// Starts the threads.
    ///
    /// # Errors
    /// If the operating system has none to give.
    pub(in crate::embedded) fn start(tree: &Arc<Tree>) -> std::io::Result<Self> {
        let mut background = Self { tree: Arc::clone(tree), threads: Vec::new() };
        let flush = |tree: &Tree| tree.flush_sealed();
        let mut after = [const { Vec::new() }; LEVELS];
        let merge = move |tree: &Tree| tree.merge_next(&mut after);
        background.spawn("store-flush", flush)?;
        background.spawn("store-merge", merge)?;
        Ok(background)
    }

    fn spawn(
        &mut self,
        name: &str,
        mut work: impl FnMut(&Tree) -> Result<bool, Failure> + Send + 'static,
    ) -> std::io::Result<()> {
        let tree = Arc::clone(&self.tree);
        let run = move || tree.work_until_closed(&mut work);
        self.threads.push(thread::Builder::new().name(name.into()).spawn(run)?);
        Ok(())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.tree.closed.store(true, Atomic::Relaxed);
        self.tree.notify();
        // A reader may be replacing a damaged table; none begins from now on.
        drop(self.tree.salvaging.lock());
        for thread in self.threads.drain(..) {
            // It has caught its panics and noted them; there is nothing left to report.
            let _ = thread.join();
        }
    }
}

impl Tree {
    /// Writes the oldest memtable that waits for it to a table; `false` if none waits.
    pub(super) fn flush_sealed(&self) -> Result<bool, Failure> {
        match self.current().sealed.last() {
            Some(memtable) => self.flush(memtable).map(|()| true),
            None => Ok(false),
        }
    }

    /// Merges what most needs it; `false` if nothing does. `after` is where the last merge of each
    /// level ended.
    pub(super) fn merge_next(&self, after: &mut [Vec<u8>; LEVELS]) -> Result<bool, Failure> {
        let base = self.memtable_bytes.saturating_mul(BASE_GROWTH);
        let Some(job) = self.current().levels.choose(base, after) else {
            return Ok(false);
        };
        match self.compact(&job) {
            // Written anew, it can be merged.
            Err(Failure::Damaged(Fault::Table { id, detail })) => {
                self.salvage(id, &detail).map_err(Failure::Damaged)?;
            }
            outcome => outcome?,
        }
        if let Some(table) = job.upper.last() {
            after[job.from].clone_from(&table.meta.min);
        }
        Ok(true)
    }

    fn work_until_closed(&self, work: &mut impl FnMut(&Self) -> Result<bool, Failure>) {
        let mut seen = 0;
        while self.wait_for_change(&mut seen) {
            loop {
                // Unwind safety: after a panic nobody writes any more, and a reader sees the tables
                // as the last whole change left them.
                let reason = match catch_unwind(AssertUnwindSafe(|| work(self))) {
                    Ok(Ok(true)) => continue,
                    Ok(Ok(false)) => break,
                    Ok(Err(Failure::Closed)) => return,
                    Ok(Err(Failure::Io(error))) => describe(&error),
                    Ok(Err(Failure::Damaged(fault))) => fault.to_string(),
                    Err(panic) => format!("writing a table panicked: {}", panic_text(&*panic)),
                };
                return self.fail(reason);
            }
        }
    }

    /// Waits until something changed since `seen`; `false` if the tree is being closed.
    fn wait_for_change(&self, seen: &mut u64) -> bool {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        // The first look is free: there may be work from before.
        while *seen == *changes + 1 && !self.is_closed() {
            changes = self.changed.wait(changes).unwrap_or_else(PoisonError::into_inner);
        }
        *seen = *changes + 1;
        !self.is_closed()
    }

    fn fail(&self, reason: String) {
        tracing::error!(reason, "a table could not be written; the store takes no more writes");
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
        self.notify();
    }
}
