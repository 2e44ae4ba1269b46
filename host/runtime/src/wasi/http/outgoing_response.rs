//! `wasi:http/types.outgoing-response` and `response-outparam`: a worker's answer to a request.

use wasmtime::component::Resource;
use wasmtime_wasi_http::FieldMap;
use wasmtime_wasi_http::p2::bindings::http::types::{
    ErrorCode, HostOutgoingResponse, HostResponseOutparam, StatusCode,
};
use wasmtime_wasi_http::p2::{HttpResult, body, types};

use super::WorkerState;

type Response = Resource<types::HostOutgoingResponse>;

impl HostOutgoingResponse for WorkerState {
    fn new(&mut self, headers: Resource<FieldMap>) -> wasmtime::Result<Response> {
        self.forget(headers.rep());
        let response = HostOutgoingResponse::new(&mut self.http_calls(), headers)?;
        Ok(self.adopt_http(response, "outgoing-response"))
    }

    fn status_code(&mut self, response: Response) -> wasmtime::Result<StatusCode> {
        self.http_calls().status_code(response)
    }

    fn set_status_code(
        &mut self,
        response: Response,
        status: StatusCode,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.http_calls().set_status_code(response, status)
    }

    fn headers(&mut self, response: Response) -> wasmtime::Result<Resource<FieldMap>> {
        let headers = HostOutgoingResponse::headers(&mut self.http_calls(), response)?;
        Ok(self.adopt_http(headers, "fields"))
    }

    fn body(
        &mut self,
        response: Response,
    ) -> wasmtime::Result<Result<Resource<body::HostOutgoingBody>, ()>> {
        Ok(self.response_body(&response)?.ok_or(()))
    }

    fn drop(&mut self, response: Response) -> wasmtime::Result<()> {
        self.delete(response)?;
        Ok(())
    }
}

impl HostResponseOutparam for WorkerState {
    fn set(
        &mut self,
        outparam: Resource<types::HostResponseOutparam>,
        response: Result<Response, ErrorCode>,
    ) -> wasmtime::Result<()> {
        self.forget(outparam.rep());
        if let Ok(response) = &response {
            self.forget(response.rep());
        }
        HostResponseOutparam::set(&mut self.http_calls(), outparam, response)
    }

    fn send_informational(
        &mut self,
        outparam: Resource<types::HostResponseOutparam>,
        status: StatusCode,
        headers: Resource<FieldMap>,
    ) -> HttpResult<()> {
        self.http_calls().send_informational(outparam, status, headers)
    }

    fn drop(&mut self, outparam: Resource<types::HostResponseOutparam>) -> wasmtime::Result<()> {
        self.delete(outparam)?;
        Ok(())
    }
}
