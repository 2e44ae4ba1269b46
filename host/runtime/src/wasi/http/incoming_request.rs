//! `wasi:http/types.incoming-request`: a request that a worker answers.

use wasmtime::component::Resource;
use wasmtime_wasi_http::FieldMap;
use wasmtime_wasi_http::p2::bindings::http::types::{HostIncomingRequest, Method, Scheme};
use wasmtime_wasi_http::p2::{body, types};

use super::WorkerState;

type Request = Resource<types::HostIncomingRequest>;

impl HostIncomingRequest for WorkerState {
    fn method(&mut self, request: Request) -> wasmtime::Result<Method> {
        HostIncomingRequest::method(&mut self.http_calls(), request)
    }

    fn path_with_query(&mut self, request: Request) -> wasmtime::Result<Option<String>> {
        HostIncomingRequest::path_with_query(&mut self.http_calls(), request)
    }

    fn scheme(&mut self, request: Request) -> wasmtime::Result<Option<Scheme>> {
        HostIncomingRequest::scheme(&mut self.http_calls(), request)
    }

    fn authority(&mut self, request: Request) -> wasmtime::Result<Option<String>> {
        HostIncomingRequest::authority(&mut self.http_calls(), request)
    }

    fn headers(&mut self, request: Request) -> wasmtime::Result<Resource<FieldMap>> {
        let headers = HostIncomingRequest::headers(&mut self.http_calls(), request)?;
        Ok(self.adopt_http(headers, "fields"))
    }

    fn consume(
        &mut self,
        request: Request,
    ) -> wasmtime::Result<Result<Resource<body::HostIncomingBody>, ()>> {
        let body = HostIncomingRequest::consume(&mut self.http_calls(), request)?;
        Ok(body.map(|body| self.adopt_http(body, "incoming-body")))
    }

    fn drop(&mut self, request: Request) -> wasmtime::Result<()> {
        self.delete(request)?;
        Ok(())
    }
}
