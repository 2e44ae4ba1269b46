//! `wasi:http/types.future-incoming-response`: the answer that a worker waits for.

use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use everlog_oplog::{Category, Durability, Line, LogLevel, LogStream};
use wasmtime::component::Resource;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi_http::FieldMap;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, HostFutureIncomingResponse};
use wasmtime_wasi_http::p2::types;

use super::exchange::{Arrival, Arrived, Exchange, Sent};
use super::incoming_response::Response;
use super::outcome::{GET, HANDLE, Outcome, ResponseHead, fields, header_map};
use super::outgoing_handler::ResponseToCome;
use super::response_body::{ResponseBody, Source};
use super::{Recipe, WorkerState};
use crate::durable::{Entered, Told};
use crate::network::HttpFailure;

/// A response that has not been given to the guest yet.
pub(in crate::wasi) struct ResponseFuture {
    exchange: Arc<Exchange>,
    state: State,
}

enum State {
    /// It was begun before a crash, and is not sent yet in this life.
    Begun,
    /// It is on its way.
    Sent(Sent),
    /// It has an outcome, which the guest does not know of.
    Arrived(Arrival),
    /// The outcome is recorded, since the guest knows that there is one.
    Seen(Outcome, Source),
    /// The guest has it.
    Taken,
}

impl ResponseFuture {
    /// Sends the request, unless that happened before.
    pub(super) fn new(response: ResponseToCome) -> Self {
        let ResponseToCome { exchange, replayed } = response;
        let mut future = Self { exchange, state: State::Begun };
        if !replayed {
            future.begin();
        }
        future
    }

    /// Whether the guest does not know of an outcome.
    pub(in crate::wasi) fn is_unseen(&self) -> bool {
        !matches!(self.state, State::Seen(..) | State::Taken)
    }

    /// Sends a request of an earlier life whose outcome is wanted now.
    fn send(&mut self) {
        let replaying = self.exchange.recorder.is_replaying();
        if matches!(self.state, State::Begun) && !replaying {
            self.begin();
        }
    }

    /// Sends the request, unless somebody asks for the end of the invocation.
    fn begin(&mut self) {
        if self.exchange.cancellation.is_due() {
            self.exchange.cancellation.tell();
        }
        self.state = match self.exchange.is_given_up() {
            true => State::Arrived(Err(HttpFailure::Cancelled)),
            false => State::Sent(self.exchange.send()),
        };
    }

    /// Fails unless an outcome is there, since somebody asks for the end of the invocation.
    pub(in crate::wasi) fn give_up(&mut self) {
        self.send();
        let _ = self.poll_arrival(&mut Context::from_waker(Waker::noop()));
    }

    fn poll_arrival(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.state {
            State::Sent(sent) => match Pin::new(sent).poll(context) {
                Poll::Ready(arrival) => {
                    self.state = State::Arrived(arrival);
                    Poll::Ready(())
                }
                Poll::Pending if self.exchange.is_given_up() => {
                    self.state = State::Arrived(Err(HttpFailure::Cancelled));
                    Poll::Ready(())
                }
                Poll::Pending => Poll::Pending,
            },
            State::Begun => Poll::Pending,
            _ => Poll::Ready(()),
        }
    }

    /// Whether the log says next how the request ended.
    fn is_ahead(&self) -> bool {
        let Exchange { recorder, begin, .. } = &*self.exchange;
        recorder.with(|journal, _| journal.is_ahead(HANDLE, *begin))
    }

    /// Has the outcome in the log, where the guest is about to learn that there is one.
    pub(in crate::wasi) async fn see(&mut self) -> wasmtime::Result<()> {
        match self.ask()? {
            Entered::Replayed(outcome) => self.repeat(outcome),
            Entered::Live(ticket) => {
                self.send();
                poll_fn(|context| self.poll_arrival(context)).await;
                let outcome = self.open();
                let durability = self.exchange.recorder.tell(ticket, &outcome)?;
                self.exchange.recorder.keep(durability).await?;
            }
        }
        self.explain();
        Ok(())
    }

    /// The same for an outcome that has arrived, to be recorded together with what tells the guest of it. `None` where
    /// it has not.
    pub(in crate::wasi) fn told(&mut self) -> wasmtime::Result<Option<Told>> {
        if !matches!(self.state, State::Arrived(_)) {
            return Ok(None);
        }
        let outcome = self.open();
        let Exchange { begin, .. } = *self.exchange;
        let line = self.exchange.line();
        Ok(Some(Told::new(Category::WriteRemote, HANDLE, &line, begin, &outcome)?))
    }

    /// The same where the guest asks without waiting. False where there is no outcome yet, which is recorded too.
    fn see_now(&mut self) -> wasmtime::Result<bool> {
        if !self.is_ahead() {
            let Exchange { recorder, begin, .. } = &*self.exchange;
            match recorder.ask(Category::ReadLocal, GET, &begin.map(|begin| begin.get()))? {
                Entered::Replayed(()) => return Ok(false),
                Entered::Live(ticket) => {
                    self.send();
                    let mut context = Context::from_waker(Waker::noop());
                    if self.poll_arrival(&mut context).is_pending() {
                        self.exchange.recorder.tell(ticket, &())?;
                        return Ok(false);
                    }
                }
            }
        }
        match self.ask()? {
            Entered::Replayed(outcome) => self.repeat(outcome),
            Entered::Live(ticket) => {
                let outcome = self.open();
                // The guest can't wait here, but what it does next to the outside does.
                if self.exchange.recorder.tell(ticket, &outcome)? != Durability::Lazy {
                    self.exchange.recorder.flush_soon();
                }
            }
        }
        self.explain();
        Ok(true)
    }

