//! `everlog:api/invocations`: what a guest can know of the invocation that it runs in.

use uuid::Uuid;

use super::bindings::everlog::api::invocations::Host;
use crate::wasi::WorkerState;

impl Host for WorkerState {
    async fn key(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.recorder.with(|journal, _| journal.invocation_key().map(str::to_owned)))
    }

    /// Recorded, since a fork has another name than the worker whose history it repeats.
    async fn id(&mut self, name: String) -> wasmtime::Result<(u64, u64)> {
        let namespace = self.environment.namespace();
        self.read_local("everlog:api/invocations.id", &name, |worker| {
            let key =
                worker.recorder.with(|journal, _| journal.invocation_key().map(str::to_owned));
            let invocation = Uuid::new_v5(&namespace, key.unwrap_or_default().as_bytes());
            Ok(Uuid::new_v5(&invocation, name.as_bytes()).as_u64_pair())
        })
    }
}
