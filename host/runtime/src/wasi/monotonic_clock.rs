//! `wasi:clocks/monotonic-clock`: nanoseconds since the worker was created, across restarts and machines.

use std::time::Duration;

use everlog_oplog::{PersistenceLevel, Timestamp};
use wasmtime::component::Resource;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock::{
    self, Duration as Nanoseconds, Instant,
};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use super::{Recipe, WorkerState};
use crate::clock;

/// A wait for a time, behind a pollable.
pub(crate) struct Timer {
    deadline: Timestamp,
}

#[async_trait]
impl Pollable for Timer {
    async fn ready(&mut self) {
        clock::wait_until(self.deadline).await;
    }
}

impl monotonic_clock::Host for WorkerState {
    /// Follows the wall clock, but stands still while that is behind what the guest has seen.
    fn now(&mut self) -> wasmtime::Result<Instant> {
        let now = self.read_local("wasi:clocks/monotonic-clock.now", &(), |worker| {
            let elapsed =
                clock::now().nanos().saturating_sub(worker.environment.created_at.nanos());
            Ok(elapsed.max(worker.guest.monotonic_last))
        })?;
        self.guest.monotonic_last = now;
        Ok(now)
    }

    /// One nanosecond on every machine, so it needs no entry.
    fn resolution(&mut self) -> wasmtime::Result<Nanoseconds> {
        Ok(1)
    }

    fn subscribe_instant(&mut self, when: Instant) -> wasmtime::Result<Resource<DynPollable>> {
        let deadline =
            self.read_local("wasi:clocks/monotonic-clock.subscribe-instant", &when, |worker| {
                Ok(worker.environment.created_at.after(when))
            })?;
        self.timer(deadline)
    }

    fn subscribe_duration(
        &mut self,
        duration: Nanoseconds,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        let deadline =
            self.read_local("wasi:clocks/monotonic-clock.subscribe-duration", &duration, |_| {
                Ok(clock::now().after(duration))
            })?;
        self.timer(deadline)
    }
}

impl WorkerState {
    /// A pollable that owns a [`Timer`]: dropping the one drops the other.
    fn timer(&mut self, deadline: Timestamp) -> wasmtime::Result<Resource<DynPollable>> {
        let level = self.recorder.with(|journal, _| journal.persistence_level());
        let recorded = level != PersistenceLevel::PersistNothing;
        let timer = self.push(Timer { deadline }, Recipe::Timer { deadline, recorded })?;
        let number = timer.rep();
        let pollable = subscribe(&mut self.table, timer)?;
        self.adopt(&pollable, Recipe::PollOf(number));
        Ok(pollable)
    }

    /// How long `deadline` is away.
    pub(super) fn until(deadline: Timestamp) -> Duration {
        Duration::from_nanos(deadline.nanos().saturating_sub(clock::now().nanos()))
    }
}
