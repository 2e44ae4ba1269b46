//! `wasi:io/poll`: what was found ready is recorded, so a replay waits for nothing.

use std::sync::Arc;

use bincode::{Decode, Encode};
use everlog_oplog::{Category, Timestamp};
use wasmtime::component::Resource;
use wasmtime::ensure;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi_io::bindings::wasi::io::poll::{Host, HostPollable};

use super::state::again;
use super::{Recipe, WorkerState};
use crate::durable::{Entered, Interruption, WaitsFor};

/// How a wait ended.
#[derive(Encode, Decode)]
pub(crate) enum Wait<T> {
    /// What the guest waited for has come.
    Over(T),
    /// The worker was about to leave memory and showed its unfinished lines; the wait goes on. It is recorded since a
    /// replay must end the lines in the same place.
    LinesEnded,
    /// It was ended since somebody asks for the end of the invocation; with what the guest is told has come.
    Cancelled(T),
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
                Entered::Replayed(Wait::Cancelled(ready)) => {
                    let ready: Vec<u32> = ready;
                    self.cancellation().tell();
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
                    let over = match self.wait_for(&numbers, Polled::Any(waited)).await? {
                        Waited::Ready(ready) => Wait::Over(ready),
                        Waited::Cancelled(ready) => Wait::Cancelled(ready),
                    };
                    let (Wait::Over(ready) | Wait::Cancelled(ready)) = &over else { continue };
                    self.leave_wait(ticket, &over, &chosen(&numbers, ready)).await?;
                    let (Wait::Over(ready) | Wait::Cancelled(ready)) = over else { continue };
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
        let number = [pollable.rep()];
        loop {
            match self.enter(Category::ReadLocal, function, &pollable.rep()).await? {
                Entered::Replayed(Wait::Over(())) => return self.see_ready(&number).await,
                Entered::Replayed(Wait::Cancelled(())) => {
                    self.cancellation().tell();
                    return self.see_ready(&number).await;
                }
                Entered::Replayed(Wait::LinesEnded) => self.flush_partial_lines(),
                Entered::Live(ticket) => {
                    if let Some(until) = self.long_wait(&number) {
                        if self.has_partial_lines() {
                            self.leave(ticket, &Wait::<()>::LinesEnded).await?;
                            self.flush_partial_lines();
                        }
                        return Err(Interruption::Suspend { until }.into());
                    }
                    let over = match self.wait_for(&number, Polled::One(again(&pollable))).await? {
                        Waited::Ready(_) => Wait::Over(()),
                        Waited::Cancelled(_) => Wait::Cancelled(()),
                    };
                    return self.leave_wait(ticket, &over, &number).await;
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

/// What a guest waits for.
enum Polled {
    Any(Vec<Resource<DynPollable>>),
    One(Resource<DynPollable>),
}

/// How a wait came out, with the places of what the guest is told has come.
enum Waited {
    Ready(Vec<u32>),
    Cancelled(Vec<u32>),
}

impl WorkerState {
    /// Waits for what the guest waits for, or for the wish that its invocation come to an end.
    async fn wait_for(&mut self, numbers: &[u32], polled: Polled) -> wasmtime::Result<Waited> {
        let cancellation = self.cancellation();
        let in_action = self.open_action().is_some();
        let recorder = Arc::clone(&self.recorder);
        let until = self.guest.resources.first_deadline(numbers);
        let pollables = numbers.len();
        let noted = recorder.note_wait(WaitsFor::Poll { until, pollables });
        let ready = tokio::select! {
            biased;
            // What an action waits for is not recorded, so nothing could say that the guest was told.
            () = cancellation.due(), if !in_action => None,
            ready = self.poll_table(polled) => Some(ready?),
        };
        drop(noted);
        match ready {
            Some(ready) => Ok(Waited::Ready(ready)),
            None => Ok(Waited::Cancelled(self.end_wait(numbers)?)),
        }
    }

    async fn poll_table(&mut self, polled: Polled) -> wasmtime::Result<Vec<u32>> {
        match polled {
            Polled::Any(pollables) => Host::poll(&mut self.table, pollables).await,
            Polled::One(pollable) => {
                HostPollable::block(&mut self.table, pollable).await?;
                Ok(vec![0])
            }
        }
    }

    /// Ends a wait for the sake of a cancellation; returns the places of what fails by it, or of all where nothing can.
    fn end_wait(&mut self, numbers: &[u32]) -> wasmtime::Result<Vec<u32>> {
        let cancellation = self.cancellation();
        let places = (0_u32..).zip(numbers);
        let failing: Vec<u32> =
            places.filter(|(_, number)| self.can_fail(**number)).map(|(place, _)| place).collect();
        if failing.is_empty() && !self.environment.asks_for_cancels {
            return Err(Interruption::Cancelled.into());
        }
        cancellation.tell();
        for place in &failing {
            if let Some(number) = numbers.get(*place as usize) {
                self.give_up(*number);
            }
        }
        let all = || (0_u32..).zip(numbers).map(|(place, _)| place).collect();
        Ok(if failing.is_empty() { all() } else { failing })
    }

    /// Whether the execution would do nothing for long but wait for timers, and until when: then it leaves memory. It
    /// is loaded again at the deadline, and replay meets the same call without an outcome, which waits for what is left.
    fn long_wait(&self, pollables: &[u32]) -> Option<Option<Timestamp>> {
        let deadline = self.guest.resources.earliest_deadline(pollables)?;
        // What an action has done until now would be done again.
        if self.open_action().is_some() || self.cancellation().is_due() {
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
