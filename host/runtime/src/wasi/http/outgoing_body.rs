//! `wasi:http/types.outgoing-body`: the body of a request that a worker sends, or of its answer to one.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::DynOutputStream;
use wasmtime_wasi_http::FieldMap;
use wasmtime_wasi_http::p2::bindings::http::types::HostOutgoingBody;
use wasmtime_wasi_http::p2::{HttpResult, body};

use super::WorkerState;

impl HostOutgoingBody for WorkerState {
    fn write(
        &mut self,
        body: Resource<body::HostOutgoingBody>,
    ) -> wasmtime::Result<Result<Resource<DynOutputStream>, ()>> {
        let stream = HostOutgoingBody::write(&mut self.http_calls(), body)?;
        Ok(stream.map(|stream| self.adopt_http(stream, "output-stream")))
    }

    fn finish(
        &mut self,
        body: Resource<body::HostOutgoingBody>,
        trailers: Option<Resource<FieldMap>>,
    ) -> HttpResult<()> {
        let given = [Some(body.rep()), trailers.as_ref().map(Resource::rep)];
        let finished = HostOutgoingBody::finish(&mut self.http_calls(), body, trailers);
        for number in given.into_iter().flatten() {
            self.forget(number);
        }
        finished
    }

    fn drop(&mut self, body: Resource<body::HostOutgoingBody>) -> wasmtime::Result<()> {
        self.delete(body)?.abort();
        Ok(())
    }
}
