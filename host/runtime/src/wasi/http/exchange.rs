//! One request of a worker: what is sent, perhaps a second time after a crash, and where its outcome is recorded.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use everlog_oplog::Index;
use http::{HeaderMap, Method, Response, Uri};
use http_body_util::{BodyExt, Empty};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};

use super::outcome::RequestLine;
use super::request_body::{Outgoing, RequestBody};
use crate::durable::{Cancellation, Recorder};
use crate::network::{HttpClient, HttpFailure, RequestFrames, ResponseFrames, TimeLimits};
use crate::spans::OpenSpan;

/// What comes of sending a request.
pub(super) type Arrival = Result<Arrived, HttpFailure>;

/// A response that has arrived.
pub(super) struct Arrived {
    pub(super) response: Response<ResponseFrames>,
    pub(super) flight: Flight,
}

/// A request on its way; dropping it gives it up.
pub(super) type Sent = AbortOnDropJoinHandle<Arrival>;

/// One request, shared by everything that the guest holds of it.
pub(super) struct Exchange {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Arc<RequestBody>>,
    pub(super) limits: TimeLimits,
    /// The entry in which it began, where that is recorded.
    pub(super) begin: Option<Index>,
    /// Whether it may be sent again.
    pub(super) idempotent: bool,
    pub(super) recorder: Arc<Recorder>,
    pub(super) cancellation: Cancellation,
    /// When it began, for the cancellation.
    pub(super) mark: u64,
    pub(super) client: Arc<HttpClient>,
    pub(super) flights: Flights,
    /// What is told of it when it has an answer.
    pub(super) span: Mutex<Option<OpenSpan>>,
}

impl Exchange {
    /// What its outcome says of it.
    pub(super) fn line(&self) -> RequestLine {
        RequestLine { method: self.method.to_string(), uri: self.uri.to_string() }
    }

    /// Whether it is given up, since somebody asks for the end of the invocation.
    pub(super) fn is_given_up(&self) -> bool {
        self.cancellation.is_given_up(self.mark)
    }

    /// Returns when it is to be given up.
    pub(super) async fn given_up(&self) {
        self.cancellation.given_up(self.mark).await;
    }

    /// Sends it once everything that is recorded is durable.
    pub(super) fn send(self: &Arc<Self>) -> Sent {
        let exchange = Arc::clone(self);
        let flight = self.flights.begin();
        spawn(async move {
            let flight = flight?;
            exchange
                .recorder
                .gate()
                .await
                .map_err(|interruption| HttpFailure::Internal(interruption.to_string()))?;
            let mut request = http::Request::new(exchange.frames()?);
            *request.method_mut() = exchange.method.clone();
            *request.uri_mut() = exchange.uri.clone();
            *request.headers_mut() = exchange.headers.clone();
            let mut span = exchange.take_span();
            span.iter_mut().for_each(OpenSpan::restart);
            let response = exchange.client.send(request, exchange.limits).await;
            if let Some(span) = span {
                told(span, &response);
            }
            Ok(Arrived { response: response?, flight })
        })
    }

    fn take_span(&self) -> Option<OpenSpan> {
        self.span.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn frames(&self) -> Result<RequestFrames, HttpFailure> {
        let Some(body) = &self.body else {
            return Ok(Empty::new().map_err(|never| match never {}).boxed_unsync());
        };
        body.release()?;
        Ok(Outgoing(Arc::clone(body)).boxed_unsync())
    }
}

/// Tells of a request that has an answer, or none.
fn told<B>(mut span: OpenSpan, response: &Result<Response<B>, HttpFailure>) {
    match response {
        Ok(response) => {
            let status = response.status();
            span.note("http.response.status_code", status.as_u16().to_string());
            let failed = status.is_client_error() || status.is_server_error();
            span.end(failed.then(|| status.to_string()));
        }
        Err(failure) => span.end(Some(failure.to_string())),
    }
}

/// Counts the requests of one worker that are on their way, or whose response is.
#[derive(Clone, Debug)]
pub(super) struct Flights {
    count: Arc<AtomicU32>,
    most: u32,
}

impl Flights {
    /// Nothing is on its way, and at most so many requests ever are.
    pub(super) fn new(most: u32) -> Self {
        Self { count: Arc::default(), most }
    }

    /// Whether something is on its way.
    pub(super) fn any(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    fn begin(&self) -> Result<Flight, HttpFailure> {
        // Only the worker's own task counts up, so nobody comes in between.
        if self.count.load(Ordering::Relaxed) >= self.most {
            return Err(HttpFailure::TooMany(self.most));
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(Flight { count: Arc::clone(&self.count) })
    }
}

/// Something on its way; dropping it ends that.
#[derive(Debug)]
pub(super) struct Flight {
    count: Arc<AtomicU32>,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}
