//! `wasi:http/types.incoming-body`: the body of a response, or of a request that a worker answers.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::DynInputStream;
use wasmtime_wasi_http::p2::bindings::http::types::HostIncomingBody;
use wasmtime_wasi_http::p2::body;

use super::WorkerState;

impl HostIncomingBody for WorkerState {
    fn stream(
        &mut self,
        body: Resource<body::HostIncomingBody>,
    ) -> wasmtime::Result<Result<Resource<DynInputStream>, ()>> {
        let stream = HostIncomingBody::stream(&mut self.http_calls(), body)?;
        Ok(stream.map(|stream| self.adopt_http(stream, "input-stream")))
    }

    fn finish(
        &mut self,
        body: Resource<body::HostIncomingBody>,
    ) -> wasmtime::Result<Resource<body::HostFutureTrailers>> {
        let number = body.rep();
        let trailers = HostIncomingBody::finish(&mut self.http_calls(), body)?;
        self.forget(number);
        Ok(self.adopt_http(trailers, "future-trailers"))
    }

    fn drop(&mut self, body: Resource<body::HostIncomingBody>) -> wasmtime::Result<()> {
        self.delete(body)?;
        Ok(())
    }
}
