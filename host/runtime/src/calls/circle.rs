//! Workers that wait for each other in a circle, which would be for ever.
//!
//! A worker executes one invocation at a time, and one that waits in a call stands still. If the worker that it calls
//! stands still too, for one that in the end stands still for the first, none of them goes on by itself. One of the
//! calls is refused then: the last to begin, which as a rule closed the circle.
//!
//! What is refused must not happen after all, so it is taken out of the line in front of its worker first. A call that
//! runs already can't be; then it is the turn of the others, of which at least one waits in line: had each begun the
//! invocation that makes the next, the first would have begun before itself.
//!
//! A call whose answer is under way looks like one that waits, so a circle counts only when it has stayed for a while.
//! Seen are the calls of this node's workers.

use std::time::Duration;

use super::CallUnderWay;
use super::failure::CallFailure;
use crate::clock;
use crate::shared::Shared;
use crate::worker::WorkerId;

/// How often is looked, and how often in a row the same circle has to be seen.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOKS: u32 = 3;

impl Shared {
    /// Returns what the caller is to be told of this call, in which it stands still, when it is certain that it is part
    /// of a circle.
    pub(super) async fn in_circle(&self, caller: &WorkerId, key: &str) -> CallFailure {
        let mut seen: Vec<CallUnderWay> = Vec::new();
        let mut looks = 0;
        loop {
            clock::pause(LOOK_EVERY).await;
            let circle = self.calls_under_way.circle(caller, key).unwrap_or_default();
            looks = if circle == seen { looks + 1 } else { 1 };
            if let Some(last) = circle.iter().max_by_key(|call| (call.since, &call.key)) {
                // The others leave it to that one first.
                let wanted = if last.key == key { LOOKS } else { LOOKS + 1 };
                if looks >= wanted {
                    return refusal(&circle);
                }
            }
            seen = circle;
        }
    }
}

/// What a caller is told of the calls that wait for each other: the first is its own, the last calls it.
fn refusal(circle: &[CallUnderWay]) -> CallFailure {
    let called = |call: &CallUnderWay| format!("{}/{}", call.component, call.worker);
    let caller = circle.last().map(called).unwrap_or_default();
    let link = |call: &CallUnderWay| format!("{} ({})", called(call), call.function);
    let links: Vec<String> = circle.iter().map(link).collect();
    CallFailure::Denied(format!(
        "worker {caller} would wait for ever: it calls {}; let one of them send a message instead",
        links.join(", which waits for ")
    ))
}
