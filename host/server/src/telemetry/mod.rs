//! What the server says about itself: log lines on stderr, and numbers for Prometheus.

mod log;
mod metrics;

pub(crate) use log::start_logging;
pub(crate) use metrics::Metrics;
