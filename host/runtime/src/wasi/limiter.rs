//! How much linear memory a worker may have, and all workers together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::ResourceLimiterAsync;
use wasmtime_wasi::async_trait;

use crate::durable::Interruption;

/// Elements of one table.
const MAX_TABLE_ELEMENTS: usize = 100_000;
/// Core instances, tables and memories of one worker.
const MAX_INSTANCES: usize = 100;
const MAX_TABLES: usize = 100;
const MAX_MEMORIES: usize = 100;

/// The linear memory of all loaded workers together.
#[derive(Debug)]
pub(crate) struct HostMemory {
    limit: u64,
    used: AtomicU64,
}

impl HostMemory {
    /// A budget of `limit` bytes.
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, used: AtomicU64::new(0) }
    }

    /// Bytes in use.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: u64) -> Result<(), Interruption> {
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|used| *used <= self.limit)
        });
        taken.map(drop).map_err(|used| Interruption::HostMemory {
            wanted: bytes,
            available: self.limit.saturating_sub(used),
        })
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The linear memory of one worker.
///
/// The worker's own limit is part of its settings and answers `memory.grow` with -1, the same in every replay. A full
/// host is nobody's property, so the guest never sees it: the execution ends and is tried again when there is room.
pub(crate) struct MemoryLimiter {
    limit: u64,
    host: Arc<HostMemory>,
    used: u64,
    /// What the last `memory_growing` has taken, in case the memory can't be had after all.
    last_taken: u64,
}

impl MemoryLimiter {
    /// A worker that may have `limit` bytes out of `host`.
    pub(crate) fn new(limit: u64, host: Arc<HostMemory>) -> Self {
        Self { limit, host, used: 0, last_taken: 0 }
    }

    /// Linear memory of the worker now, in bytes.
    pub(crate) fn used(&self) -> u64 {
        self.used
    }
}

impl Drop for MemoryLimiter {
    fn drop(&mut self) {
        self.host.give_back(self.used);
    }
}

#[async_trait]
impl ResourceLimiterAsync for MemoryLimiter {
    async fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.last_taken = 0;
        let more = desired.saturating_sub(current) as u64;
        if more > self.limit.saturating_sub(self.used) {
            return Ok(false);
        }
        self.host.take(more)?;
        self.used += more;
        self.last_taken = more;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        let unused = std::mem::take(&mut self.last_taken);
        self.used -= unused;
        self.host.give_back(unused);
        tracing::debug!("a worker's memory did not grow: {error:#}");
        Ok(())
    }

    async fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES
    }

    fn tables(&self) -> usize {
        MAX_TABLES
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_workers_limit_is_an_answer_and_the_hosts_an_interruption() {
        let host = Arc::new(HostMemory::new(150));
        let mut one = MemoryLimiter::new(100, Arc::clone(&host));
        assert!(one.memory_growing(0, 100, None).await.unwrap());
        assert!(!one.memory_growing(100, 101, None).await.unwrap());

        let mut other = MemoryLimiter::new(100, Arc::clone(&host));
        let error = other.memory_growing(0, 60, None).await.unwrap_err();
        let Some(Interruption::HostMemory { wanted, available }) = error.downcast_ref() else {
            panic!("{error:?}");
        };
        assert_eq!((*wanted, *available), (60, 50));

        drop(one);
        assert!(other.memory_growing(0, 60, None).await.unwrap());
        assert_eq!((host.used(), other.used()), (60, 60));
    }

    #[tokio::test]
    async fn memory_that_could_not_be_had_is_given_back_once() {
        let host = Arc::new(HostMemory::new(100));
        let mut limiter = MemoryLimiter::new(100, Arc::clone(&host));
        assert!(limiter.memory_growing(0, 40, None).await.unwrap());
        assert!(limiter.memory_growing(40, 60, Some(50)).await.unwrap());
        limiter.memory_grow_failed(wasmtime::format_err!("maximum")).unwrap();
        limiter.memory_grow_failed(wasmtime::format_err!("maximum")).unwrap();
        assert_eq!((host.used(), limiter.used()), (40, 40));
    }
}
