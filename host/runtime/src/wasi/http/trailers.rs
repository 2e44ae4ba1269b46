//! `wasi:http/types.future-trailers`: what comes after a body.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi_http::FieldMap;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, HostFutureTrailers};
use wasmtime_wasi_http::p2::body;

use super::{Recipe, WorkerState};

impl HostFutureTrailers for WorkerState {
    fn subscribe(
        &mut self,
        trailers: Resource<body::HostFutureTrailers>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        let source = trailers.rep();
        let pollable = HostFutureTrailers::subscribe(&mut self.http_calls(), trailers)?;
        self.adopt(&pollable, Recipe::PollOf(source));
        Ok(pollable)
    }

    fn get(
        &mut self,
        trailers: Resource<body::HostFutureTrailers>,
    ) -> wasmtime::Result<Option<Result<Result<Option<Resource<FieldMap>>, ErrorCode>, ()>>> {
        let found = HostFutureTrailers::get(&mut self.http_calls(), trailers)?;
        if let Some(Ok(Ok(Some(fields)))) = &found {
            self.adopt_http(Resource::<FieldMap>::new_borrow(fields.rep()), "fields");
        }
        Ok(found)
    }

    fn drop(&mut self, trailers: Resource<body::HostFutureTrailers>) -> wasmtime::Result<()> {
        self.delete(trailers)?;
        Ok(())
    }
}
