//! `wasi:clocks/wall-clock`.

use everlog_oplog::Timestamp;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::{Datetime, Host};

use super::WorkerState;
use crate::clock;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

impl Host for WorkerState {
    fn now(&mut self) -> wasmtime::Result<Datetime> {
        let now = self.read_local("wasi:clocks/wall-clock.now", &(), |_| Ok(clock::now()))?;
        Ok(datetime(now))
    }

    /// One nanosecond on every machine, so it needs no entry.
    fn resolution(&mut self) -> wasmtime::Result<Datetime> {
        Ok(Datetime { seconds: 0, nanoseconds: 1 })
    }
}

/// A point in time as guests are told.
pub(super) fn datetime(time: Timestamp) -> Datetime {
    let nanoseconds = u32::try_from(time.nanos() % NANOS_PER_SECOND).unwrap_or_default();
    Datetime { seconds: time.nanos() / NANOS_PER_SECOND, nanoseconds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_nanosecond_is_lost() {
        let Datetime { seconds, nanoseconds } = datetime(Timestamp(1_700_000_000_123_456_789));
        assert_eq!((seconds, nanoseconds), (1_700_000_000, 123_456_789));
    }
}
