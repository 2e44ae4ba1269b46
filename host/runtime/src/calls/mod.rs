//! Calls from worker to worker: each happens exactly once, whoever crashes.
//!
//! A call carries an idempotency key that is made of the caller's name, its logical position and what it asks for. A
//! caller that comes back from a crash and does not find the outcome in its log asks again under the same key, and the
//! worker that is called, which remembers its keys, answers what it answered before.
//!
//! Arguments travel as the caller has them and become values of the function's types at the worker that is called,
//! where its component is known. What a caller can be told is recorded; what passes by itself (a full queue, a worker on
//! its way to another node, a server that stops) is waited for and told nobody.

mod absent;
mod carry;
mod circle;
pub(crate) mod clients;
mod convert;
mod failure;
pub(crate) mod fresh;
mod future;
mod log;
mod under_way;

use std::fmt;

use bincode::{Decode, Encode};
use everlog_oplog::{Index, Timestamp, TraceContext, fingerprint};
use uuid::Uuid;

pub(crate) use self::absent::AbsentCallers;
pub(crate) use self::carry::Meanwhile;
#[expect(unreachable_pub, reason = "the generated bindings pass it on")]
pub use self::clients::SentCall;
pub(crate) use self::failure::CallFailure;
use self::failure::caller_cancelled;
#[expect(unreachable_pub, reason = "the generated bindings pass it on")]
pub use self::future::CallFuture;
pub(crate) use self::future::CallsInFlight;
pub use self::log::CallSummary;
pub use self::under_way::CallUnderWay;
pub(crate) use self::under_way::CallsUnderWay;

use crate::clock;
use crate::durable::{Entered, Interruption, Raw, encode};
use crate::golem::WitValue;
use crate::records::AT_ONCE;
use crate::spans::{OpenSpan, SpanKind};
use crate::value::Value;
use crate::wasi::WorkerState;

/// The largest arguments of a call, and the largest result, in bytes as they are recorded.
pub(crate) const MAX_CALL_BYTES: usize = 4 << 20;

/// Which worker is called.
///
/// **The order of variants and fields is the storage format**, here and in everything below that is encoded.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Address {
    /// A worker of a component, which is given by its name or its UUID.
    Worker { component: String, worker: String },
    /// A fresh worker, gone after the call.
    Fresh { component: String },
}

impl Address {
    /// The component, by its name or its UUID.
    pub(crate) fn component(&self) -> &str {
        match self {
            Self::Worker { component, .. } | Self::Fresh { component } => component,
        }
    }

    /// The name of the worker; `None` for a fresh one.
    pub(crate) fn worker(&self) -> Option<&str> {
        match self {
            Self::Worker { worker, .. } => Some(worker),
            Self::Fresh { .. } => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worker { component, worker } => write!(f, "urn:worker:{component}/{worker}"),
            Self::Fresh { component } => write!(f, "urn:worker:{component}"),
        }
    }
}

/// When a call that nobody waits for is to run at the earliest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Start {
    Now,
    /// So many nanoseconds after it was asked for.
    After(u64),
    At(Timestamp),
}

/// The arguments of a call.
#[derive(Clone, Debug, Encode, Decode)]
pub(crate) enum Arguments {
    /// With their types' names in them.
    Values(Vec<Value>),
    /// As trees of `golem:rpc`, which make sense together with the function's types only; so does the result then.
    Trees(Vec<WitValue>),
}

/// What a guest asks for. Address and function come first, so that they can be read from an excerpt.
#[derive(Clone, Debug, Encode, Decode)]
pub(crate) struct CallRequest {
    pub(crate) address: Address,
    pub(crate) function: String,
    /// `None`: the guest waits for the result.
    pub(crate) start: Option<Start>,
    pub(crate) arguments: Arguments,
}

/// What came of a call that did not fail.
#[derive(Clone, Debug, Encode, Decode)]
pub(crate) enum CallAnswer {
    /// It is accepted under this key, and runs by itself, on this worker.
    Accepted { key: String, worker: String },
    /// What the function returned, if anything.
    Value(Option<Value>),
    /// The same as a tree: a tuple of the function's results.
    Tree(WitValue),
}

pub(crate) type CallOutcome = Result<CallAnswer, CallFailure>;

/// A call on its way to the worker that is called.
#[derive(Clone, Debug, Encode, Decode)]
pub(crate) struct Parcel {
    pub(crate) request: CallRequest,
    /// The idempotency key.
    pub(crate) key: String,
    /// When it is to run at the earliest, where nobody waits for it.
    pub(crate) due: Option<Timestamp>,
    /// What the worker begins with if there is none yet: the caller's own.
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) trace: Option<TraceContext>,
}

