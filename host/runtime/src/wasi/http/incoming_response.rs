//! `wasi:http/types.incoming-response`: the answer to a request that a worker sent.

use wasmtime::component::Resource;
use wasmtime_wasi_http::FieldMap;
use wasmtime_wasi_http::p2::bindings::http::types::{HostIncomingResponse, StatusCode};
use wasmtime_wasi_http::p2::{body, types};

use super::WorkerState;

type Response = Resource<types::HostIncomingResponse>;

impl HostIncomingResponse for WorkerState {
    fn status(&mut self, response: Response) -> wasmtime::Result<StatusCode> {
        HostIncomingResponse::status(&mut self.http_calls(), response)
    }

    fn headers(&mut self, response: Response) -> wasmtime::Result<Resource<FieldMap>> {
        let headers = HostIncomingResponse::headers(&mut self.http_calls(), response)?;
        Ok(self.adopt_http(headers, "fields"))
    }

    fn consume(
        &mut self,
        response: Response,
    ) -> wasmtime::Result<Result<Resource<body::HostIncomingBody>, ()>> {
        let body = HostIncomingResponse::consume(&mut self.http_calls(), response)?;
        Ok(body.map(|body| self.adopt_http(body, "incoming-body")))
    }

    fn drop(&mut self, response: Response) -> wasmtime::Result<()> {
        self.delete(response)?;
        Ok(())
    }
}
