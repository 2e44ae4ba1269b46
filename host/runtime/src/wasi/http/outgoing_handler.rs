//! `wasi:http/outgoing-handler`: a request begins.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use everlog_oplog::{Begun, Call, Category, Index};
use http::header::{HOST, HeaderName};
use http::uri::{Scheme, Uri};
use http::{HeaderMap, HeaderValue, Method, request};
use wasmtime::component::Resource;
use wasmtime_wasi_http::RequestOptions;
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::Host;
use wasmtime_wasi_http::p2::bindings::http::types::{
    ErrorCode, Method as GuestMethod, Scheme as GuestScheme,
};
use wasmtime_wasi_http::p2::{HttpError, HttpResult, types};

use super::WorkerState;
use super::exchange::Exchange;
use super::outcome::{HANDLE, RequestHead, fields};
use super::outgoing_request::announced_length;
use super::request_body::RequestBody;
use super::response_future::ResponseFuture;
use crate::durable::{Interruption, encode};
use crate::network::TimeLimits;
use crate::spans::{OpenSpan, SpanKind};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

impl Host for WorkerState {
    fn handle(
        &mut self,
        request: Resource<types::HostOutgoingRequest>,
        options: Option<Resource<RequestOptions>>,
    ) -> HttpResult<Resource<types::HostFutureIncomingResponse>> {
        let options = match options {
            Some(options) => self.delete(options)?,
            None => RequestOptions::default(),
        };
        let body = self.http.bodies.remove(&request.rep());
        let checked = self.checked_request(request);
        if let (Err(_), Some(body)) = (&checked, &body) {
            body.discard();
        }
        let exchange = self.begin_exchange(checked?, options, body).map_err(HttpError::trap)?;
        self.push_http(ResponseFuture::new(exchange), "future-incoming-response")
            .map_err(HttpError::trap)
    }
}

impl WorkerState {
    /// The request as it is to be sent, taken from the guest.
    fn checked_request(
        &mut self,
        request: Resource<types::HostOutgoingRequest>,
    ) -> HttpResult<request::Parts> {
        let types::HostOutgoingRequest {
            method,
            scheme,
            authority,
            path_with_query,
            headers,
            body,
        } = self.delete(request)?;
        match announced_length(&headers) {
            Ok(Some(length)) if length > 0 && body.is_none() => {
                return Err(ErrorCode::HttpRequestBodySize(Some(0)).into());
            }
            Ok(_) => {}
            Err(()) => {
                let detail = "the content-length is not a number".to_owned();
                return Err(ErrorCode::InternalError(Some(detail)).into());
            }
        }
        let authority = authority.unwrap_or_default();
        let mut uri = Uri::builder().scheme(known_scheme(scheme)?).authority(authority.as_str());
        if let Some(path) = path_with_query {
            uri = uri.path_and_query(path);
        }
        let uri = uri.build().map_err(|_| ErrorCode::HttpRequestUriInvalid)?;
        let mut request = http::Request::builder().method(sent_method(method)?).uri(uri);
        // First, since that is the order in which headers are recorded.
        request = request.header(HOST, authority);
        for (name, value) in headers.iter() {
            request = request.header(name, value);
        }
        let request = request.body(()).map_err(|_| ErrorCode::HttpProtocolError)?;
        Ok(request.into_parts().0)
    }

    /// Records that a request begins. It is sent behind the gate, unless it was begun before.
    fn begin_exchange(
        &mut self,
        parts: request::Parts,
        options: RequestOptions,
        body: Option<Arc<RequestBody>>,
    ) -> wasmtime::Result<ResponseToCome> {
        let request::Parts { method, uri, mut headers, .. } = parts;
        let head = RequestHead {
            method: method.to_string(),
            uri: uri.to_string(),
            headers: fields(&headers),
        };
        let request = encode(HANDLE, &head)?;
        let category = Category::WriteRemote;
        let call = Call { category, function: HANDLE, request: &request, begin: None };
        let config = &self.http.client.config;
        let draws = config.idempotency_header && changes_something(&method);
        let namespace = self.environment.namespace();
        let begun = self.recorder.with(|journal, now| {
            if draws && !headers.contains_key(IDEMPOTENCY_KEY) {
                // Before the begin: the same after a crash, since the position is.
                let key = journal.idempotency_key(namespace).to_string();
                set(&mut headers, IDEMPOTENCY_KEY, &key);
            }
            let idempotent = journal.idempotence();
            journal.begin_write(&call, now).map(|begun| (begun, idempotent))
        });
        let (begun, idempotent) = begun.map_err(Interruption::from)?;
        let Begun { index: begin, replayed, .. } = begun;
        let span = self.add_trace(begin, &method, &uri, &mut headers);
        if replayed && let Some(body) = &body {
            body.keep(self.http.client.config.resent_body_bytes);
        }
        let exchange = Exchange {
            method,
            uri,
            headers,
            body,
            limits: self.time_limits(options),
            begin,
            idempotent: idempotent || begin.is_none(),
            recorder: Arc::clone(&self.recorder),
            mark: self.cancellation().mark(),
            cancellation: self.cancellation(),
            client: Arc::clone(&self.http.client),
            flights: self.http.flights.clone(),
            span: Mutex::new(span),
        };
        Ok(ResponseToCome { exchange: Arc::new(exchange), replayed })
    }

