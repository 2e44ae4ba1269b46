//! `everlog:api/cancellation`: a guest asks whether its invocation is to come to an end.

use super::bindings::everlog::api::cancellation::Host;
use crate::wasi::WorkerState;

impl Host for WorkerState {
    async fn cancelled(&mut self) -> wasmtime::Result<bool> {
        let cancellation = self.cancellation();
        let cancelled = self.read_local("everlog:api/cancellation.cancelled", &(), |_| {
            Ok(cancellation.is_told() || cancellation.is_due())
        })?;
        if cancelled {
            cancellation.tell();
        }
        Ok(cancelled)
    }
}
