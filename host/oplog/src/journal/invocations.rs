//! From one invocation to the next.

use super::divergence::describe;
use super::{Divergence, Journal};
use crate::entry::{EntryKind, TraceContext};
use crate::index::{Index, Timestamp};
use crate::payload::Payload;

/// An invocation that is to be started or queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewInvocation {
    /// Its idempotency key.
    pub key: String,
    /// The full name of the exported function.
    pub function: String,
    /// The arguments, encoded by the runtime.
    pub request: Payload,
    /// Of function and request, see [`crate::fingerprint`].
    pub fingerprint: u64,
    /// The caller's span.
    pub trace: Option<TraceContext>,
}

/// An invocation that starts now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Its idempotency key.
    pub key: String,
    /// The `Accepted` hint that holds the request, where it was queued durably before. The log does
    /// not hold it twice.
    pub accepted: Option<Index>,
    /// The arguments, encoded by the runtime.
    pub request: Payload,
    /// The full name of the exported function.
    pub function: String,
    /// Of function and request, see [`crate::fingerprint`].
    pub fingerprint: u64,
    /// The caller's span.
    pub trace: Option<TraceContext>,
}

/// An invocation that started before and is to be run again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedInvocation {
    /// The index of its `InvocationStarted`.
    pub index: Index,
    /// Its idempotency key.
    pub key: String,
    /// The full name of the exported function.
    pub function: String,
    /// The arguments, encoded by the runtime.
    pub request: Payload,
    /// The caller's span.
    pub trace: Option<TraceContext>,
    /// When it started.
    pub started_at: Timestamp,
}

/// The end of an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The index of its `InvocationCompleted`. The answer may leave once the log is durable up to
    /// here.
    pub index: Index,
    /// Whether the invocation had completed before, and was answered.
    pub replayed: bool,
}

impl Journal {
    /// The invocation that is to be run again, or `None` where all that are recorded have been.
    ///
    /// # Errors
    /// A [`Divergence`] where the log holds calls that the component has not made.
    pub fn next_recorded(&mut self) -> Result<Option<RecordedInvocation>, Divergence> {
        let Some((index, entry)) = self.meet()? else {
            // What an operator took back was started and will not start again.
            let queued = &self.status.accepted;
            self.requests.retain(|index, _| queued.contains_key(index));
            return Ok(None);
        };
        match entry.kind {
            EntryKind::InvocationStarted { key, accepted, request, function, trace, .. } => {
                let queued = accepted.and_then(|accepted| self.requests.remove(&accepted));
                let queued = queued.map(|queued| queued.request);
                let Some(request) = request.or(queued) else {
                    return Err(self.stop(Divergence {
                        index,
                        recorded: format!("invocation `{key}` of `{function}`, without a request"),
                        asked: "its request".to_owned(),
                    }));
                };
                let started_at = entry.timestamp;
                Ok(Some(RecordedInvocation { index, key, function, request, trace, started_at }))
            }
            other => Err(self.diverge(index, &other, "nothing before the next invocation".into())),
        }
    }

    /// Starts a new invocation. All recorded ones must have been run and completed.
    ///
    /// # Errors
    /// A [`Divergence`] where recorded entries lie ahead.
    pub fn start(&mut self, start: Start, now: Timestamp) -> Result<Index, Divergence> {
        let Start { key, accepted, request, function, fingerprint, trace } = start;
        if let Some((index, entry)) = self.meet()? {
            let asked = format!("the start of invocation `{key}` of `{function}`");
            return Err(self.diverge(index, &entry.kind, asked));
        }
        self.go_live(now)?;
        let request = match accepted {
            Some(accepted) => self.requests.remove(&accepted).is_none().then_some(request),
            None => Some(request),
        };
        let kind =
            EntryKind::InvocationStarted { key, accepted, request, function, fingerprint, trace };
        Ok(self.append(kind, now))
    }

    /// Ends the running invocation. In replay the result must be the recorded one.
    ///
    /// # Errors
    /// A [`Divergence`] where another result, or anything else, is recorded at this point.
    pub fn complete(
        &mut self,
        result: Payload,
        memory_bytes: u64,
        now: Timestamp,
    ) -> Result<Completion, Divergence> {
        if let Some((index, entry)) = self.meet()? {
            return match entry.kind {
                EntryKind::InvocationCompleted { result: ref recorded, .. }
                    if *recorded == result =>
                {
                    Ok(Completion { index, replayed: true })
                }
                other => {
                    let asked = describe(&EntryKind::InvocationCompleted { result, memory_bytes });
                    Err(self.diverge(index, &other, asked))
                }
            };
        }
        self.go_live(now)?;
        let kind = EntryKind::InvocationCompleted { result, memory_bytes };
        Ok(Completion { index: self.append(kind, now), replayed: false })
    }

    /// A queued invocation whose `Accepted` hint is at `accepted`, with its request, as long as it
    /// has not started. Complete once replay is over.
    #[must_use]
    pub fn accepted_request(&self, accepted: Index) -> Option<&NewInvocation> {
        self.requests.get(&accepted)
    }
}
