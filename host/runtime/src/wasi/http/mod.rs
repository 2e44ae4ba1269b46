//! `wasi:http`: the requests that a worker sends, and the resources that both directions are made of.
//!
//! Fields, requests and responses are wasmtime-wasi-http's own; here the list of live resources is kept.

mod fields;
mod incoming_body;
mod incoming_request;
mod incoming_response;
mod outgoing_body;
mod outgoing_handler;
mod outgoing_request;
mod outgoing_response;
mod request_options;
mod response_future;
mod trailers;

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::http::types::{self, ErrorCode, HeaderError as GuestError};
use wasmtime_wasi_http::p2::bindings::{LinkOptions, http};
use wasmtime_wasi_http::p2::{HeaderError, HttpError};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView};

use self::outgoing_handler::Hooks;
use super::{HasWorker, Recipe, WorkerState};

/// Links `wasi:http/types` and `wasi:http/outgoing-handler`.
pub(super) fn add_to_linker(linker: &mut Linker<WorkerState>) -> wasmtime::Result<()> {
    let options = LinkOptions::default();
    types::add_to_linker::<_, HasWorker>(linker, &(&options).into(), |worker| worker)?;
    http::outgoing_handler::add_to_linker::<_, HasWorker>(linker, |worker| worker)
}

/// A worker's part in HTTP.
pub(crate) struct Http {
    context: WasiHttpCtx,
    hooks: Hooks,
}

impl Http {
    /// Nothing is on its way.
    pub(super) fn new() -> Self {
        Self { context: WasiHttpCtx::new(), hooks: Hooks }
    }
}

impl WorkerState {
    /// wasmtime-wasi-http's own functions.
    pub(crate) fn http_calls(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.http.hooks,
            table: &mut self.table,
            ctx: &mut self.http.context,
        }
    }

    /// Notes a resource of wasi:http that wasmtime-wasi-http has added to the table.
    fn adopt_http<T>(&mut self, resource: Resource<T>, name: &str) -> Resource<T> {
        let reason = "it is a part of an HTTP exchange".to_owned();
        self.adopt(&resource, Recipe::Opaque { name: name.to_owned(), reason });
        resource
    }
}

impl types::Host for WorkerState {
    fn convert_error_code(&mut self, error: HttpError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn convert_header_error(&mut self, error: HeaderError) -> wasmtime::Result<GuestError> {
        error.downcast()
    }

    fn http_error_code(
        &mut self,
        error: Resource<types::IoError>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        types::Host::http_error_code(&mut self.http_calls(), error)
    }
}
