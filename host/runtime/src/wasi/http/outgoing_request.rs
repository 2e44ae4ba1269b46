//! `wasi:http/types.outgoing-request`: a request that a worker is about to send.

use std::sync::Arc;

use http::HeaderMap;
use http_body_util::{BodyExt, Empty};
use wasmtime::component::Resource;
use wasmtime_wasi_http::FieldMap;
use wasmtime_wasi_http::p2::bindings::http::types::{HostOutgoingRequest, Method, Scheme};
use wasmtime_wasi_http::p2::{body, types};

use super::WorkerState;
use super::request_body::GuestBody;

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
        let outgoing = self.table.get_mut(&request)?;
        if outgoing.body.is_some() {
            return Ok(Err(()));
        }
        let Ok(announced) = announced_length(&outgoing.headers) else { return Ok(Err(())) };
        // The body itself is kept beside; `handle` only has to see that there is one.
        outgoing.body = Some(Empty::new().map_err(|never| match never {}).boxed_unsync());
        let body = GuestBody::new(announced);
        self.http.bodies.insert(request.rep(), Arc::clone(&body.body));
        self.push_http(body, "outgoing-body").map(Ok)
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
        if let Some(body) = self.http.bodies.remove(&request.rep()) {
            body.discard();
        }
        self.delete(request)?;
        Ok(())
    }
}

/// How long the body is said to be, in bytes; `Err` where what is said is no length.
pub(super) fn announced_length(headers: &HeaderMap) -> Result<Option<u64>, ()> {
    let Some(length) = headers.get(http::header::CONTENT_LENGTH) else { return Ok(None) };
    let digits = length.to_str().map_err(drop)?;
    if digits.bytes().any(|digit| !digit.is_ascii_digit()) {
        return Err(());
    }
    digits.parse().map(Some).map_err(drop)
}
