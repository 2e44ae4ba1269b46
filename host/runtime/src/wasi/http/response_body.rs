//! The body of a response: each read is recorded, and what a crash has cut off is fetched again.
//!
//! After a crash the log has what the guest has read, and the rest is gone. The first live read sends the request again
//! and skips what is known, comparing it by a hash. Another response, or a request that must not be sent again, becomes
//! an error of the stream, which is recorded like any other.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use everlog_oplog::{Category, Durability};
use http::{HeaderMap, Response};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use xxhash_rust::xxh3::Xxh3;

use super::exchange::{Arrived, Exchange, Flight, Sent};
use super::outcome::{BLOCKING_READ, BodyRead, READ, ResponseHead, TRAILERS, Trailers, fields};
use crate::durable::{Entered, Told};
use crate::network::{HttpFailure, ResponseFrames};

/// The most that one read brings, in bytes: what the host sets aside at a guest's word, and what one entry holds.
const MAX_READ_BYTES: usize = 64 * 1024;

/// Where a body comes from.
pub(super) enum Source {
    /// From a connection that a crash has cut off.
    Lost,
    /// From a request that is being sent.
    Coming(Sent),
    /// From a connection.
    Open { frames: ResponseFrames, _flight: Flight },
    /// From nowhere any more.
    Closed,
}

/// The body of a response, shared by the resources that the guest holds of it.
#[derive(Clone)]
pub(super) struct ResponseBody {
    exchange: Arc<Exchange>,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    head: ResponseHead,
    limit: u64,
    source: Source,
    /// What the guest has read.
    read: Progress,
    /// What has come again of what the guest has read, as long as that is not all.
    again: Option<Progress>,
    /// What came and was not read.
    buffer: Bytes,
    end: Option<Trailers>,
    /// The guest knows of the end.
    told: bool,
    /// The guest has had the stream.
    streamed: bool,
}

/// How far a body has come, and what was in it.
struct Progress {
    bytes: u64,
    hash: Box<Xxh3>,
}

impl Progress {
    fn new() -> Self {
        Self { bytes: 0, hash: Box::new(Xxh3::new()) }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.hash.update(bytes);
    }

    fn is(&self, other: &Self) -> bool {
        self.bytes == other.bytes && self.hash.digest() == other.hash.digest()
    }
}

impl ResponseBody {
    /// The body of the response with `head`, nothing of it read; at most `limit` bytes of it are.
    pub(super) fn new(
        exchange: Arc<Exchange>,
        head: ResponseHead,
        source: Source,
        limit: u64,
    ) -> Self {
        let inner = Inner {
            head,
            limit,
            source,
            read: Progress::new(),
            again: None,
            buffer: Bytes::new(),
            end: None,
            told: false,
            streamed: false,
        };
        Self { exchange, inner: Arc::new(Mutex::new(inner)) }
    }

