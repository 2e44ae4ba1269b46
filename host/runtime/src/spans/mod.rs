//! What workers did, as spans of distributed traces.
//!
//! Spans are told of when something ends, live; replay tells of nothing. Their ids follow from the worker's name and the
//! place in its oplog, so what is sent a second time after a crash carries the same ids, and what is told twice is the
//! same span. Where nobody wants spans, the context of a caller is passed on as it came.

mod context;
mod worker;

pub(crate) use self::worker::{Begun, OpenSpan, Tracing};

use crate::Timestamp;

/// A stretch of work that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The trace.
    pub trace: u128,
    /// The span.
    pub id: u64,
    /// The span that it is a part of.
    pub parent: Option<u64>,
    /// The `tracestate` of the trace.
    pub state: Option<String>,
    /// What was done, in few words.
    pub name: String,
    /// On which side.
    pub kind: SpanKind,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// More about it, by the names of OpenTelemetry's conventions where there are any.
    pub attributes: Vec<(&'static str, String)>,
}

/// On which side of a call a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// It answers a call whose caller waits.
    Server,
    /// It calls and waits.
    Client,
    /// It sends a message.
    Producer,
    /// It is a part of something else.
    Internal,
}

/// Where spans go.
pub trait SpanSink: Send + Sync + 'static {
    /// Takes a span that has ended. It must not wait.
    fn take(&self, span: Span);
}
