//! Facts that no call of the guest waits for. They go to the end of the log, whether the worker
//! replays or not.

use uuid::Uuid;

use super::invocations::NewInvocation;
use super::{Divergence, Draws, Journal};
use crate::entry::{Caller, EntryKind, FailureKind, LogLevel, LogStream, UpdateMode, WorkerId};
use crate::index::{Index, Timestamp};
use crate::payload::Payload;

/// The longest line or message that is recorded, in bytes. What is longer is cut, and says so.
pub const MAX_TEXT_BYTES: usize = 64 << 10;

/// A line that the guest printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where to.
    pub stream: LogStream,
    /// How important, on [`LogStream::Log`].
    pub level: Option<LogLevel>,
    /// What it is about, on [`LogStream::Log`].
    pub context: Option<String>,
    /// The line without its newline.
    pub message: String,
}

/// How an execution failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What sort of failure it is.
    pub kind: FailureKind,
    /// Message and backtrace for a reader.
    pub message: String,
}

/// What comes after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Another attempt at this time.
    RetryAt(Timestamp),
    /// Nothing, until somebody revives the worker.
    Final,
}

/// Why a promise cannot be completed or deleted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PromiseError {
    /// Replay met something else.
    #[error(transparent)]
    Diverged(#[from] Divergence),
    /// There is no such promise.
    #[error("promise {promise} of this worker was never made, or is deleted")]
    Unknown {
        /// The promise.
        promise: Index,
    },
}

impl Journal {
    /// Queues an invocation. Once the log is durable up to the index that is returned, its caller
    /// may know.
    pub fn accept(
        &mut self,
        invocation: NewInvocation,
        due: Option<Timestamp>,
        now: Timestamp,
    ) -> Index {
        let NewInvocation { key, function, request, fingerprint, trace } = invocation.clone();
        let kind = EntryKind::Accepted { key, function, request, fingerprint, due, trace };
        let index = self.append(kind, now);
        self.requests.insert(index, invocation);
        index
    }

    /// Takes a queued invocation that has not started out of the queue.
    pub fn cancel(&mut self, key: &str, reason: &str, now: Timestamp) -> Index {
        let kind = EntryKind::Cancelled { key: key.to_owned(), reason: cut(reason.to_owned()) };
        self.requests.retain(|_, queued| queued.key != key);
        self.append(kind, now)
    }

    /// Somebody asks that the running invocation come to an end; asking twice is asking once. `None`
    /// where none runs.
    pub fn request_cancel(&mut self, now: Timestamp) -> Option<Index> {
        if let Some(requested) = self.status.cancel_requested() {
            return Some(requested);
        }
        let key = self.status.current()?.key.clone();
        Some(self.append(EntryKind::CancelRequested { key }, now))
    }

    /// Records a printed line. Returns false where it is an old one that the guest prints again in
    /// replay: it is in the log and must not be shown twice.
    pub fn log(&mut self, line: Line, now: Timestamp) -> bool {
        let Line { stream, level, context, message } = line;
        let kind =
            EntryKind::Log { stream, level, context: context.map(cut), message: cut(message) };
        if self.check().is_err() || self.is_apart() || self.lines.is_old(&kind, self.is_replaying())
        {
            return false;
        }
        // A worker that must not go on prints nothing new.
        if self.go_live(now).is_err() {
            return false;
        }
        self.append(kind, now);
        true
    }

    /// Records a failure and decides what comes after it, by the retry policy and by how often
    /// execution has failed at the same logical position. `random` is any number and spreads the
    /// delay.
    pub fn fail(&mut self, failure: Failure, random: u64, now: Timestamp) -> Verdict {
        let Failure { kind, message } = failure;
        let policy = self.retry_policy();
        let position = self.execution().failure_position();
        let before = match &self.status.failure {
            Some(last) if last.position == position => last.attempts,
            _ => 0,
        };
        let attempt = if kind.uses_attempt() { before.saturating_add(1) } else { before };
        let retry = if kind.uses_attempt() { attempt } else { u32::MAX };
        let again = kind.is_retried() && (!kind.uses_attempt() || attempt <= policy.max_attempts);
        let retry_at = again.then(|| now.after(policy.delay_nanos(retry, random)));
        let message = cut(message);
        self.append(EntryKind::Failed { position, attempt, kind, message, retry_at }, now);
        retry_at.map_or(Verdict::Final, Verdict::RetryAt)
    }

