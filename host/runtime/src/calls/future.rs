//! A call whose result the guest looks at later.

use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use bincode::{Decode, Encode};
use everlog_oplog::{Begun, Category, Durability, Index};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::Pollable;
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};

use super::failure::{CallFailure, caller_cancelled};
use super::{Address, CallOutcome, CallUnderWay, Meanwhile, Parcel};
use crate::durable::{Cancellation, Entered, Interruption, Recorder, Told};
use crate::shared::Shared;
use crate::spans::OpenSpan;
use crate::wasi::WorkerState;
use crate::worker::WorkerId;

/// How many calls of one worker may be on their way at once.
pub(crate) const MAX_CALLS_IN_FLIGHT: u32 = 4_096;

/// The function under which is recorded that the guest asked too early.
const GET: &str = "golem:rpc/types.[method]future-invoke-result.get";

/// How a call ended for the guest, as the log keeps it.
#[derive(Clone, Debug, Encode, Decode)]
pub(super) enum Ended {
    With(CallOutcome),
    /// The guest did not want to know.
    Dropped,
}

/// What an outcome says of its call; all of it is in the begin.
pub(super) type Line = (Address, String);

/// The calls of a worker that are on their way.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallsInFlight(Arc<AtomicU32>);

/// A call that has begun.
struct PendingCall {
    /// The host function that began it.
    function: &'static str,
    parcel: Parcel,
    /// The entry in which it began, where that is recorded.
    begin: Option<Index>,
    caller: WorkerId,
    recorder: Arc<Recorder>,
    cancellation: Cancellation,
    /// When it began, for the cancellation.
    mark: u64,
    shared: Weak<Shared>,
    flights: CallsInFlight,
    /// What is told of it when it has an outcome.
    span: Mutex<Option<OpenSpan>>,
}

/// The result of a call, before the guest has it.
#[expect(unreachable_pub, reason = "the generated bindings pass it on")]
pub struct CallFuture {
    /// None: it was refused before it began.
    call: Option<Arc<PendingCall>>,
    state: State,
}

enum State {
    /// It was begun before a crash, and is not sent yet in this life.
    Begun,
    /// It is on its way.
    Sent(AbortOnDropJoinHandle<CallOutcome>),
    /// It has an outcome, which the guest does not know of.
    Arrived(CallOutcome),
    /// The outcome is recorded, since the guest knows that there is one.
    Seen(CallOutcome),
    /// The guest has it.
    Taken,
}

impl CallFuture {
    /// Sends the call, unless that happened before.
    pub(super) fn new(
        worker: &WorkerState,
        function: &'static str,
        parcel: Parcel,
        begun: Begun,
        span: Option<OpenSpan>,
    ) -> Self {
        let call = Arc::new(PendingCall {
            function,
            parcel,
            begin: begun.index,
            caller: worker.environment.worker.clone(),
            recorder: Arc::clone(&worker.recorder),
            mark: worker.cancellation().mark(),
            cancellation: worker.cancellation(),
            shared: Weak::clone(&worker.environment.shared),
            flights: worker.calls_in_flight.clone(),
            span: Mutex::new(span),
        });
        let mut future = Self { call: Some(call), state: State::Begun };
        if !begun.replayed {
            future.begin();
        }
        future
    }

    /// A call that can't be made.
    pub(crate) fn refused(failure: CallFailure) -> Self {
        Self { call: None, state: State::Seen(Err(failure)) }
    }

    /// Whether the guest does not know of an outcome.
    pub(crate) fn is_unseen(&self) -> bool {
        !matches!(self.state, State::Seen(_) | State::Taken)
    }

    /// Has the outcome in the log, where the guest is about to learn that there is one.
    pub(crate) async fn see(&mut self) -> wasmtime::Result<()> {
        let Some(call) = self.call.clone() else { return Ok(()) };
        match call.ask()? {
            Entered::Replayed(ended) => self.repeat(ended),
            Entered::Live(ticket) => {
                self.send();
                poll_fn(|context| self.poll_arrival(context)).await;
                let ended = self.open();
                let durability = call.recorder.tell(ticket, &ended)?;
                call.recorder.keep(durability).await?;
            }
        }
        Ok(())
    }

