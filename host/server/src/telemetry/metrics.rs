//! Numbers for Prometheus. No label ever holds the name of a worker: there may be millions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use everlog_runtime::{Membership, Statistics};
use everlog_store::{Health, Replication};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::traces::SpanCounts;

/// Upper ends of the classes of answer times, in seconds.
const ANSWER_SECONDS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0, 60.0];
/// Names of the classes of status codes, from 1xx on.
const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// What the HTTP side counts.
pub(crate) struct Metrics {
    answered: [AtomicU64; STATUS_CLASSES.len()],
    passed_on: AtomicU64,
    seconds: Histogram,
    /// Spans on their way to a collector.
    spans: Arc<SpanCounts>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            answered: Default::default(),
            passed_on: AtomicU64::default(),
            seconds: Histogram::new(ANSWER_SECONDS),
            spans: Arc::default(),
        }
    }
}

impl Metrics {
    /// Nothing has happened yet but what `spans` says.
    pub(crate) fn new(spans: Arc<SpanCounts>) -> Self {
        Self { spans, ..Self::default() }
    }

    /// Counts one answered request.
    pub(crate) fn request_answered(&self, status: StatusCode, time: Duration) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(count) = self.answered.get(class) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.seconds.observe(time.as_secs_f64());
    }

    /// Counts one request that another server is to answer.
    pub(crate) fn request_passed_on(&self) {
        self.passed_on.fetch_add(1, Ordering::Relaxed);
    }

    /// Everything there is, in Prometheus' text format; of the `cluster` where there is one.
    pub(crate) fn render(
        &self,
        statistics: &Statistics,
        store: &(Health, Replication),
        cluster: Option<&Membership>,
    ) -> String {
        let mut registry = Registry::with_prefix("everlog");
        self.register_requests(&mut registry);
        self.register_spans(&mut registry);
        register_statistics(&mut registry, statistics);
        register_store(&mut registry, store);
        if let Some(cluster) = cluster {
            self.register_cluster(&mut registry, cluster);
        }
        let mut text = String::new();
        // Writing to a string has no way to fail.
        let _ = encode(&mut text, &registry);
        text
    }

    fn register_spans(&self, registry: &mut Registry) {
        let SpanCounts { exported, dropped } = &*self.spans;
        let count = |count: &AtomicU64| ConstCounter::new(count.load(Ordering::Relaxed));
        registry.register("spans_exported", "Spans that the collector took", count(exported));
        let help = "Spans that it did not take, or that had no place in the queue";
        registry.register("spans_dropped", help, count(dropped));
    }

    fn register_requests(&self, registry: &mut Registry) {
        let requests = Family::<[(&'static str, &'static str); 1], Counter>::default();
        for (class, count) in STATUS_CLASSES.iter().zip(&self.answered) {
            requests.get_or_create(&[("status", *class)]).inc_by(count.load(Ordering::Relaxed));
        }
        registry.register("http_requests", "Answered requests by class of status", requests);
        let help = "Time from the head of a request to the head of its answer";
        registry.register("http_request_seconds", help, self.seconds.clone());
    }
}

impl Metrics {
    fn register_cluster(&self, registry: &mut Registry, cluster: &Membership) {
        let view = cluster.view();
        let count = |shards: usize| u64::try_from(shards).unwrap_or(u64::MAX);
        let gauges = [
            ("cluster_nodes", "Servers that share the store", count(view.nodes.len())),
            (
                "cluster_shards",
                "Shards of workers that this server owns",
                count(view.shards_of(Some(cluster.this())).count()),
            ),
            (
                "cluster_unowned_shards",
                "Shards that no server owns",
                count(view.shards_of(None).count()),
            ),
        ];
        register_gauges(registry, &gauges);
        let passed_on = ConstCounter::new(self.passed_on.load(Ordering::Relaxed));
        let help = "Requests that another server was asked to answer";
        registry.register("cluster_passed_on_requests", help, passed_on);
    }
}

fn register_store(registry: &mut Registry, (health, replication): &(Health, Replication)) {
    let gauges = [
        ("store_healthy", "1 while the store accepts writes", u64::from(*health == Health::Ok)),
        ("store_replicas", "Replicas of the store that receive", replication.replicas.into()),
        ("store_lag_bytes", "What the slowest of them is behind", replication.lag_bytes),
    ];
    register_gauges(registry, &gauges);
}

fn register_gauges(registry: &mut Registry, gauges: &[(&str, &str, u64)]) {
    for (name, help, value) in gauges {
        let value = i64::try_from(*value).unwrap_or(i64::MAX);
        registry.register(*name, *help, ConstGauge::new(value));
    }
}

fn register_statistics(registry: &mut Registry, statistics: &Statistics) {
    let counters = [
        (
            "invocations_completed",
            "Invocations that ended with a result",
            statistics.invocations_completed,
        ),
        ("invocations_failed", "Invocations that failed for good", statistics.invocations_failed),
        ("retries", "Failures that are tried again", statistics.retries),
        ("recoveries", "Workers brought back from their oplogs", statistics.recoveries),
        ("replayed_entries", "Oplog entries met in replay", statistics.replayed_entries),
        ("appended_entries", "Oplog entries handed to the store", statistics.appended_entries),
        ("commits", "Batches handed to the store", statistics.commits),
        (
            "divergences",
            "Replays that met something else than was recorded",
            statistics.divergences,
        ),
    ];
    for (name, help, value) in counters {
        registry.register(name, help, ConstCounter::new(value));
    }
    let gauges = [
        ("loaded_workers", "Workers in memory", statistics.loaded_workers),
        ("worker_memory_bytes", "Linear memory of the workers in memory", statistics.memory_bytes),
    ];
    register_gauges(registry, &gauges);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_shown() {
        let metrics = Metrics::default();
        metrics.request_answered(StatusCode::OK, Duration::from_millis(2));
        metrics.request_answered(StatusCode::CREATED, Duration::from_millis(2));
        metrics.request_answered(StatusCode::NOT_FOUND, Duration::from_secs(100));
        let statistics = Statistics { commits: 7, loaded_workers: 3, ..Statistics::default() };
        let replication = Replication { replicas: 2, lag_bytes: 9 };
        let text = metrics.render(&statistics, &(Health::Ok, replication), None);
        for line in [
            "everlog_http_requests_total{status=\"2xx\"} 2",
            "everlog_http_requests_total{status=\"4xx\"} 1",
            "everlog_http_request_seconds_bucket{le=\"0.0025\"} 2",
            "everlog_http_request_seconds_count 3",
            "everlog_commits_total 7",
            "everlog_loaded_workers 3",
            "everlog_store_healthy 1",
            "everlog_store_replicas 2",
            "everlog_store_lag_bytes 9",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        let poisoned = Health::Poisoned { reason: "disk full".to_owned() };
        let text = metrics.render(&statistics, &(poisoned, Replication::default()), None);
        assert!(text.contains("everlog_store_healthy 0"), "{text}");
    }
}