    /// The worker leaves memory while it waits, until a time or until something else wakes it.
    pub fn suspend(&mut self, until: Option<Timestamp>, now: Timestamp) -> Index {
        match self.awaits.take() {
            Some(promise) if until.is_none() => self.append(EntryKind::Awaiting { promise }, now),
            _ => self.append(EntryKind::Suspended { until }, now),
        }
    }

    /// What the guest waits for, should the worker be suspended next, is a promise of its own.
    pub fn will_await(&mut self, promise: Index) {
        self.awaits = Some(promise);
    }

    /// What the worker waited for has come. Also recorded by itself, before the first thing that
    /// happens after a suspension.
    pub fn wake(&mut self, now: Timestamp) -> Index {
        self.append(EntryKind::Woken, now)
    }

    /// An operator stops the worker.
    pub fn interrupt(&mut self, now: Timestamp) -> Index {
        self.append(EntryKind::Interrupted, now)
    }

    /// An operator lets a stopped, failed or stalled worker go on. A failed or stalled one needs a
    /// recovery then.
    pub fn resume(&mut self, now: Timestamp) -> Index {
        self.append(EntryKind::Resumed, now)
    }

    /// The guest ended its worker.
    pub fn exit(&mut self, code: u32, now: Timestamp) -> Index {
        self.append(EntryKind::Exited { code }, now)
    }

    /// The worker cannot go on because of `divergence`.
    pub fn stall(&mut self, divergence: &Divergence, now: Timestamp) -> Index {
        let Divergence { index, recorded, asked } = divergence.clone();
        let kind = EntryKind::Stalled { entry: index, recorded: cut(recorded), asked: cut(asked) };
        self.append(kind, now)
    }

    /// The worker owns another exported resource. Does nothing in replay, where the log says so
    /// already.
    pub fn resource_created(&mut self, id: u64, resource: String, params: String, now: Timestamp) {
        if self.is_replaying() || self.status.resources.contains_key(&id) {
            return;
        }
        self.append(EntryKind::ResourceCreated { id, resource, params: cut(params) }, now);
    }

    /// An exported resource is gone. Does nothing where the log says so already.
    pub fn resource_dropped(&mut self, id: u64, now: Timestamp) {
        if self.is_replaying() || !self.status.resources.contains_key(&id) {
            return;
        }
        self.append(EntryKind::ResourceDropped { id }, now);
    }

    /// Makes a promise, whose name is the index that is returned.
    ///
    /// # Errors
    /// A [`Divergence`] where something else is recorded at this point.
    pub fn create_promise(&mut self, now: Timestamp) -> Result<Index, Divergence> {
        self.steer(EntryKind::PromiseCreated, now).map(|steered| steered.index)
    }

    /// Deletes a promise.
    ///
    /// # Errors
    /// A [`PromiseError`] where there is no such promise, with which the guest traps.
    pub fn delete_promise(&mut self, promise: Index, now: Timestamp) -> Result<(), PromiseError> {
        if !self.is_replaying() && !self.status.promises.contains_key(&promise) {
            return Err(PromiseError::Unknown { promise });
        }
        self.steer(EntryKind::PromiseDeleted { promise }, now)?;
        Ok(())
    }

