//! `wasi:http/incoming-handler`, which guests export: a request goes in, an answer comes out whole.
//!
//! The answer is collected while the guest runs and read when its handler has returned, so that nothing of it leaves
//! before it is durable, and so that how much the guest may write does not depend on who reads.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use wasmtime::component::{Resource, ResourceTableError};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::{HostOutgoingBody, HyperOutgoingBody, StreamContext};
use wasmtime_wasi_http::p2::types::{
    HostIncomingRequest, HostOutgoingResponse, HostResponseOutparam,
};

use super::super::SharedCount;
use super::WorkerState;
use crate::exchange::{Headers, HttpRequest, HttpResponse, MAX_RESPONSE_BYTES};

/// How many pieces of a body may wait: as good as any number, since the bytes have a limit of their own.
const MAX_PIECES: usize = 1 << 40;
/// The most that one write to a body takes, in bytes.
const MAX_PIECE_BYTES: usize = 64 << 10;

type Given = Result<http::Response<HyperOutgoingBody>, ErrorCode>;

/// Where the guest puts its answer.
#[derive(Clone, Default)]
pub(crate) struct Outbox(Arc<Mutex<Option<Given>>>);

impl WorkerState {
    /// Makes the handler's two arguments.
    ///
    /// # Errors
    /// A request that no HTTP client could have sent.
    pub(crate) fn receive_request(
        &mut self,
        request: HttpRequest,
    ) -> wasmtime::Result<(Resource<HostIncomingRequest>, Resource<HostResponseOutparam>, Outbox)>
    {
        let scheme = if request.scheme == "https" { Scheme::Https } else { Scheme::Http };
        let uri = format!("{}://{}{}", request.scheme, request.authority, request.path_with_query);
        let mut builder = http::Request::builder().method(request.method.as_str()).uri(uri);
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        let body = Full::new(Bytes::from(request.body));
        let request = self.http_calls().new_incoming_request(scheme, builder.body(body)?)?;
        let request = self.adopt_http(request, "incoming-request");
        let outbox = Outbox::default();
        let place = outbox.clone();
        let outparam = self.http_calls().new_response_outparam_from_callback(move |given| {
            place.put(given);
        })?;
        Ok((request, self.adopt_http(outparam, "response-outparam"), outbox))
    }

    /// A body for an answer, whose pieces wait until the handler has returned.
    pub(super) fn response_body(
        &mut self,
        response: &Resource<HostOutgoingResponse>,
    ) -> Result<Option<Resource<HostOutgoingBody>>, ResourceTableError> {
        let response = self.table.get_mut(response)?;
        if response.body.is_some() {
            return Ok(None);
        }
        let length = response.headers.get(http::header::CONTENT_LENGTH);
        let length = match length.map(|length| length.to_str().ok()?.parse().ok()) {
            Some(None) => return Ok(None),
            Some(length) => length,
            None => None,
        };
        let (body, pieces) =
            HostOutgoingBody::new(StreamContext::Response, length, MAX_PIECES, MAX_PIECE_BYTES);
        response.body = Some(pieces);
        let body = self.table.push(body)?;
        Ok(Some(self.adopt_http(body, "outgoing-body")))
    }

    /// Has the stream of an answer's body take no more than an answer may hold.
    pub(super) fn bound_response(
        &mut self,
        stream: &Resource<DynOutputStream>,
    ) -> Result<(), ResourceTableError> {
        let place = self.table.get_mut(stream)?;
        let inner = std::mem::replace(place, Box::new(Ended));
        *place = Box::new(Bounded { inner, taken: SharedCount::default() });
        Ok(())
    }
}

impl Outbox {
    fn put(&self, given: Given) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(given);
    }

    /// What the guest has answered, now that its handler has returned; else why that is no answer.
    pub(crate) fn take(&self) -> Result<HttpResponse, String> {
        let given = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match given {
            None => Err("the handler returned without setting its response-outparam".to_owned()),
            Some(Err(code)) => Err(format!("the handler answered with an error: {code:?}")),
            Some(Ok(response)) => collect(response),
        }
    }
}

fn collect(response: http::Response<HyperOutgoingBody>) -> Result<HttpResponse, String> {
    let (parts, mut body) = response.into_parts();
    let status = parts.status.as_u16();
    if status < 200 {
        return Err(format!("status {status} is no final status of a response"));
    }
    let mut whole = HttpResponse { status, headers: listed(&parts.headers), ..Default::default() };
    loop {
        // Out of tokio's budget, by which a body of many pieces would seem to have no more after some of them.
        let mut frame = std::pin::pin!(tokio::task::unconstrained(body.frame()));
        match frame.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            // However its body ends that was cut off there.
            Poll::Ready(None | Some(Err(_))) | Poll::Pending
                if whole.body.len() as u64 > MAX_RESPONSE_BYTES =>
            {
                return Err(too_large());
            }
            Poll::Ready(None) => return Ok(whole),
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(bytes) => whole.body.extend_from_slice(&bytes),
                Err(frame) => {
                    whole.trailers = frame.into_trailers().map_or(Vec::new(), |t| listed(&t));
                }
            },
            Poll::Ready(Some(Err(_))) => {
                return Err("the response's body was dropped before it was finished".to_owned());
            }
            Poll::Pending => {
                return Err("the handler returned before it had finished the body".to_owned());
            }
        }
    }
}

fn too_large() -> String {
    format!("the response's body has more than {} MiB", MAX_RESPONSE_BYTES >> 20)
}

fn listed(headers: &http::HeaderMap) -> Headers {
    headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}

/// A stream that ends after [`MAX_RESPONSE_BYTES`].
struct Bounded {
    inner: DynOutputStream,
    taken: SharedCount,
}

#[async_trait]
impl Pollable for Bounded {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[async_trait]
impl OutputStream for Bounded {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.taken.add(bytes.len() as u64);
        if self.taken.get() > MAX_RESPONSE_BYTES {
            // What is too much goes in too, so that the answer is found too large whatever the guest makes of this.
            self.inner.write(bytes)?;
            self.inner = Box::new(Ended);
            return Err(StreamError::LastOperationFailed(wasmtime::Error::msg(too_large())));
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.inner.check_write()
    }
}

/// A stream that takes nothing any more.
struct Ended;

#[async_trait]
impl Pollable for Ended {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for Ended {
    fn write(&mut self, _bytes: Bytes) -> StreamResult<()> {
        Err(StreamError::Closed)
    }

    fn flush(&mut self) -> StreamResult<()> {
        Err(StreamError::Closed)
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Err(StreamError::Closed)
    }
}