    /// Records that the guest will never know: otherwise the request would look open for ever.
    fn forget(self) -> wasmtime::Result<()> {
        if self.is_unseen()
            && let Entered::Live(ticket) = self.ask::<Outcome>()?
            && self.exchange.recorder.tell(ticket, &Outcome::Dropped)? != Durability::Lazy
        {
            self.exchange.recorder.flush_soon();
        }
        Ok(())
    }

    fn ask<T: bincode::Decode<()>>(&self) -> wasmtime::Result<Entered<T>> {
        let Exchange { recorder, begin, .. } = &*self.exchange;
        Ok(recorder.ask_of(Category::WriteRemote, HANDLE, &self.exchange.line(), *begin)?)
    }

    /// Takes the outcome from what has arrived.
    fn open(&mut self) -> Outcome {
        let lost = || Err(HttpFailure::Internal("the response was taken before".to_owned()));
        let arrival = match std::mem::replace(&mut self.state, State::Taken) {
            State::Arrived(arrival) => arrival,
            _ => lost(),
        };
        let (outcome, source) = match arrival {
            Ok(Arrived { response, flight }) => {
                let (parts, frames) = response.into_parts();
                let head =
                    ResponseHead { status: parts.status.as_u16(), headers: fields(&parts.headers) };
                (Outcome::Response(head), Source::Open { frames, _flight: flight })
            }
            Err(failure) => (Outcome::Failed(failure), Source::Closed),
        };
        self.seen(outcome.clone(), source);
        outcome
    }

    /// Takes the outcome from the log. The response itself is where an earlier life left it: a request that is made in
    /// every replay brings another.
    fn repeat(&mut self, outcome: Outcome) {
        if matches!(outcome, Outcome::Failed(HttpFailure::Cancelled)) {
            self.exchange.cancellation.tell();
        }
        let source = match std::mem::replace(&mut self.state, State::Taken) {
            State::Sent(sent) => Source::Coming(sent),
            State::Arrived(Ok(Arrived { response, flight })) => {
                Source::Open { frames: response.into_body(), _flight: flight }
            }
            _ => Source::Lost,
        };
        self.seen(outcome, source);
    }

    fn seen(&mut self, outcome: Outcome, source: Source) {
        if let (Outcome::Failed(_), Some(body)) = (&outcome, &self.exchange.body) {
            body.discard();
        }
        self.state = State::Seen(outcome, source);
    }

    /// Tells whoever wonders in the worker's log why a request was refused: behind the entry that says so, in the same
    /// place in every life.
    pub(in crate::wasi) fn explain(&self) {
        let State::Seen(Outcome::Failed(failure @ HttpFailure::Denied(_)), _) = &self.state else {
            return;
        };
        let Exchange { method, uri, recorder, .. } = &*self.exchange;
        let line = Line {
            stream: LogStream::Log,
            level: Some(LogLevel::Error),
            context: Some("wasi:http".to_owned()),
            message: format!("{method} {uri}: {failure}"),
        };
        recorder.with(|journal, now| journal.log(line, now));
    }
}

#[async_trait]
impl Pollable for ResponseFuture {
    async fn ready(&mut self) {
        self.send();
        if matches!(self.state, State::Begun) {
            // The guest waits in replay without being recorded. What it learned then is recorded.
            if !self.is_ahead() {
                pending::<()>().await;
            }
            return;
        }
        poll_fn(|context| self.poll_arrival(context)).await;
    }
}

type Future = Resource<types::HostFutureIncomingResponse>;
type Given = Result<Result<Resource<types::HostIncomingResponse>, ErrorCode>, ()>;

impl HostFutureIncomingResponse for WorkerState {
    fn subscribe(&mut self, future: Future) -> wasmtime::Result<Resource<DynPollable>> {
        let source = future.rep();
        let pollable = subscribe(&mut self.table, Resource::<ResponseFuture>::new_borrow(source))?;
        self.adopt(&pollable, Recipe::PollOf(source));
        Ok(pollable)
    }

    fn get(&mut self, future: Future) -> wasmtime::Result<Option<Given>> {
        let limit = self.http.client.config.response_body_bytes;
        let future = Resource::<ResponseFuture>::new_borrow(future.rep());
        let future = self.table.get_mut(&future)?;
        if future.is_unseen() && !future.see_now()? {
            return Ok(None);
        }
        let exchange = Arc::clone(&future.exchange);
        match std::mem::replace(&mut future.state, State::Taken) {
            State::Seen(Outcome::Response(head), source) => {
                let headers =
                    FieldMap::new_immutable(&mut self.http.hooks, header_map(&head.headers));
                let status = head.status;
                let body = Some(ResponseBody::new(exchange, head, source, limit));
                let response = Response { status, headers, body };
                Ok(Some(Ok(Ok(self.push_http(response, "incoming-response")?))))
            }
            State::Seen(Outcome::Failed(failure), _) => Ok(Some(Ok(Err(failure.into())))),
            _ => Ok(Some(Err(()))),
        }
    }

    fn drop(&mut self, future: Future) -> wasmtime::Result<()> {
        self.delete_http::<ResponseFuture, _>(&future)?.forget()
    }
}
