//! Workers that wait for each other in a circle, which would be for ever.
//!
//! A worker executes one invocation at a time, and one that waits in a call stands still. If the worker that it calls
//! stands still too, for one that in the end stands still for the first, none of them goes on by itself. One of the
//! calls is refused then: that which closed the circle.
//!
//! A call whose answer is under way looks like one that waits, so a circle counts only when it has stayed for a while.
//! Seen are the calls of this node's workers.

use std::sync::Arc;
use std::time::Duration;

use super::failure::CallFailure;
use super::{CallOutcome, CallUnderWay};
use crate::clock;
use crate::shared::Shared;
use crate::worker::WorkerId;

/// How often is looked, and how often in a row the same circle has to be seen.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOKS: u32 = 3;

impl Shared {
    /// Waits for the outcome of a call in which its worker stands still, or until it is certain that there will be none.
    pub(super) async fn unless_in_circle(
        self: &Arc<Self>,
        caller: &WorkerId,
        key: &str,
        outcome: impl Future<Output = CallOutcome>,
    ) -> CallOutcome {
        tokio::select! {
            biased;
            outcome = outcome => outcome,
            failure = self.in_circle(caller, key) => Err(failure),
        }
    }

    async fn in_circle(self: &Arc<Self>, caller: &WorkerId, key: &str) -> CallFailure {
        let mut seen: Vec<CallUnderWay> = Vec::new();
        let mut looks = 0;
        loop {
            clock::pause(LOOK_EVERY).await;
            let circle = self.calls_under_way.circle(caller, key).unwrap_or_default();
            looks = if circle == seen { looks + 1 } else { 1 };
            let is_closed_here = circle
                .iter()
                .max_by_key(|call| (call.since, &call.key))
                .is_some_and(|last| last.key == key);
            if is_closed_here && looks >= LOOKS {
                tracing::warn!(%caller, "a call is refused, as it would wait for ever");
                return refusal(caller, &circle);
            }
            seen = circle;
        }
    }
}

/// What the caller is told of the calls that wait for each other, of which the first is its own.
fn refusal(caller: &WorkerId, circle: &[CallUnderWay]) -> CallFailure {
    let called = |call: &CallUnderWay| {
        let CallUnderWay { component, worker, function, .. } = call;
        format!("{component}/{worker} ({function})")
    };
    let links: Vec<String> = circle.iter().map(called).collect();
    CallFailure::Denied(format!(
        "worker {caller} would wait for ever: it calls {}; let one of them send a message instead",
        links.join(", which waits for ")
    ))
}
