//! `wasi:http/types.incoming-body`: the body of a response, or of a request that a worker answers.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::DynInputStream;
use wasmtime_wasi_http::p2::bindings::http::types::HostIncomingBody;
use wasmtime_wasi_http::p2::body;

use super::response_body::{GuestTrailers, ResponseBody};
use super::{RESPONSE_BODY, WorkerState, recipe};

impl HostIncomingBody for WorkerState {
    fn stream(
        &mut self,
        body: Resource<body::HostIncomingBody>,
    ) -> wasmtime::Result<Result<Resource<DynInputStream>, ()>> {
        let Some(ours) = self.our_http::<ResponseBody, _>(&body) else {
            let stream = HostIncomingBody::stream(&mut self.http_calls(), body)?;
            return Ok(stream.map(|stream| self.adopt_http(stream, "input-stream")));
        };
        let Some(input) = ours.take_input() else { return Ok(Err(())) };
        let stream: DynInputStream = Box::new(input);
        let stream = self.table.push_child(stream, &body)?;
        self.adopt(&stream, recipe(RESPONSE_BODY));
        Ok(Ok(stream))
    }

    fn finish(
        &mut self,
        body: Resource<body::HostIncomingBody>,
    ) -> wasmtime::Result<Resource<body::HostFutureTrailers>> {
        if self.our_http::<ResponseBody, _>(&body).is_some() {
            let body = self.delete_http::<ResponseBody, _>(&body)?;
            return self.push_http(GuestTrailers::new(body), "future-trailers");
        }
        self.forget(body.rep());
        let trailers = HostIncomingBody::finish(&mut self.http_calls(), body)?;
        Ok(self.adopt_http(trailers, "future-trailers"))
    }

    fn drop(&mut self, body: Resource<body::HostIncomingBody>) -> wasmtime::Result<()> {
        if self.our_http::<ResponseBody, _>(&body).is_some() {
            self.delete_http::<ResponseBody, _>(&body)?;
        } else {
            self.delete(body)?;
        }
        Ok(())
    }
}
