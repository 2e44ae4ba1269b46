//! Spans on their way to a collector, by OTLP over gRPC: <https://opentelemetry.io/docs/specs/otlp/>.
//!
//! Telling costs a worker nothing but a place in a queue. What has no place there, since the collector
//! is slow or away, is dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use everlog_runtime::{Span, SpanKind, SpanSink, Timestamp, clock};
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind as OtlpKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;

/// Spans that wait for the collector at most; a span takes some hundred bytes.
const QUEUE: usize = 16_384;
/// Spans in one request.
const BATCH: usize = 512;
/// How long a span waits for others to go with it.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long the collector may take for a request.
const EXPORT_LIMIT: Duration = Duration::from_secs(10);
/// How long a server that stops waits for the last spans.
const LAST_WAIT: Duration = Duration::from_secs(3);
/// At most so often is said that the collector takes nothing, in nanoseconds.
const COMPLAINT_NANOS: u64 = 60_000_000_000;

/// How many spans there were.
#[derive(Debug, Default)]
pub(crate) struct SpanCounts {
    pub(crate) exported: AtomicU64,
    pub(crate) dropped: AtomicU64,
}

/// What the environment says of the collector, the more special first.
const VARIABLES: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// Where the collector is, if there is one.
pub(crate) fn collector(settings: &Settings) -> Option<String> {
    let variable = |name: &&str| std::env::var(name).ok().filter(|text| !text.is_empty());
    settings.otlp_endpoint.clone().or_else(|| VARIABLES.iter().find_map(variable))
}

/// The way to the collector.
pub(crate) struct Traces {
    queue: mpsc::Sender<Span>,
    counts: Arc<SpanCounts>,
}

impl Traces {
    /// Begins to send to the collector at `endpoint`, which need not be there yet.
    ///
    /// # Errors
    /// If the endpoint is no URL.
    pub(crate) fn start(
        endpoint: &str,
        service: &str,
        counts: Arc<SpanCounts>,
    ) -> anyhow::Result<(Arc<Self>, Sending)> {
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_timeout(EXPORT_LIMIT)
            .build();
        let mut exporter =
            exporter.with_context(|| format!("`otlp-endpoint` {endpoint} can't be used"))?;
        let resource = Resource::builder_empty().with_service_name(service.to_owned());
        exporter.set_resource(&resource.build());
        let (queue, waiting) = mpsc::channel(QUEUE);
        let stopping = CancellationToken::new();
        let waiting = Waiting { queue: waiting, stopping: stopping.clone() };
        let task = tokio::spawn(send(exporter, waiting, Arc::clone(&counts)));
        Ok((Arc::new(Self { queue, counts }), Sending { task, stopping }))
    }
}

impl SpanSink for Traces {
    fn take(&self, span: Span) {
        if self.queue.try_send(span).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The task that sends.
pub(crate) struct Sending {
    task: JoinHandle<()>,
    stopping: CancellationToken,
}

impl Sending {
    /// Takes no more spans, and waits until those that there are were sent.
    pub(crate) async fn end(self) {
        self.stopping.cancel();
        let _ = tokio::time::timeout(LAST_WAIT, self.task).await;
    }
}

/// The spans that are to be sent.
struct Waiting {
    queue: mpsc::Receiver<Span>,
    stopping: CancellationToken,
}

async fn send(exporter: SpanExporter, mut waiting: Waiting, counts: Arc<SpanCounts>) {
    let scope = InstrumentationScope::builder("everlog").build();
    let mut complained = Timestamp(0);
    while let Some(batch) = waiting.next_batch().await {
        let count = batch.len() as u64;
        let batch = batch.into_iter().map(|span| exported(span, &scope)).collect();
        match exporter.export(batch).await {
            Ok(()) => drop(counts.exported.fetch_add(count, Ordering::Relaxed)),
            Err(error) => {
                counts.dropped.fetch_add(count, Ordering::Relaxed);
                let now = clock::now();
                if complained.after(COMPLAINT_NANOS) <= now {
                    tracing::warn!(%error, "the collector takes no spans; they are dropped");
                    complained = now;
                }
            }
        }
    }
}

impl Waiting {
    /// The spans of a request; none when there will be no more.
    async fn next_batch(&mut self) -> Option<Vec<Span>> {
        let first = tokio::select! {
            biased;
            first = self.queue.recv() => first?,
            () = self.stopping.cancelled() => {
                self.queue.close();
                self.queue.recv().await?
            }
        };
        let mut batch = vec![first];
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while batch.len() < BATCH {
            let more = self.queue.recv_many(&mut batch, BATCH);
            let more = tokio::select! {
                more = tokio::time::timeout_at(deadline, more) => more,
                () = self.stopping.cancelled() => break,
            };
            match more {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        Some(batch)
    }
}

fn exported(span: Span, scope: &InstrumentationScope) -> SpanData {
    let state = span.state.and_then(|state| state.parse::<TraceState>().ok()).unwrap_or_default();
    let trace = TraceId::from_bytes(span.trace.to_be_bytes());
    let id = |id: u64| SpanId::from_bytes(id.to_be_bytes());
    let status = span.error.map_or(Status::Unset, Status::error);
    let attributes = span.attributes.into_iter().map(|(name, value)| KeyValue::new(name, value));
    SpanData {
        span_context: SpanContext::new(trace, id(span.id), TraceFlags::SAMPLED, false, state),
        parent_span_id: span.parent.map_or(SpanId::INVALID, id),
        parent_span_is_remote: span.parent.is_some() && span.kind == SpanKind::Server,
        span_kind: match span.kind {
            SpanKind::Server => OtlpKind::Server,
            SpanKind::Client => OtlpKind::Client,
            SpanKind::Producer => OtlpKind::Producer,
            SpanKind::Internal => OtlpKind::Internal,
        },
        name: span.name.into(),
        start_time: system_time(span.start),
        end_time: system_time(span.end),
        attributes: attributes.collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status,
        instrumentation_scope: scope.clone(),
    }
}

fn system_time(time: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(time.0)
}