    /// The stream of the body, once.
    pub(super) fn take_input(&self) -> Option<BodyInput> {
        let taken = std::mem::replace(&mut self.lock().streamed, true);
        (!taken).then(|| BodyInput { body: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic half-way ends the worker's instance, and the body with it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether recorded entries lie ahead, so that nothing may be sent.
    fn is_replaying(&self) -> bool {
        self.exchange.recorder.is_replaying()
    }

    /// Fetches again what a crash has cut off.
    fn fetch(&self) {
        let mut inner = self.lock();
        if matches!(inner.source, Source::Lost) && inner.end.is_none() && !self.is_replaying() {
            if self.exchange.idempotent {
                inner.again = (inner.read.bytes > 0).then(Progress::new);
                inner.source = Source::Coming(self.exchange.send());
            } else {
                inner.fail(HttpFailure::NotRepeatable);
            }
        }
    }

    fn poll_fill(&self, context: &mut Context<'_>) -> Poll<()> {
        self.lock().poll_fill(context)
    }

    async fn filled(&self) {
        self.fetch();
        tokio::select! {
            biased;
            () = poll_fn(|context| self.poll_fill(context)) => {}
            () = self.exchange.given_up() => self.give_up(),
        }
    }

    /// Breaks the body off, since somebody asks for the end of the invocation.
    fn give_up(&self) {
        self.exchange.cancellation.tell();
        self.lock().fail(HttpFailure::Cancelled);
    }

    /// Gives the guest what it got before.
    fn repeat(&self, read: BodyRead) -> BodyRead {
        if matches!(read, BodyRead::Failed(HttpFailure::Cancelled)) {
            self.exchange.cancellation.tell();
        }
        self.lock().repeat(read)
    }

    fn poll_once(&self) {
        self.fetch();
        let filled = self.poll_fill(&mut Context::from_waker(Waker::noop()));
        if filled.is_pending() && self.exchange.is_given_up() {
            self.give_up();
        }
    }

    fn ask<T: bincode::Decode<()>>(
        &self,
        function: &'static str,
        request: &impl bincode::Encode,
    ) -> wasmtime::Result<Entered<T>> {
        let Exchange { recorder, begin, .. } = &*self.exchange;
        Ok(recorder.ask_of(Category::ReadRemote, function, request, *begin)?)
    }

    /// What one read brings: recorded before, or now.
    fn read(&self, size: usize) -> wasmtime::Result<BodyRead> {
        match self.ask(READ, &(size as u64))? {
            Entered::Replayed(read) => Ok(self.repeat(read)),
            Entered::Live(ticket) => {
                self.poll_once();
                let read = self.lock().take(size);
                // The guest can't wait here, but what it does next to the outside does.
                if self.exchange.recorder.tell(ticket, &read)? != Durability::Lazy {
                    self.exchange.recorder.flush_soon();
                }
                Ok(read)
            }
        }
    }

    async fn blocking_read(&self, size: usize) -> wasmtime::Result<BodyRead> {
        match self.ask(BLOCKING_READ, &(size as u64))? {
            Entered::Replayed(read) => Ok(self.repeat(read)),
            Entered::Live(ticket) => {
                self.filled().await;
                let read = self.lock().take(size);
                let durability = self.exchange.recorder.tell(ticket, &read)?;
                self.exchange.recorder.keep(durability).await?;
                Ok(read)
            }
        }
    }

    /// Waits for the end of the body, whatever comes before it.
    async fn ended(&self) {
        self.fetch();
        tokio::select! {
            biased;
            () = poll_fn(|context| self.lock().poll_end(context)) => {}
            () = self.exchange.given_up() => self.give_up(),
        }
    }

    /// What came after the body; `None` where that is not known yet.
    fn trailers(&self) -> wasmtime::Result<Option<Trailers>> {
        if self.lock().told {
            // They were recorded with the end.
            return Ok(self.lock().end.clone());
        }
        match self.ask(TRAILERS, &())? {
            Entered::Replayed(trailers) => Ok(trailers),
            Entered::Live(ticket) => {
                self.fetch();
                let mut context = Context::from_waker(Waker::noop());
                let _ = self.lock().poll_end(&mut context);
                let trailers = self.lock().end.clone();
                if self.exchange.recorder.tell(ticket, &trailers)? != Durability::Lazy {
                    self.exchange.recorder.flush_soon();
                }
                Ok(trailers)
            }
        }
    }
}

impl Inner {
    /// Waits until there is something to read, or the end.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.buffer.is_empty() && self.end.is_none() {
            match &mut self.source {
                // Only where the guest waits in replay without being recorded; what it then reads is.
                Source::Lost | Source::Closed => return Poll::Ready(()),
                Source::Coming(sent) => match ready!(Pin::new(sent).poll(context)) {
                    Ok(Arrived { response, flight }) => self.open(response, flight),
                    Err(failure) => self.fail(failure),
                },
                Source::Open { frames, .. } => match ready!(frames.poll_frame(context)) {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(bytes) => self.receive(bytes),
                        Err(frame) => self.finish(frame.into_trailers().ok().as_ref()),
                    },
                    Some(Err(failure)) => self.fail(failure),
                    None => self.finish(None),
                },
            }
        }
        Poll::Ready(())
    }

    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.end.is_none() {
            ready!(self.poll_fill(context));
            if self.end.is_none() && self.buffer.is_empty() {
                return Poll::Ready(());
            }
            let passed = std::mem::take(&mut self.buffer);
            self.read.add(&passed);
        }
        Poll::Ready(())
    }

    /// Goes on with the response to a request that was sent again, if it is the same one.
    fn open(&mut self, response: Response<ResponseFrames>, flight: Flight) {
        if self.is_same(&response) {
            self.source = Source::Open { frames: response.into_body(), _flight: flight };
        } else {
            self.fail(HttpFailure::Changed);
        }
    }

    /// Headers such as the date change from one time to the next; these do not.
    fn is_same(&self, response: &Response<ResponseFrames>) -> bool {
        let telling = ["etag", "content-length", "content-encoding", "content-range"];
        let before = |name: &str| {
            let found = self.head.headers.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_slice())
        };
        let now = |name: &str| response.headers().get(name).map(http::HeaderValue::as_bytes);
        self.head.status == response.status().as_u16()
            && telling.iter().all(|name| before(name) == now(name))
    }

    fn receive(&mut self, mut bytes: Bytes) {
        if let Some(again) = &mut self.again {
            let behind = usize::try_from(self.read.bytes - again.bytes).unwrap_or(usize::MAX);
            again.add(&bytes.split_to(bytes.len().min(behind)));
            if again.bytes == self.read.bytes {
                if !again.is(&self.read) {
                    return self.fail(HttpFailure::Changed);
                }
                self.again = None;
            }
        }
        if self.read.bytes.saturating_add(bytes.len() as u64) > self.limit {
            return self.fail(HttpFailure::BodyTooLong(self.limit));
        }
        self.buffer = bytes;
    }

    fn finish(&mut self, trailers: Option<&HeaderMap>) {
        if self.again.is_some() {
            return self.fail(HttpFailure::Changed);
        }
        self.end = Some(Trailers::Came(trailers.map(fields)));
        self.source = Source::Closed;
    }

    fn fail(&mut self, failure: HttpFailure) {
        self.end = Some(Trailers::Failed(failure));
        self.source = Source::Closed;
    }

    /// Gives the guest what there is.
    fn take(&mut self, size: usize) -> BodyRead {
        if self.buffer.is_empty()
            && let Some(end) = &self.end
        {
            self.told = true;
            return match end {
                Trailers::Came(trailers) => BodyRead::End(trailers.clone()),
                Trailers::Failed(failure) => BodyRead::Failed(failure.clone()),
            };
        }
        let bytes = self.buffer.split_to(size.min(self.buffer.len()));
        self.read.add(&bytes);
        BodyRead::Bytes(bytes.to_vec())
    }

    /// Gives the guest what it got before.
    fn repeat(&mut self, read: BodyRead) -> BodyRead {
        match &read {
            BodyRead::Bytes(bytes) => {
                self.read.add(bytes);
                // A request that is made in every replay brings it once more.
                if !matches!(self.source, Source::Lost) {
                    self.again.get_or_insert_with(Progress::new);
                }
            }
            BodyRead::End(trailers) => {
                self.told = true;
                self.end = Some(Trailers::Came(trailers.clone()));
                self.source = Source::Closed;
            }
            BodyRead::Failed(failure) => {
                self.told = true;
                self.fail(failure.clone());
            }
        }
        read
    }
}

