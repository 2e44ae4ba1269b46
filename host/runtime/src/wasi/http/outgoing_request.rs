//! `wasi:http/types.outgoing-request`: a request that a worker is about to send.

use wasmtime::component::Resource;
use wasmtime_wasi_http::FieldMap;
use wasmtime_wasi_http::p2::bindings::http::types::{HostOutgoingRequest, Method, Scheme};
use wasmtime_wasi_http::p2::{body, types};

use super::WorkerState;

type Request = Resource<types::HostOutgoingRequest>;

impl HostOutgoingRequest for WorkerState {
    fn new(&mut self, headers: Resource<FieldMap>) -> wasmtime::Result<Request> {
        self.forget(headers.rep());
        let request = HostOutgoingRequest::new(&mut self.http_calls(), headers)?;
        Ok(self.adopt_http(request, "outgoing-request"))
    }

    fn body(
        &mut self,
        request: Request,
    ) -> wasmtime::Result<Result<Resource<body::HostOutgoingBody>, ()>> {
        let body = HostOutgoingRequest::body(&mut self.http_calls(), request)?;
        Ok(body.map(|body| self.adopt_http(body, "outgoing-body")))
    }

    fn method(&mut self, request: Request) -> wasmtime::Result<Method> {
        HostOutgoingRequest::method(&mut self.http_calls(), request)
    }

    fn set_method(&mut self, request: Request, method: Method) -> wasmtime::Result<Result<(), ()>> {
        self.http_calls().set_method(request, method)
    }

    fn path_with_query(&mut self, request: Request) -> wasmtime::Result<Option<String>> {
        HostOutgoingRequest::path_with_query(&mut self.http_calls(), request)
    }

    fn set_path_with_query(
        &mut self,
        request: Request,
        path: Option<String>,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.http_calls().set_path_with_query(request, path)
    }

    fn scheme(&mut self, request: Request) -> wasmtime::Result<Option<Scheme>> {
        HostOutgoingRequest::scheme(&mut self.http_calls(), request)
    }

    fn set_scheme(
        &mut self,
        request: Request,
        scheme: Option<Scheme>,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.http_calls().set_scheme(request, scheme)
    }

    fn authority(&mut self, request: Request) -> wasmtime::Result<Option<String>> {
        HostOutgoingRequest::authority(&mut self.http_calls(), request)
    }

    fn set_authority(
        &mut self,
        request: Request,
        authority: Option<String>,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.http_calls().set_authority(request, authority)
    }

    fn headers(&mut self, request: Request) -> wasmtime::Result<Resource<FieldMap>> {
        let headers = HostOutgoingRequest::headers(&mut self.http_calls(), request)?;
        Ok(self.adopt_http(headers, "fields"))
    }

    fn drop(&mut self, request: Request) -> wasmtime::Result<()> {
        self.delete(request)?;
        Ok(())
    }
}
