//! What an entry says of a call between workers, for people who read the log.

use everlog_oplog::Payload;
use everlog_oplog::payload::Excerpt;

use super::future::{Ended, Line};
use super::{Address, CallAnswer, CallOutcome, clients};
use crate::durable::decode_bytes;
use crate::golem::rpc;
use crate::value::Value;

/// An entry about a call; what it does not say is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct CallSummary {
    /// The component that is called, by its name or its UUID.
    pub component: String,
    /// The worker; `None` for a fresh one.
    pub worker: Option<String>,
    /// The function, as the caller wrote it.
    pub function: String,
    /// The key of a call that was accepted.
    pub accepted: Option<String>,
    /// What it returned, where the log holds that with its names.
    pub result: Option<Value>,
    /// Why there is no result.
    pub error: Option<String>,
    /// Whether the guest dropped the call without looking at its outcome.
    pub dropped: bool,
}

impl CallSummary {
    /// What a call's or a begin's entry says; `None` where it is about something else, or can't be read.
    #[must_use]
    pub fn of(
        function: &str,
        request: Option<&Excerpt>,
        outcome: Option<&Payload>,
        begun: bool,
    ) -> Option<Self> {
        if !rpc::FUNCTIONS.iter().chain(&clients::FUNCTIONS).any(|known| *known == function) {
            return None;
        }
        let (address, called): Line = decode_bytes(&request?.bytes)?;
        let (component, worker) = match address {
            Address::Worker { component, worker } => (component, Some(worker)),
            Address::Fresh { component } => (component, None),
        };
        let mut summary = Self {
            component,
            worker,
            function: called,
            accepted: None,
            result: None,
            error: None,
            dropped: false,
        };
        let Some(Payload::Inline(bytes)) = outcome else { return Some(summary) };
        if !begun {
            summary.add(decode_bytes(bytes)?);
        } else {
            match decode_bytes(bytes)? {
                Ended::With(outcome) => summary.add(outcome),
                Ended::Dropped => summary.dropped = true,
            }
        }
        Some(summary)
    }

    fn add(&mut self, outcome: CallOutcome) {
        match outcome {
            Ok(CallAnswer::Accepted { key, worker }) => {
                self.accepted = Some(key);
                self.worker.get_or_insert(worker);
            }
            Ok(CallAnswer::Value(value)) => self.result = value,
            Ok(CallAnswer::Tree(_)) => {}
            Err(failure) => self.error = Some(failure.to_string()),
        }
    }
}
