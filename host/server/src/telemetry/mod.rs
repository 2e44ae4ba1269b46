//! What the server says about itself and its workers: log lines on stderr, numbers for Prometheus, spans.

mod log;
mod metrics;
mod traces;

pub(crate) use log::start_logging;
pub(crate) use metrics::Metrics;
pub(crate) use traces::{SpanCounts, Traces, collector};