    /// Somebody completes a promise. Returns whether this is the first completion, which is the one
    /// that counts. [`crate::Status::promises`] holds what was given.
    ///
    /// # Errors
    /// [`PromiseError::Unknown`] where there is no such promise.
    pub fn promise_completed(
        &mut self,
        promise: Index,
        data: Payload,
        now: Timestamp,
    ) -> Result<bool, PromiseError> {
        match self.status.promises.get(&promise) {
            None => Err(PromiseError::Unknown { promise }),
            Some(known) if known.completed.is_some() => Ok(false),
            Some(_) => {
                self.append(EntryKind::PromiseCompleted { promise, data }, now);
                Ok(true)
            }
        }
    }

    /// As [`promise_completed`](Self::promise_completed), by a call of a worker. The very call that
    /// completed it gets the same answer again.
    ///
    /// # Errors
    /// [`PromiseError::Unknown`] where there is no such promise.
    pub fn promise_completed_by(
        &mut self,
        promise: Index,
        data: Payload,
        completer: Caller,
        now: Timestamp,
    ) -> Result<bool, PromiseError> {
        match self.status.promises.get(&promise) {
            None => Err(PromiseError::Unknown { promise }),
            Some(known) if known.completed.is_some() => {
                Ok(known.completer.as_ref() == Some(&completer))
            }
            Some(_) => {
                self.append(EntryKind::PromiseCompletedBy { promise, data, completer }, now);
                Ok(true)
            }
        }
    }

    /// The worker is to go over to another version.
    pub fn update_requested(&mut self, version: u64, mode: UpdateMode, now: Timestamp) -> Index {
        self.append(EntryKind::UpdateRequested { version, mode }, now)
    }

    /// A worker's call asks that this worker go over to another version. Returns whether that is
    /// new: the very call that asked before asks for nothing more.
    pub fn update_requested_by(
        &mut self,
        version: u64,
        mode: UpdateMode,
        requester: Caller,
        now: Timestamp,
    ) -> bool {
        if self.status.was_requested_by(version, mode, &requester) {
            return false;
        }
        self.append(EntryKind::UpdateRequestedBy { version, mode, requester }, now);
        true
    }

    /// The worker runs on another version from here on.
    pub fn update_done(&mut self, version: u64, now: Timestamp) -> Index {
        self.append(EntryKind::UpdateDone { version }, now)
    }

    /// The worker stays on its version.
    pub fn update_failed(&mut self, version: u64, details: String, now: Timestamp) -> Index {
        self.append(EntryKind::UpdateFailed { version, details: cut(details) }, now)
    }

    /// An image of the instance after entry `covers` is in the store.
    pub fn snapshot_stored(
        &mut self,
        covers: Index,
        digest: [u8; 32],
        size: u64,
        now: Timestamp,
    ) -> Index {
        let version = self.status.component_version;
        self.append(EntryKind::Snapshot { covers, digest, size, version }, now)
    }

    /// The log up to here is a copy of the first `at` entries of `source`'s.
    pub fn forked(&mut self, source: WorkerId, at: Index, now: Timestamp) -> Index {
        self.append(EntryKind::Forked { source, at }, now)
    }

    /// An idempotency key for what the guest does next: the same where a crash makes it happen
    /// again, another one where the guest went back on purpose. `namespace` is the worker's own.
    pub fn idempotency_key(&mut self, namespace: Uuid) -> Uuid {
        let position = self.logical_position();
        let count = if self.draws.position == position { self.draws.count } else { 0 };
        self.draws = Draws { position, count: count + 1 };
        let name = [position.returns, position.entries, count].map(u64::to_le_bytes);
        Uuid::new_v5(&namespace, name.as_flattened())
    }
}

/// Text that is no longer than what is recorded.
fn cut(mut text: String) -> String {
    const NOTICE_MAX_BYTES: usize = 40;
    if text.len() > MAX_TEXT_BYTES {
        let kept = text.floor_char_boundary(MAX_TEXT_BYTES - NOTICE_MAX_BYTES);
        let left = text.len() - kept;
        text.truncate(kept);
        text.push_str(&format!("… ({left} bytes more)"));
    }
    text
}