    /// The same for an outcome that has arrived, to be recorded together with what tells the guest of it. `None` where
    /// it has not.
    pub(crate) fn told(&mut self) -> wasmtime::Result<Option<Told>> {
        let Some(call) = self.call.clone() else { return Ok(None) };
        if !matches!(self.state, State::Arrived(_)) {
            return Ok(None);
        }
        let ended = self.open();
        let PendingCall { function, begin, .. } = *call;
        Ok(Some(Told::new(Category::WriteRemote, function, &call.line(), begin, &ended)?))
    }

    /// The outcome for a guest that asks without waiting; none where there is none yet, which is recorded too, or where
    /// it has it already.
    pub(crate) fn take(&mut self) -> wasmtime::Result<Option<CallOutcome>> {
        if self.is_unseen() && !self.see_now()? {
            return Ok(None);
        }
        self.let_go();
        match std::mem::replace(&mut self.state, State::Taken) {
            State::Seen(outcome) => Ok(Some(outcome)),
            _ => Err(wasmtime::format_err!("the result of this call was taken before")),
        }
    }

    /// Records that the guest will never know: otherwise the call would look open for ever.
    pub(crate) fn forget(self) -> wasmtime::Result<()> {
        if self.is_unseen()
            && let Some(call) = &self.call
            && let Entered::Live(ticket) = call.ask()?
            && call.recorder.tell(ticket, &Ended::Dropped)? != Durability::Lazy
        {
            call.recorder.flush_soon();
        }
        self.let_go();
        Ok(())
    }

    /// A fresh worker is not needed any more when its outcome is recorded, or that nobody wants to know it.
    fn let_go(&self) {
        let Some(call) = &self.call else { return };
        let recorded = call.recorder.with(|journal, _| journal.last_index());
        if let Some(shared) = call.shared.upgrade()
            && !call.recorder.is_replaying()
        {
            call.parcel.let_go(&shared, &call.recorder, recorded);
        }
    }

    fn see_now(&mut self) -> wasmtime::Result<bool> {
        let Some(call) = self.call.clone() else { return Ok(true) };
        if !call.is_ahead() {
            let begin = call.begin.map(Index::get);
            match call.recorder.ask(Category::ReadLocal, GET, &begin)? {
                Entered::Replayed(()) => return Ok(false),
                Entered::Live(ticket) => {
                    self.send();
                    let mut context = Context::from_waker(Waker::noop());
                    if self.poll_arrival(&mut context).is_pending() {
                        call.recorder.tell(ticket, &())?;
                        return Ok(false);
                    }
                }
            }
        }
        match call.ask()? {
            Entered::Replayed(ended) => self.repeat(ended),
            Entered::Live(ticket) => {
                let ended = self.open();
                // The guest can't wait here, but what it does next to the outside does.
                if call.recorder.tell(ticket, &ended)? != Durability::Lazy {
                    call.recorder.flush_soon();
                }
            }
        }
        Ok(true)
    }

    /// Sends a call of an earlier life whose outcome is wanted now.
    fn send(&mut self) {
        let Some(call) = &self.call else { return };
        if matches!(self.state, State::Begun) && !call.recorder.is_replaying() {
            self.begin();
        }
    }

    /// Sends the call, unless somebody asks for the end of the caller's invocation.
    fn begin(&mut self) {
        let Some(call) = &self.call else { return };
        if call.cancellation.is_due() {
            call.cancellation.tell();
        }
        self.state = match call.is_given_up() {
            true => State::Arrived(Err(call.give_up())),
            false => State::Sent(call.send()),
        };
    }

    /// Fails unless an outcome is there, since somebody asks for the end of the caller's invocation.
    pub(crate) fn give_up(&mut self) {
        self.send();
        let _ = self.poll_arrival(&mut Context::from_waker(Waker::noop()));
    }