impl WorkerState {
    /// Makes a call and waits: for its result, or for its acceptance where it has a [`Start`].
    ///
    /// # Errors
    /// What ends the execution. How the call went is the outcome.
    pub(crate) async fn call(
        &mut self,
        function: &'static str,
        request: CallRequest,
    ) -> wasmtime::Result<CallOutcome> {
        let bytes = encode(function, &request)?;
        if let Some(refusal) = too_large(bytes.len()) {
            return Ok(Err(refusal));
        }
        match self.enter_keyed(function, &Raw(&bytes)).await? {
            Entered::Replayed(outcome) => {
                if matches!(&outcome, Err(failure) if *failure == caller_cancelled()) {
                    self.cancellation().tell();
                }
                Ok(outcome)
            }
            Entered::Live(ticket) => {
                let drawn = self.draw();
                let place = self.recorder.with(|journal, _| journal.last_index().next());
                let key = key_of(&drawn, function, &bytes);
                let (parcel, span) = self.parcel(place, request, key);
                let outcome = self.await_outcome(&parcel).await?;
                if let Some(span) = span {
                    span.end(outcome.as_ref().err().map(ToString::to_string));
                }
                self.leave(ticket, &outcome).await?;
                let recorded = self.recorder.with(|journal, _| journal.last_index());
                let shared = self.shared().map_err(Interruption::from)?;
                parcel.let_go(&shared, &self.recorder, recorded);
                Ok(outcome)
            }
        }
    }

    /// Waits for the outcome of a call; for one that takes long, or where instances are wanted, outside of memory.
    async fn await_outcome(&mut self, parcel: &Parcel) -> Result<CallOutcome, Interruption> {
        let shared = self.shared()?;
        let caller = self.environment.worker.clone();
        let suspend_after = self.environment.suspend_after;
        let cancellation = self.cancellation();
        tokio::select! {
            biased;
            () = cancellation.due() => {
                shared.cancel_called(&self.recorder, &CallUnderWay::of(parcel)).await;
                cancellation.tell();
                return Ok(Err(caller_cancelled()));
            }
            outcome = shared.carry(&caller, parcel, Meanwhile::StandsStill) => return Ok(outcome),
            () = shared.registry.room_is_wanted() => {}
            () = clock::pause(suspend_after) => {}
        }
        shared.carry_for_absent(caller, parcel.clone());
        Err(Interruption::Suspend { until: Some(AT_ONCE) })
    }

    /// Begins a call whose result the guest looks at later.
    ///
    /// # Errors
    /// What ends the execution.
    pub(crate) fn begin_call(
        &mut self,
        function: &'static str,
        request: CallRequest,
    ) -> wasmtime::Result<CallFuture> {
        let bytes = encode(function, &request)?;
        if let Some(refusal) = too_large(bytes.len()) {
            return Ok(CallFuture::refused(refusal));
        }
        // Before the begin: the same after a crash, since the position is.
        let drawn = self.draw();
        let begun = self.recorder.begin_keyed(function, &bytes)?;
        let key = key_of(&drawn, function, &bytes);
        let place = begun.index.unwrap_or_else(|| self.recorder.with(|it, _| it.last_index()));
        let (parcel, span) = self.parcel(place, request, key);
        Ok(CallFuture::new(self, function, parcel, begun, span))
    }

    fn draw(&self) -> Uuid {
        let namespace = self.environment.namespace();
        self.recorder.with(|journal, _| journal.idempotency_key(namespace))
    }

    /// What is sent, and the span of it, which is asked for at this place in the log.
    fn parcel(
        &self,
        place: Index,
        request: CallRequest,
        key: String,
    ) -> (Parcel, Option<OpenSpan>) {
        let waits = request.start.is_none();
        let kind = if waits { SpanKind::Client } else { SpanKind::Producer };
        let (trace, span) = self.tracing.ask(place, kind, || {
            let CallRequest { address, function, .. } = &request;
            let component = address.component().to_owned();
            let attributes = vec![
                ("rpc.system", "everlog".to_owned()),
                ("rpc.service", component.clone()),
                ("rpc.method", function.clone()),
                ("everlog.called", address.to_string()),
            ];
            (format!("{component} {function}"), attributes)
        });
        let parcel = Parcel {
            due: request.start.and_then(Start::due),
            request,
            key,
            args: self.environment.args.clone(),
            env: self.environment.env.clone(),
            trace,
        };
        (parcel, span)
    }
}

/// Why a call can't be made, whatever the others do: nothing of it is recorded.
fn too_large(bytes: usize) -> Option<CallFailure> {
    (bytes > MAX_CALL_BYTES).then(|| {
        CallFailure::Mismatch(format!(
            "the arguments have {bytes} bytes; at most {MAX_CALL_BYTES} are allowed"
        ))
    })
}

impl Start {
    /// The time that is meant, if not at once.
    fn due(self) -> Option<Timestamp> {
        match self {
            Self::Now => None,
            Self::After(nanos) => Some(clock::now().after(nanos)),
            Self::At(due) => Some(due),
        }
    }
}

/// The key of a call: of another one, asked for at the same position in a region that runs again, it is another.
fn key_of(drawn: &Uuid, function: &str, request: &[u8]) -> String {
    Uuid::new_v5(drawn, &fingerprint(function, request).to_le_bytes()).to_string()
}
