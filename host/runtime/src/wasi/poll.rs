//! `wasi:io/poll`: what was found ready is recorded, so a replay waits for nothing.

use bincode::{Decode, Encode};
use everlog_oplog::{Category, Timestamp};
use wasmtime::component::Resource;
use wasmtime::ensure;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi_io::bindings::wasi::io::poll::{Host, HostPollable};

use super::state::again;
use super::{Recipe, WorkerState};
use crate::durable::{Entered, Interruption};

/// How a wait ended.
#[derive(Encode, Decode)]
pub(crate) enum Wait<T> {
    /// What the guest waited for has come.
    Over(T),
    /// The worker was about to leave memory and showed its unfinished lines; the wait goes on. It is recorded since a
    /// replay must end the lines in the same place.
    LinesEnded,
}

impl Host for WorkerState {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        ensure!(!pollables.is_empty(), "wasi:io/poll.poll was called with an empty list");
        let numbers: Vec<u32> = pollables.iter().map(Resource::rep).collect();
        let function = "wasi:io/poll.poll";
        loop {
            match self.enter(Category::ReadLocal, function, &numbers).await? {
                Entered::Replayed(Wait::Over(ready)) => {
                    let ready: Vec<u32> = ready;
                    self.see_ready(&chosen(&numbers, &ready)).await?;
                    return Ok(ready);
                }
                Entered::Replayed(Wait::LinesEnded) => self.flush_partial_lines(),
                Entered::Live(ticket) => {
                    if let Some(until) = self.long_wait(&numbers) {
                        if self.has_partial_lines() {
                            self.leave(ticket, &Wait::<Vec<u32>>::LinesEnded).await?;
                            self.flush_partial_lines();
                        }
                        return Err(Interruption::Suspend { until }.into());
                    }
                    let waited = pollables.iter().map(again).collect();
                    let ready = Host::poll(&mut self.table, waited).await?;
                    let found = chosen(&numbers, &ready);
                    let over = Wait::Over(ready);
                    self.leave_wait(ticket, &over, &found).await?;
                    let Wait::Over(ready) = over else { continue };
                    return Ok(ready);
                }
            }
        }
    }
}

impl HostPollable for WorkerState {
    async fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        let function = "wasi:io/poll.pollable.ready";
        let number = [pollable.rep()];
        let found = |ready: bool| if ready { &number[..] } else { &[] };
        match self.enter(Category::ReadLocal, function, &pollable.rep()).await? {
            Entered::Replayed(ready) => {
                self.see_ready(found(ready)).await?;
                Ok(ready)
            }
            Entered::Live(ticket) => {
                let ready = HostPollable::ready(&mut self.table, pollable).await?;
                self.leave_wait(ticket, &ready, found(ready)).await?;
                Ok(ready)
            }
        }
    }

    async fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        let function = "wasi:io/poll.pollable.block";
        loop {
            match self.enter(Category::ReadLocal, function, &pollable.rep()).await? {
                Entered::Replayed(Wait::Over(())) => {
                    return self.see_ready(&[pollable.rep()]).await;
                }
                Entered::Replayed(Wait::LinesEnded) => self.flush_partial_lines(),
                Entered::Live(ticket) => {
                    if let Some(until) = self.long_wait(&[pollable.rep()]) {
                        if self.has_partial_lines() {
                            self.leave(ticket, &Wait::<()>::LinesEnded).await?;
                            self.flush_partial_lines();
                        }
                        return Err(Interruption::Suspend { until }.into());
                    }
                    HostPollable::block(&mut self.table, again(&pollable)).await?;
                    return self.leave_wait(ticket, &Wait::Over(()), &[pollable.rep()]).await;
                }
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
    /// Whether the execution would do nothing for long but wait for timers, and until when: then it leaves memory. It
    /// is loaded again at the deadline, and replay meets the same call without an outcome, which waits for what is left.
    fn long_wait(&self, pollables: &[u32]) -> Option<Option<Timestamp>> {
        let deadline = self.guest.resources.earliest_deadline(pollables)?;
        // What an action has done until now would be done again.
        if self.open_action().is_some() {
            return None;
        }
        // A request that is on its way would be given up, and might not be allowed to be sent again.
        if self.http.is_busy() {
            return None;
        }
        if Self::until(deadline) <= self.environment.suspend_after {
            return None;
        }
        // The end of time never comes, so no timer need be kept for it.
        Some((deadline < Timestamp(u64::MAX)).then_some(deadline))
    }
}

/// The pollables that a list of places in `numbers` means.
fn chosen(numbers: &[u32], places: &[u32]) -> Vec<u32> {
    places.iter().filter_map(|place| numbers.get(*place as usize).copied()).collect()
}
