//! `wasi:http/types.future-incoming-response`: the answer that a worker waits for.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, HostFutureIncomingResponse};
use wasmtime_wasi_http::p2::types;

use super::{Recipe, WorkerState};

type Future = Resource<types::HostFutureIncomingResponse>;

impl HostFutureIncomingResponse for WorkerState {
    fn subscribe(&mut self, future: Future) -> wasmtime::Result<Resource<DynPollable>> {
        let source = future.rep();
        let pollable = HostFutureIncomingResponse::subscribe(&mut self.http_calls(), future)?;
        self.adopt(&pollable, Recipe::PollOf(source));
        Ok(pollable)
    }

    fn get(
        &mut self,
        future: Future,
    ) -> wasmtime::Result<
        Option<Result<Result<Resource<types::HostIncomingResponse>, ErrorCode>, ()>>,
    > {
        HostFutureIncomingResponse::get(&mut self.http_calls(), future)
    }

    fn drop(&mut self, future: Future) -> wasmtime::Result<()> {
        self.delete(future)?;
        Ok(())
    }
}
