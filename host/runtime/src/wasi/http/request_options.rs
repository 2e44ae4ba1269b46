//! `wasi:http/types.request-options`: the time-outs of one request.

use wasmtime::component::Resource;
use wasmtime_wasi_http::RequestOptions;
use wasmtime_wasi_http::p2::bindings::http::types::{Duration, HostRequestOptions};

use super::WorkerState;

impl HostRequestOptions for WorkerState {
    fn new(&mut self) -> wasmtime::Result<Resource<RequestOptions>> {
        let options = HostRequestOptions::new(&mut self.http_calls())?;
        Ok(self.adopt_http(options, "request-options"))
    }

    fn connect_timeout(
        &mut self,
        options: Resource<RequestOptions>,
    ) -> wasmtime::Result<Option<Duration>> {
        self.http_calls().connect_timeout(options)
    }

    fn set_connect_timeout(
        &mut self,
        options: Resource<RequestOptions>,
        duration: Option<Duration>,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.http_calls().set_connect_timeout(options, duration)
    }

    fn first_byte_timeout(
        &mut self,
        options: Resource<RequestOptions>,
    ) -> wasmtime::Result<Option<Duration>> {
        self.http_calls().first_byte_timeout(options)
    }

    fn set_first_byte_timeout(
        &mut self,
        options: Resource<RequestOptions>,
        duration: Option<Duration>,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.http_calls().set_first_byte_timeout(options, duration)
    }

    fn between_bytes_timeout(
        &mut self,
        options: Resource<RequestOptions>,
    ) -> wasmtime::Result<Option<Duration>> {
        self.http_calls().between_bytes_timeout(options)
    }

    fn set_between_bytes_timeout(
        &mut self,
        options: Resource<RequestOptions>,
        duration: Option<Duration>,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.http_calls().set_between_bytes_timeout(options, duration)
    }

    fn drop(&mut self, options: Resource<RequestOptions>) -> wasmtime::Result<()> {
        self.delete(options)?;
        Ok(())
    }
}
