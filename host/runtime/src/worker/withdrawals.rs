//! Calls that never run, or were taken back: how the log says so.

use super::message::InvocationStatus;
use crate::error::InvokeError;

/// How the log says that a call was withdrawn since no version of the component has its function.
const NO_FUNCTION: &str = "function-not-found: ";

/// How the log says that an invocation was killed.
pub(super) const KILLED: &str = "killed";

/// Why a call is withdrawn, as the log has it.
pub(super) fn withdrawal(error: &InvokeError) -> String {
    match error {
        InvokeError::NoFunction { detail } => format!("{NO_FUNCTION}{detail}"),
        other => other.to_string(),
    }
}

/// What has become of a call that was withdrawn for this reason.
pub(super) fn withdrawn(key: &str, reason: &str) -> InvocationStatus {
    if reason == KILLED {
        return InvocationStatus::Failed(InvokeError::Killed { key: key.to_owned() });
    }
    match reason.strip_prefix(NO_FUNCTION) {
        Some(detail) => {
            InvocationStatus::Failed(InvokeError::NoFunction { detail: detail.to_owned() })
        }
        None => InvocationStatus::Cancelled,
    }
}
