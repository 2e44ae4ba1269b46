//! `wasi:io/poll`: what was found ready is recorded, so a replay waits for nothing.

use everlog_oplog::{Category, Timestamp};
use wasmtime::component::Resource;
use wasmtime::ensure;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi_io::bindings::wasi::io::poll::{Host, HostPollable};

use super::state::again;
use super::{Recipe, WorkerState};
use crate::durable::{Entered, Interruption};

impl Host for WorkerState {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        ensure!(!pollables.is_empty(), "wasi:io/poll.poll was called with an empty list");
        let numbers: Vec<u32> = pollables.iter().map(Resource::rep).collect();
        match self.enter(Category::ReadLocal, "wasi:io/poll.poll", &numbers).await? {
            Entered::Replayed(ready) => Ok(ready),
            Entered::Live(ticket) => {
                self.leave_memory_if_long(&numbers)?;
                let ready = Host::poll(&mut self.table, pollables).await?;
                self.leave(ticket, &ready).await?;
                Ok(ready)
            }
        }
    }
}

impl HostPollable for WorkerState {
    async fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        let function = "wasi:io/poll.pollable.ready";
        match self.enter(Category::ReadLocal, function, &pollable.rep()).await? {
            Entered::Replayed(ready) => Ok(ready),
            Entered::Live(ticket) => {
                let ready = HostPollable::ready(&mut self.table, pollable).await?;
                self.leave(ticket, &ready).await?;
                Ok(ready)
            }
        }
    }

    async fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        let function = "wasi:io/poll.pollable.block";
        match self.enter(Category::ReadLocal, function, &pollable.rep()).await? {
            Entered::Replayed(()) => Ok(()),
            Entered::Live(ticket) => {
                self.leave_memory_if_long(&[pollable.rep()])?;
                HostPollable::block(&mut self.table, again(&pollable)).await?;
                self.leave(ticket, &()).await
            }
        }
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        let number = pollable.rep();
        HostPollable::drop(&mut self.table, pollable)?;
        // A timer belongs to its pollable, and the table has just dropped it too.
        if let Some(Recipe::PollOf(source)) = self.forget(number)
            && let Some(Recipe::Timer { .. }) = self.guest.resources.get(source)
        {
            self.forget(source);
        }
        Ok(())
    }
}

impl WorkerState {
    /// Ends the execution if it would do nothing for long but wait for timers. It is loaded again at the deadline, and
    /// replay meets the same call without an outcome, which then waits for what is left.
    fn leave_memory_if_long(&self, pollables: &[u32]) -> Result<(), Interruption> {
        let Some(deadline) = self.guest.resources.earliest_deadline(pollables) else {
            return Ok(());
        };
        if Self::until(deadline) <= self.environment.suspend_after {
            return Ok(());
        }
        // The end of time never comes, so no timer need be kept for it.
        let until = (deadline < Timestamp(u64::MAX)).then_some(deadline);
        Err(Interruption::Suspend { until })
    }
}