    /// Has the other side go on with the trace, unless the guest says itself which.
    fn add_trace(
        &self,
        begin: Option<Index>,
        method: &Method,
        uri: &Uri,
        headers: &mut HeaderMap,
    ) -> Option<OpenSpan> {
        if headers.contains_key(TRACEPARENT) {
            return None;
        }
        let place = begin.unwrap_or_else(|| self.recorder.with(|journal, _| journal.last_index()));
        let (trace, span) = self.tracing.ask(place, SpanKind::Client, || {
            let attributes = vec![
                ("http.request.method", method.to_string()),
                ("server.address", uri.authority().map(ToString::to_string).unwrap_or_default()),
                ("url.path", uri.path().to_owned()),
            ];
            (method.to_string(), attributes)
        });
        if let Some(trace) = &trace {
            set(headers, TRACEPARENT, &trace.traceparent);
            if let Some(state) = &trace.tracestate {
                set(headers, TRACESTATE, state);
            }
        }
        span
    }

    /// What the guest asked for, within what the server allows.
    fn time_limits(&self, options: RequestOptions) -> TimeLimits {
        let config = &self.http.client.config;
        let within =
            |asked: Option<Duration>, most: Duration| asked.map_or(most, |it| it.min(most));
        TimeLimits {
            connect: within(options.connect_timeout, config.connect_timeout),
            first_byte: within(options.first_byte_timeout, config.first_byte_timeout),
            between_bytes: within(options.between_bytes_timeout, config.between_bytes_timeout),
        }
    }
}

/// A request that has begun, and whether that was before.
pub(super) struct ResponseToCome {
    pub(super) exchange: Arc<Exchange>,
    pub(super) replayed: bool,
}

fn known_scheme(scheme: Option<GuestScheme>) -> Result<Scheme, ErrorCode> {
    match scheme {
        None | Some(GuestScheme::Https) => Ok(Scheme::HTTPS),
        Some(GuestScheme::Http) => Ok(Scheme::HTTP),
        Some(GuestScheme::Other(name)) if name.eq_ignore_ascii_case("http") => Ok(Scheme::HTTP),
        Some(GuestScheme::Other(name)) if name.eq_ignore_ascii_case("https") => Ok(Scheme::HTTPS),
        Some(GuestScheme::Other(_)) => Err(ErrorCode::HttpProtocolError),
    }
}

/// The method, unless it asks for a tunnel: what goes through that could not be recorded.
fn sent_method(method: GuestMethod) -> Result<Method, ErrorCode> {
    match method {
        GuestMethod::Get => Ok(Method::GET),
        GuestMethod::Head => Ok(Method::HEAD),
        GuestMethod::Post => Ok(Method::POST),
        GuestMethod::Put => Ok(Method::PUT),
        GuestMethod::Delete => Ok(Method::DELETE),
        GuestMethod::Options => Ok(Method::OPTIONS),
        GuestMethod::Trace => Ok(Method::TRACE),
        GuestMethod::Patch => Ok(Method::PATCH),
        GuestMethod::Connect => Err(ErrorCode::HttpRequestMethodInvalid),
        GuestMethod::Other(name) => match Method::from_bytes(name.as_bytes()) {
            Ok(Method::CONNECT) | Err(_) => Err(ErrorCode::HttpRequestMethodInvalid),
            Ok(method) => Ok(method),
        },
    }
}

fn changes_something(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // A caller's trace context that is no header is not passed on.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
