//! A collector of OpenTelemetry that keeps what it is sent: OTLP over gRPC.

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::wait;

/// A span as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectedSpan {
    /// In hex.
    pub trace: String,
    /// In hex.
    pub id: String,
    /// In hex; empty where there is none.
    pub parent: String,
    /// What was done.
    pub name: String,
    /// The number of the kind: 2 for a server, 3 for a client, 4 for a producer, 1 for what is internal.
    pub kind: i32,
    /// The message of an error; `None` where it went well.
    pub error: Option<String>,
    /// When it began and ended, in nanoseconds since 1970.
    pub time: (u64, u64),
    /// More about it.
    pub attributes: Vec<(String, String)>,
}

/// A running collector; dropping it ends it.
#[derive(Debug)]
pub struct Collector {
    port: u16,
    spans: Spans,
    task: JoinHandle<()>,
}

type Spans = Arc<Mutex<Vec<CollectedSpan>>>;

impl Collector {
    /// Starts a collector on a free port.
    ///
    /// # Panics
    /// If there is none.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a bound socket").port();
        let spans = Spans::default();
        let service = TraceServiceServer::new(Keeper(Arc::clone(&spans)));
        let task = tokio::spawn(async move {
            let incoming = TcpIncoming::from(listener);
            let served = Server::builder().add_service(service).serve_with_incoming(incoming).await;
            served.expect("the collector serves");
        });
        Self { port, spans, task }
    }

    /// Returns where it is, as the setting `otlp-endpoint` wants it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns everything that came.
    pub fn spans(&self) -> Vec<CollectedSpan> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the one span that `fits`.
    ///
    /// # Panics
    /// If it does not come, or comes twice.
    pub async fn span(&self, what: &str, fits: impl Fn(&CollectedSpan) -> bool) -> CollectedSpan {
        let found = wait::until(what, async || {
            let found: Vec<_> = self.spans().into_iter().filter(|span| fits(span)).collect();
            (!found.is_empty()).then_some(found)
        })
        .await;
        assert_eq!(found.len(), 1, "{what}: {found:#?}");
        found.into_iter().next().expect("one")
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Keeper(Spans);

#[tonic::async_trait]
impl TraceService for Keeper {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans.into_iter();
        let spans =
            resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(spans.map(|span| {
            let attributes = span.attributes.into_iter().map(|attribute| {
                let value = match attribute.value.and_then(|value| value.value) {
                    Some(Any::StringValue(text)) => text,
                    other => format!("{other:?}"),
                };
                (attribute.key, value)
            });
            CollectedSpan {
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                name: span.name,
                kind: span.kind,
                error: span.status.filter(|status| status.code == 2).map(|status| status.message),
                time: (span.start_time_unix_nano, span.end_time_unix_nano),
                attributes: attributes.collect(),
            }
        }));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
