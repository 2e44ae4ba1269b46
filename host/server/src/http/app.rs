//! What every route needs.

use std::sync::Arc;

use everlog_runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::gate::Guard;
use crate::cluster::Wire;
use crate::config::Settings;
use crate::dapr::Dapr;
use crate::sql::Sql;
use crate::telemetry::{Metrics, SpanCounts};

/// The state behind the routes.
pub(crate) struct App {
    pub(crate) runtime: Arc<Runtime>,
    /// The other servers, where the store is shared.
    pub(crate) cluster: Option<ClusterApp>,
    pub(crate) metrics: Metrics,
    pub(super) guard: Guard,
    /// Queries in SQL.
    pub(super) sql: Sql,
    /// The state API for clients of Dapr.
    pub(super) dapr: Dapr,
    /// The largest body that is not a component, in bytes.
    pub(super) max_body_bytes: usize,
    /// The largest component, in bytes.
    pub(super) max_component_bytes: usize,
    /// Set when the server begins to stop: `/readyz` says so and followed logs end.
    pub(super) stopping: CancellationToken,
}

/// What a server of many needs.
pub(crate) struct ClusterApp {
    /// The way to the others.
    pub(crate) wire: Wire,
}

impl App {
    /// The state of a server with these settings.
    pub(crate) fn new(
        runtime: Arc<Runtime>,
        settings: &Settings,
        spans: Arc<SpanCounts>,
        stopping: CancellationToken,
    ) -> Self {
        let wire = runtime.membership().map(|membership| Wire::new(membership.secret()));
        Self {
            cluster: wire.map(|wire| ClusterApp { wire }),
            runtime,
            metrics: Metrics::new(spans),
            guard: Guard::new(settings),
            sql: Sql::default(),
            dapr: Dapr::new(&settings.app_id),
            max_body_bytes: settings.max_body_bytes,
            max_component_bytes: settings.runtime.max_component_bytes,
            stopping,
        }
    }
}
