//! The spans of one worker: its running invocation, and what that asks of others.

use std::sync::Arc;

use everlog_oplog::{Index, TraceContext};
use uuid::Uuid;

use super::context::SpanContext;
use super::{Span, SpanKind, SpanSink};
use crate::worker::WorkerId;
use crate::{Timestamp, clock};

/// The names under which ids are drawn.
const TRACE: &str = "trace";
const INVOCATION: &str = "invocation";
const CALL: &str = "call";

/// A worker's part in traces.
pub(crate) struct Tracing {
    sink: Option<Arc<dyn SpanSink>>,
    namespace: Uuid,
    worker: String,
    /// The context with which the running invocation came.
    given: Option<TraceContext>,
    /// The span of the running invocation, where somebody wants spans.
    current: Option<SpanContext>,
    invocation: Option<OpenSpan>,
}

/// A span that goes on.
pub(crate) struct OpenSpan {
    sink: Arc<dyn SpanSink>,
    span: Span,
}

/// An invocation that begins, or goes on after a crash.
pub(crate) struct Begun<'a> {
    pub(crate) index: Index,
    pub(crate) function: &'a str,
    pub(crate) key: &'a str,
    pub(crate) at: Timestamp,
    pub(crate) trace: Option<TraceContext>,
}

impl Tracing {
    pub(crate) fn new(
        sink: Option<Arc<dyn SpanSink>>,
        namespace: Uuid,
        component: &str,
        worker: &WorkerId,
    ) -> Self {
        let worker = format!("{component}/{}", worker.name);
        Self { sink, namespace, worker, given: None, current: None, invocation: None }
    }

    /// Whether somebody wants spans.
    pub(crate) fn is_wanted(&self) -> bool {
        self.sink.is_some()
    }

    /// An invocation begins. It is told of when it [ends](Self::end).
    pub(crate) fn begin(&mut self, begun: Begun<'_>) {
        let Begun { index, function, key, at, trace } = begun;
        self.given = trace;
        (self.current, self.invocation) = (None, None);
        let Some(sink) = &self.sink else { return };
        let caller = self.given.as_ref().and_then(SpanContext::parse);
        let id = self.id(INVOCATION, index).as_u64_pair().0.max(1);
        let (context, parent) = match caller {
            Some(caller) => (caller.with_span(id), Some(caller.span)),
            None => {
                let trace = self.id(TRACE, index).as_u128();
                (SpanContext { trace, span: id, sampled: true, state: None }, None)
            }
        };
        if context.sampled {
            let attributes = vec![
                ("everlog.worker", self.worker.clone()),
                ("everlog.function", function.to_owned()),
                ("everlog.idempotency_key", key.to_owned()),
                ("everlog.oplog_index", index.to_string()),
            ];
            let (name, kind) = (function.to_owned(), SpanKind::Server);
            let span = span(&context, parent, name, kind, at, attributes);
            self.invocation = Some(OpenSpan { sink: Arc::clone(sink), span });
        }
        self.current = Some(context);
    }

    /// The running invocation has ended, live, with this error or well.
    pub(crate) fn end(&mut self, error: Option<&str>) {
        if let Some(invocation) = self.invocation.take() {
            invocation.end(error.map(str::to_owned));
        }
    }

    /// An attempt at the running invocation has failed, and there will be another.
    pub(crate) fn attempt_failed(&self, message: &str) {
        let (Some(sink), Some(context)) = (&self.sink, &self.current) else { return };
        if context.sampled {
            let now = clock::now();
            let id = self.id(CALL, Index(now.0)).as_u64_pair().0.max(1);
            let name = "failed attempt".to_owned();
            let attributes = vec![("everlog.worker", self.worker.clone())];
            let within = context.with_span(id);
            let (parent, kind) = (Some(context.span), SpanKind::Internal);
            let span = span(&within, parent, name, kind, now, attributes);
            OpenSpan { sink: Arc::clone(sink), span }.end(Some(message.to_owned()));
        }
    }

    /// The context for something that the worker asks of somebody else at this place in its log, and the span of that
    /// if somebody wants to know of it.
    pub(crate) fn ask(
        &self,
        place: Index,
        kind: SpanKind,
        name: impl FnOnce() -> (String, Vec<(&'static str, String)>),
    ) -> (Option<TraceContext>, Option<OpenSpan>) {
        let (Some(sink), Some(context)) = (&self.sink, &self.current) else {
            return (self.given.clone(), None);
        };
        let asked = context.with_span(self.id(CALL, place).as_u64_pair().0.max(1));
        let open = context.sampled.then(|| {
            let (name, mut attributes) = name();
            attributes.push(("everlog.worker", self.worker.clone()));
            let span = span(&asked, Some(context.span), name, kind, clock::now(), attributes);
            OpenSpan { sink: Arc::clone(sink), span }
        });
        (Some(asked.to_headers()), open)
    }

    fn id(&self, what: &str, place: Index) -> Uuid {
        let mut name = what.as_bytes().to_vec();
        name.extend(place.get().to_le_bytes());
        Uuid::new_v5(&self.namespace, &name)
    }
}

impl OpenSpan {
    /// It is only now that it begins.
    pub(crate) fn restart(&mut self) {
        self.span.start = clock::now();
    }

    /// Says more about it.
    pub(crate) fn note(&mut self, name: &'static str, value: String) {
        self.span.attributes.push((name, value));
    }

    /// It ends, with this error or well.
    pub(crate) fn end(mut self, error: Option<String>) {
        self.span.end = clock::now();
        self.span.error = error;
        self.sink.take(self.span);
    }
}

fn span(
    context: &SpanContext,
    parent: Option<u64>,
    name: String,
    kind: SpanKind,
    start: Timestamp,
    attributes: Vec<(&'static str, String)>,
) -> Span {
    let (trace, id, state) = (context.trace, context.span, context.state.clone());
    Span { trace, id, parent, state, name, kind, start, end: start, error: None, attributes }
}
