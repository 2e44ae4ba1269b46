//! The body of a request, between the guest that writes it and the client that sends it.
//!
//! What the guest is told of it depends on nothing but what it wrote and what is recorded anyway, so that a write needs
//! no entry: a stream takes [`MAX_WRITE_BYTES`] until the next wait, a wait ends when the client has taken enough, and
//! whether the client still wants the rest is not said here but by the outcome of the request.
//!
//! A request that was begun before a crash is not sent in replay. Its body is kept then, within a limit, since it may
//! have to be sent again.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;

use super::super::shared::SharedCount;
use crate::network::HttpFailure;

/// What a stream takes until the guest waits, in bytes.
pub(in crate::wasi) const MAX_WRITE_BYTES: u64 = 64 * 1024;

/// A body that is written, kept or sent.
#[derive(Debug, Default)]
pub(super) struct RequestBody(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    chunks: VecDeque<Bytes>,
    /// Bytes in `chunks`.
    queued: u64,
    end: Option<End>,
    mode: Mode,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Mode {
    /// It goes out as it is written.
    #[default]
    Streamed,
    /// It is kept as a whole, up to so many bytes.
    Kept(u64),
    /// It was to be kept, and was too long.
    Overflown,
    /// Nobody wants it.
    Unwanted,
}

#[derive(Debug)]
enum End {
    Finished(Option<HeaderMap>),
    Aborted,
}

impl RequestBody {
    /// Keeps the whole body from here on, up to `limit` bytes.
    pub(super) fn keep(&self, limit: u64) {
        let mut inner = self.lock();
        inner.mode = Mode::Kept(limit);
        inner.check_limit();
    }

    /// Lets the body go out: what was kept, then what is still written.
    pub(super) fn release(&self) -> Result<(), HttpFailure> {
        let mut inner = self.lock();
        match inner.mode {
            Mode::Overflown => Err(HttpFailure::NotKept(inner.queued)),
            _ => {
                inner.mode = Mode::Streamed;
                Ok(())
            }
        }
    }

    /// Nobody wants the body any more: what is written goes nowhere.
    pub(super) fn discard(&self) {
        let mut inner = self.lock();
        inner.mode = Mode::Unwanted;
        inner.chunks.clear();
        inner.queued = 0;
        wake(&mut inner.writer);
    }

    fn push(&self, bytes: Bytes) {
        let mut inner = self.lock();
        if matches!(inner.mode, Mode::Overflown | Mode::Unwanted) || bytes.is_empty() {
            return;
        }
        inner.queued += bytes.len() as u64;
        inner.chunks.push_back(bytes);
        inner.check_limit();
        wake(&mut inner.reader);
    }

    fn end(&self, end: End) {
        let mut inner = self.lock();
        inner.end.get_or_insert(end);
        wake(&mut inner.reader);
    }

    fn poll_room(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        if inner.mode != Mode::Streamed || inner.queued < MAX_WRITE_BYTES {
            return Poll::Ready(());
        }
        inner.writer = Some(context.waker().clone());
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn check_limit(&mut self) {
        if let Mode::Kept(limit) = self.mode
            && self.queued > limit
        {
            self.mode = Mode::Overflown;
            self.chunks.clear();
            self.queued = limit;
        }
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// The client's end of a body.
pub(super) struct Outgoing(pub(super) Arc<RequestBody>);

impl Body for Outgoing {
    type Data = Bytes;
    type Error = HttpFailure;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpFailure>>> {
        let mut inner = self.0.lock();
        if let Some(chunk) = inner.chunks.pop_front() {
            inner.queued -= chunk.len() as u64;
            if inner.queued < MAX_WRITE_BYTES {
                wake(&mut inner.writer);
            }
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        match &mut inner.end {
            Some(End::Finished(trailers)) => {
                Poll::Ready(trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
            }
            Some(End::Aborted) => {
                let reason = "the request's body was dropped before it was finished".to_owned();
                Poll::Ready(Some(Err(HttpFailure::Protocol(reason))))
            }
            None => {
                inner.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.0.discard();
    }
}

/// The guest's body of a request, from which it takes the stream once.
pub(super) struct GuestBody {
    pub(super) body: Arc<RequestBody>,
    /// What its header announces, in bytes.
    announced: Option<u64>,
    written: SharedCount,
    /// The number of its stream, once taken.
    pub(super) stream: Option<u32>,
}

impl GuestBody {
    /// An empty body, of which `announced` bytes are expected if that is said.
    pub(super) fn new(announced: Option<u64>) -> Self {
        Self { body: Arc::default(), announced, written: SharedCount::default(), stream: None }
    }

    /// The stream of the body, and what it may take until the next wait.
    pub(super) fn output(&self) -> (BodyOutput, SharedCount) {
        let budget = SharedCount::new(MAX_WRITE_BYTES);
        let output = BodyOutput {
            body: Arc::clone(&self.body),
            announced: self.announced,
            written: self.written.clone(),
            budget: budget.clone(),
        };
        (output, budget)
    }

    /// The guest says that all is written.
    pub(super) fn finish(self, trailers: Option<HeaderMap>) -> Result<(), ErrorCode> {
        let written = self.written.get();
        if self.announced.is_some_and(|announced| announced != written) {
            self.body.end(End::Aborted);
            return Err(ErrorCode::HttpRequestBodySize(Some(written)));
        }
        self.body.end(End::Finished(trailers));
        Ok(())
    }

    /// The guest gives up.
    pub(super) fn abort(self) {
        self.body.end(End::Aborted);
    }
}

/// The stream by which a guest writes a body.
pub(super) struct BodyOutput {
    body: Arc<RequestBody>,
    announced: Option<u64>,
    written: SharedCount,
    budget: SharedCount,
}

#[async_trait]
impl Pollable for BodyOutput {
    async fn ready(&mut self) {
        poll_fn(|context| self.body.poll_room(context)).await;
        self.budget.set(MAX_WRITE_BYTES);
    }
}

#[async_trait]
impl OutputStream for BodyOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let length = bytes.len() as u64;
        let Some(left) = self.budget.get().checked_sub(length) else {
            return Err(StreamError::trap("more bytes written than check-write allowed"));
        };
        self.budget.set(left);
        self.written.add(length);
        let written = self.written.get();
        if self.announced.is_some_and(|announced| written > announced) {
            let error = ErrorCode::HttpRequestBodySize(Some(written));
            return Err(StreamError::LastOperationFailed(error.into()));
        }
        self.body.push(bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(usize::try_from(self.budget.get()).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn body(announced: Option<u64>) -> (GuestBody, BodyOutput, Arc<RequestBody>) {
        let guest = GuestBody::new(announced);
        let (output, _) = guest.output();
        let body = Arc::clone(&guest.body);
        (guest, output, body)
    }

    #[tokio::test]
    async fn what_is_written_goes_out_and_a_full_stream_waits() {
        let (guest, mut output, body) = body(None);
        let full = Bytes::from(vec![7; MAX_WRITE_BYTES as usize]);
        output.write(full.clone()).unwrap();
        assert_eq!(output.check_write().unwrap(), 0);
        assert!(futures::poll!(output.ready()).is_pending());

        let mut outgoing = Outgoing(body);
        let sent = outgoing.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(sent, full);
        output.ready().await;
        assert_eq!(output.check_write().unwrap() as u64, MAX_WRITE_BYTES);
        drop(output);
        guest.finish(None).unwrap();
        assert!(outgoing.frame().await.is_none());
    }

    #[tokio::test]
    async fn a_kept_body_never_waits_and_is_released_as_a_whole() {
        let (guest, mut output, body) = body(Some(6));
        body.keep(6);
        output.write("abc".into()).unwrap();
        output.ready().await;
        output.write("def".into()).unwrap();
        guest.finish(None).unwrap();
        body.release().unwrap();
        let sent = Outgoing(body).collect().await.unwrap().to_bytes();
        assert_eq!(sent, "abcdef");
    }

    #[tokio::test]
    async fn a_body_that_is_too_long_to_be_kept_is_not_sent_again() {
        let (_guest, mut output, body) = body(None);
        body.keep(5);
        output.write("abcdef".into()).unwrap();
        assert_eq!(body.release(), Err(HttpFailure::NotKept(5)));
    }

    #[tokio::test]
    async fn length_is_checked_against_the_header() {
        let (guest, mut output, _) = body(Some(2));
        assert!(matches!(output.write("abc".into()), Err(StreamError::LastOperationFailed(_))));
        assert!(matches!(guest.finish(None), Err(ErrorCode::HttpRequestBodySize(Some(3)))));

        let (guest, mut output, body) = body(Some(2));
        output.write("a".into()).unwrap();
        assert!(guest.finish(None).is_err());
        let mut outgoing = Outgoing(body);
        assert_eq!(outgoing.frame().await.unwrap().unwrap().into_data().unwrap(), "a");
        assert!(outgoing.frame().await.unwrap().is_err(), "it is broken off");
    }

    #[tokio::test]
    async fn what_nobody_wants_is_swallowed() {
        let (_guest, mut output, body) = body(None);
        drop(Outgoing(body));
        output.write(vec![0; MAX_WRITE_BYTES as usize].into()).unwrap();
        output.ready().await;
        output.write("more".into()).unwrap();
    }
}