    fn poll_arrival(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.state {
            State::Sent(sent) => match Pin::new(sent).poll(context) {
                Poll::Ready(outcome) => {
                    self.state = State::Arrived(outcome);
                    Poll::Ready(())
                }
                Poll::Pending => match self.call.as_ref().filter(|call| call.is_given_up()) {
                    Some(call) => {
                        self.state = State::Arrived(Err(call.give_up()));
                        Poll::Ready(())
                    }
                    None => Poll::Pending,
                },
            },
            State::Begun => Poll::Pending,
            _ => Poll::Ready(()),
        }
    }

    /// Takes the outcome from what has arrived.
    fn open(&mut self) -> Ended {
        let outcome = match std::mem::replace(&mut self.state, State::Taken) {
            State::Arrived(outcome) => outcome,
            _ => Err(CallFailure::Failed("the result was taken before".to_owned())),
        };
        self.state = State::Seen(outcome.clone());
        Ended::With(outcome)
    }

    /// Takes the outcome from the log.
    fn repeat(&mut self, ended: Ended) {
        if let Ended::With(outcome) = ended {
            if let (Err(failure), Some(call)) = (&outcome, &self.call)
                && *failure == caller_cancelled()
            {
                call.cancellation.tell();
            }
            self.state = State::Seen(outcome);
        }
    }
}

#[async_trait]
impl Pollable for CallFuture {
    async fn ready(&mut self) {
        self.send();
        if matches!(self.state, State::Begun) {
            // The guest waits in replay without being recorded. What it learned then is recorded.
            if !self.call.as_ref().is_some_and(|call| call.is_ahead()) {
                pending::<()>().await;
            }
            return;
        }
        poll_fn(|context| self.poll_arrival(context)).await;
    }
}

impl PendingCall {
    /// Sends it once it is durable no later than what comes of it.
    fn send(self: &Arc<Self>) -> AbortOnDropJoinHandle<CallOutcome> {
        let call = Arc::clone(self);
        let flight = self.flights.begin();
        spawn(async move {
            let _flight = flight?;
            let failed = |error: Interruption| CallFailure::Failed(error.to_string());
            call.recorder.gate_within().await.map_err(failed)?;
            let Some(shared) = call.shared.upgrade() else {
                // The server stops, and this worker with it: nobody is to be told anything.
                return pending().await;
            };
            let span = call.span.lock().unwrap_or_else(PoisonError::into_inner).take();
            let outcome = shared.carry(&call.caller, &call.parcel, Meanwhile::GoesOn).await;
            if let Some(span) = span {
                span.end(outcome.as_ref().err().map(ToString::to_string));
            }
            outcome
        })
    }

    /// Whether it is given up, since somebody asks for the end of the caller's invocation.
    fn is_given_up(&self) -> bool {
        self.cancellation.is_given_up(self.mark)
    }

    /// Has the call come to its end too; says what the caller is told.
    fn give_up(self: &Arc<Self>) -> CallFailure {
        let call = Arc::clone(self);
        tokio::spawn(async move {
            if let Some(shared) = call.shared.upgrade() {
                shared.cancel_called(&call.recorder, &CallUnderWay::of(&call.parcel)).await;
            }
        });
        caller_cancelled()
    }

    fn line(&self) -> Line {
        (self.parcel.request.address.clone(), self.parcel.request.function.clone())
    }

    fn ask(&self) -> wasmtime::Result<Entered<Ended>> {
        let category = Category::WriteRemote;
        Ok(self.recorder.ask_of(category, self.function, &self.line(), self.begin)?)
    }

    /// Whether the log says next how the call ended.
    fn is_ahead(&self) -> bool {
        self.recorder.with(|journal, _| journal.is_ahead(self.function, self.begin))
    }
}

impl CallsInFlight {
    fn begin(&self) -> Result<Flight, CallFailure> {
        // Only the worker's own task counts up, so nobody comes in between.
        if self.0.load(Ordering::Relaxed) >= MAX_CALLS_IN_FLIGHT {
            return Err(CallFailure::Denied(format!(
                "{MAX_CALLS_IN_FLIGHT} calls of this worker are on their way, the most there may be"
            )));
        }
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Flight(self.clone()))
    }
}

/// A call on its way.
struct Flight(CallsInFlight);

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
