//! `wasi:http`: the requests that a worker sends, and the resources that both directions are made of.
//!
//! Fields, requests and what belongs to incoming requests are wasmtime-wasi-http's own. What a request brings back is
//! ours, since that is where the guest learns something: the future of a response, the response, its body and trailers,
//! and the body of the request itself. Resources of the same WIT type can be of either sort; the table knows which.

mod exchange;
mod fields;
mod incoming_body;
mod incoming_handler;
mod incoming_request;
mod incoming_response;
mod outcome;
mod outgoing_body;
mod outgoing_handler;
mod outgoing_request;
mod outgoing_response;
pub(super) mod request_body;
mod request_options;
pub(super) mod response_body;
pub(super) mod response_future;
mod summary;
mod trailers;

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::http::types::{self, ErrorCode, HeaderError as GuestError};
use wasmtime_wasi_http::p2::bindings::{LinkOptions, http};
use wasmtime_wasi_http::p2::{HeaderError, HttpError};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks,
};

pub use self::summary::HttpSummary;

use self::exchange::Flights;
use self::request_body::RequestBody;
use super::shared::SharedCount;
use super::{HasWorker, Recipe, WorkerState};
use crate::network::HttpClient;

/// What the stream of a response's body is called among the resources.
pub(super) const RESPONSE_BODY: &str = "response-body";

/// Links `wasi:http/types` and `wasi:http/outgoing-handler`.
pub(super) fn add_to_linker(linker: &mut Linker<WorkerState>) -> wasmtime::Result<()> {
    let options = LinkOptions::default();
    types::add_to_linker::<_, HasWorker>(linker, &(&options).into(), |worker| worker)?;
    http::outgoing_handler::add_to_linker::<_, HasWorker>(linker, |worker| worker)
}

/// wasmtime-wasi-http's plug points, of which we need none: it never sends.
struct Hooks;

type Processing = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        _request: ::http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _processed: Processing,
    ) -> Box<dyn Future<Output = Result<(::http::Response<WasiBody>, Processing), Error>> + Send>
    {
        Box::new(std::future::pending())
    }
}

/// A worker's part in HTTP.
pub(crate) struct Http {
    context: WasiHttpCtx,
    hooks: Hooks,
    client: Arc<HttpClient>,
    flights: Flights,
    /// Bodies of requests that are not sent yet, by the number of the request.
    bodies: BTreeMap<u32, Arc<RequestBody>>,
    /// What the streams of such bodies take, by the number of the stream.
    pub(super) budgets: BTreeMap<u32, SharedCount>,
}

impl Http {
    /// Nothing is on its way.
    pub(super) fn new(client: Arc<HttpClient>) -> Self {
        let mut context = WasiHttpCtx::new();
        context.set_field_size_limit(client.config.header_bytes as usize);
        let flights = Flights::new(client.config.max_requests_in_flight);
        let (bodies, budgets) = (BTreeMap::new(), BTreeMap::new());
        Self { context, hooks: Hooks, client, flights, bodies, budgets }
    }

    /// Whether a request or a response is on its way.
    pub(crate) fn is_busy(&self) -> bool {
        self.flights.any()
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

    /// Notes a resource of wasi:http that was added to the table.
    pub(crate) fn adopt_http<T>(&mut self, resource: Resource<T>, name: &str) -> Resource<T> {
        self.adopt(&resource, recipe(name));
        resource
    }

    /// Adds a resource of ours that the guest knows as a `U`.
    fn push_http<T: Send + 'static, U>(
        &mut self,
        resource: T,
        name: &str,
    ) -> wasmtime::Result<Resource<U>> {
        let resource = self.push(resource, recipe(name))?;
        Ok(Resource::new_own(resource.rep()))
    }

    /// The resource of ours that the guest knows as a `U`; `None` where it is wasmtime-wasi-http's own.
    fn our_http<T: Send + 'static, U>(&mut self, resource: &Resource<U>) -> Option<&mut T> {
        self.table.get_mut(&Resource::<T>::new_borrow(resource.rep())).ok()
    }

    /// Removes a resource of ours that the guest knows as a `U`.
    fn delete_http<T: Send + 'static, U>(&mut self, resource: &Resource<U>) -> wasmtime::Result<T> {
        Ok(self.delete(Resource::<T>::new_own(resource.rep()))?)
    }
}

fn recipe(name: &str) -> Recipe {
    let reason = "it is a part of an HTTP exchange".to_owned();
    Recipe::Opaque { name: name.to_owned(), reason }
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
