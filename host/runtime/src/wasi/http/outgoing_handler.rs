//! `wasi:http/outgoing-handler`: sending a request.

use std::future::Future;

use wasmtime::component::Resource;
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::Host;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p2::{HttpResult, types};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::WorkerState;

/// wasmtime-wasi-http's plug points.
pub(super) struct Hooks;

type Processing = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _processed: Processing,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Processing), Error>> + Send>
    {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}

impl Host for WorkerState {
    fn handle(
        &mut self,
        request: Resource<types::HostOutgoingRequest>,
        _options: Option<Resource<RequestOptions>>,
    ) -> HttpResult<Resource<types::HostFutureIncomingResponse>> {
        self.delete(request)?;
        Err(ErrorCode::HttpRequestDenied.into())
    }
}