/// The stream by which a guest reads a body.
pub(super) struct BodyInput {
    body: ResponseBody,
}

impl BodyInput {
    fn is_over(&self) -> bool {
        self.body.lock().told
    }
}

#[async_trait]
impl Pollable for BodyInput {
    async fn ready(&mut self) {
        if !self.is_over() {
            self.body.filled().await;
        }
    }
}

#[async_trait]
impl InputStream for BodyInput {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if self.is_over() {
            return Err(StreamError::Closed);
        }
        if size == 0 {
            return Ok(Bytes::new());
        }
        given(self.body.read(size.min(MAX_READ_BYTES)))
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        if self.is_over() {
            return Err(StreamError::Closed);
        }
        if size == 0 {
            return Ok(Bytes::new());
        }
        given(self.body.blocking_read(size.min(MAX_READ_BYTES)).await)
    }
}

fn given(read: wasmtime::Result<BodyRead>) -> StreamResult<Bytes> {
    match read {
        Ok(BodyRead::Bytes(bytes)) => Ok(bytes.into()),
        Ok(BodyRead::End(_)) => Err(StreamError::Closed),
        Ok(BodyRead::Failed(failure)) => {
            Err(StreamError::LastOperationFailed(ErrorCode::from(failure).into()))
        }
        Err(error) => Err(StreamError::Trap(error)),
    }
}

/// The trailers that a guest waits for.
pub(in crate::wasi) struct GuestTrailers {
    body: ResponseBody,
    /// They are recorded, since the guest knows that they have come.
    seen: Option<Trailers>,
    taken: bool,
}

impl GuestTrailers {
    /// What comes after `body`.
    pub(super) fn new(body: ResponseBody) -> Self {
        Self { body, seen: None, taken: false }
    }

    /// The trailers, once; `Err` where they were taken before.
    pub(super) fn take(&mut self) -> wasmtime::Result<Option<Result<Trailers, ()>>> {
        if self.taken {
            return Ok(Some(Err(())));
        }
        let trailers = match self.seen.take() {
            Some(seen) => Some(seen),
            None => self.body.trailers()?,
        };
        self.taken = trailers.is_some();
        Ok(trailers.map(Ok))
    }

    fn is_seen(&self) -> bool {
        self.taken || self.seen.is_some() || self.body.lock().told
    }

    /// What has come, to be recorded together with what tells the guest of it.
    pub(in crate::wasi) fn told(&mut self) -> wasmtime::Result<Option<Told>> {
        let end = if self.is_seen() { None } else { self.body.lock().end.clone() };
        if end.is_none() {
            return Ok(None);
        }
        let begin = self.body.exchange.begin;
        let told = Told::new(Category::ReadRemote, TRAILERS, &(), begin, &end)?;
        self.seen = end;
        Ok(Some(told))
    }

    /// Has them in the log, where the guest is about to learn that they have come.
    pub(in crate::wasi) async fn see(&mut self) -> wasmtime::Result<()> {
        if self.is_seen() {
            return Ok(());
        }
        match self.body.ask(TRAILERS, &())? {
            Entered::Replayed(trailers) => self.seen = trailers,
            Entered::Live(ticket) => {
                self.body.ended().await;
                let end = self.body.lock().end.clone();
                let recorder = &self.body.exchange.recorder;
                recorder.keep(recorder.tell(ticket, &end)?).await?;
                self.seen = end;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Pollable for GuestTrailers {
    async fn ready(&mut self) {
        self.body.ended().await;
    }
}
