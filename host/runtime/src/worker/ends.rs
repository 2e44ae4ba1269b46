//! How an execution ends, and what the log and the callers hear of it.

use std::sync::Arc;

use everlog_oplog::{Divergence, Failure, FailureKind, Index, Verdict};
use everlog_store::StoreError;
use wasmtime::component::Type;

use super::execute::{End, Stop};
use super::front::Front;
use super::guest::{ResourceEvent, Returned};
use super::message::{Control, Ending, InvocationResult, answer};
use super::task::{Flow, Task};
use super::{front, load, update};
use crate::durable::{Flushed, Recorder};
use crate::entropy;
use crate::error::{InvokeError, WorkerError};
use crate::exports::Target;
use crate::records::InvocationRecord;
use crate::statistics::add;
use crate::value::{Value, encode_result};

/// What an invocation returned.
struct Settled {
    index: Index,
    value: Option<Value>,
    ty: Option<Type>,
    cancelled: bool,
}

impl Task {
    /// Deals with an execution that ended otherwise than by returning.
    pub(super) async fn finish(&mut self, recorder: &Arc<Recorder>, end: End) -> Flow {
        match end {
            End::Returned(_) => Flow::GoOn,
            End::Failed { kind, message } => self.fail(recorder, kind, message).await,
            End::Diverged(divergence) => self.stall(recorder, &divergence).await,
            End::Suspended { until } => {
                recorder.with(|journal, now| journal.suspend(until, now));
                let until = until.filter(|_| !self.awaits_answer());
                if self.is_left_alone(until) { self.leave().await } else { self.reopen().await }
            }
            End::Cancelled => self.end_current_at_once(Ending::Cancel, None).await,
            End::Exited { code } => self.exit(recorder, code).await,
            End::Jumped => self.reopen().await,
            End::StoreFailed(error) => self.store_failed(error).await,
            End::Halted => self.taken_over_at_rest(recorder).await,
            End::Stopped(stop) => {
                self.guest = None;
                // An interruption is written behind what the cut-off execution has left; the others look after that.
                if let Stop::Control(Control::Interrupt, _) = &stop
                    && self.reopen().await == Flow::Leave
                {
                    return Flow::Leave;
                }
                Box::pin(self.stop(stop)).await
            }
        }
    }

    /// Records a result; the caller hears of it when it is on disk, the next invocation starts at once.
    pub(super) async fn complete(
        &mut self,
        recorder: &Arc<Recorder>,
        begun: Index,
        target: &Target,
        returned: Returned,
    ) -> Flow {
        let Returned { value, events } = returned;
        let Some(guest) = &mut self.guest else { return Flow::GoOn };
        guest.state().flush_partial_lines();
        if let Some(action) = guest.state().open_action() {
            let message = format!("the function returned while action {action:?} was open");
            return self.fail(recorder, FailureKind::HostError, message).await;
        }
        let memory_bytes = guest.state().limiter.used();
        let payload = match encode_result(value.as_ref()) {
            Ok(bytes) => self.front.payload(bytes).await,
            Err(error) => {
                return self.fail(recorder, FailureKind::HostError, error.to_string()).await;
            }
        };
        let payload = match payload {
            Ok(payload) => payload,
            Err(InvokeError::Worker(WorkerError::Storage(error))) => {
                return self.store_failed(error).await;
            }
            Err(error) => {
                return self.fail(recorder, FailureKind::HostError, error.to_string()).await;
            }
        };
        let cancelled = recorder.with(|journal, _| journal.status().cancel_requested().is_some());
        let completion = recorder.with(|journal, now| {
            for event in events {
                match event {
                    ResourceEvent::Created { id, resource, params } => {
                        journal.resource_created(id, resource, params, now);
                    }
                    ResourceEvent::Dropped { id } => journal.resource_dropped(id, now),
                }
            }
            journal.complete(payload, memory_bytes, now)
        });
        match completion {
            Err(divergence) => self.stall(recorder, &divergence).await,
            Ok(completion) => {
                if !completion.replayed {
                    if let Some(guest) = &mut self.guest {
                        guest.state().tracing.end(None);
                    }
                    let ty = self.front.version.exports().result_of(target).cloned();
                    let result = Settled { index: completion.index, value, ty, cancelled };
                    self.settle(recorder, begun, result);
                }
                Flow::GoOn
            }
        }
    }

    fn settle(&mut self, recorder: &Arc<Recorder>, begun: Index, settled: Settled) {
        let Settled { index, value, ty, cancelled } = settled;
        add(&self.shared.counters.invocations_completed, 1);
        let Some(current) = self.front.desk.current.take() else {
            recorder.flush();
            return;
        };
        let fingerprint = current.fingerprint;
        let record = InvocationRecord { fingerprint, begun, ended: Some(index), cancelled };
        let change = record.put(&self.front.key, &current.key);
        if current.keyed {
            self.front.desk.unsettled(index, current.key.clone());
        }
        let result = InvocationResult { key: current.key, index, value, ty, cancelled };
        let (within, outside): (Vec<_>, Vec<_>) =
            current.callers.into_iter().partition(|caller| caller.is_within);
        let telling = |callers, result| -> Flushed {
            Box::new(move |stored| {
                answer(callers, &stored.map(|()| result).map_err(InvokeError::from));
            })
        };
        if !within.is_empty() {
            let within = telling(within, result.clone());
            return recorder.flush_telling(vec![change], within, telling(outside, result));
        }
        let done = telling(outside, result);
        if self.front.desk.waiting() == 0 && self.mailbox.is_empty() {
            recorder.commit_with(vec![change], done);
        } else {
            // The next one runs while this one's entries are on their way to the disk.
            recorder.flush_with(vec![change], done);
        }
    }

    /// Records a failure, and decides between another attempt and the end.
    pub(super) async fn fail(
        &mut self,
        recorder: &Arc<Recorder>,
        kind: FailureKind,
        message: String,
    ) -> Flow {
        let message = self.with_last_words(message);
        let tried = self.front.before_trial.is_some();
        if tried && kind == FailureKind::HostMemory {
            return self.postpone_update().await;
        }
        // Neither is the guest's doing: there is no room, or what it did before must not be done again.
        let blameless = matches!(kind, FailureKind::HostMemory | FailureKind::UncertainWrite);
        let ended = recorder.with(|journal, _| journal.is_replaying() || journal.has_halted());
        if ended && (tried || !blameless) {
            let divergence = update::expected(recorder, format!("it failed: {message}"));
            return self.stall(recorder, &divergence).await;
        }
        let failure = Failure { kind, message: message.clone() };
        let random = entropy::jitter();
        let (verdict, index) = recorder.with(|journal, now| {
            let verdict = journal.fail(failure, random, now);
            (verdict, journal.last_index())
        });
        if let Some(guest) = &mut self.guest {
            match verdict {
                Verdict::RetryAt(_) => guest.state().tracing.attempt_failed(&message),
                Verdict::Final => guest.state().tracing.end(Some(&message)),
            }
        }
        if let Verdict::RetryAt(_) = verdict {
            add(&self.shared.counters.retries, 1);
            return self.reopen().await;
        }
        add(&self.shared.counters.invocations_failed, 1);
        self.end_current(recorder, index, &InvokeError::Failed { message: message.clone(), index })
            .await;
        let worker = self.front.label.to_string();
        self.front.desk.refuse_direct(&InvokeError::PreviousFailed { worker, message });
        self.reopen().await
    }

    /// A panicking guest prints why, and then merely traps.
    pub(super) fn with_last_words(&mut self, message: String) -> String {
        let words = self.guest.as_mut().map(|guest| guest.state().last_words());
        match words {
            Some(words) if !words.is_empty() => format!("{words}\n{message}"),
            _ => message,
        }
    }

    async fn exit(&mut self, recorder: &Arc<Recorder>, code: u32) -> Flow {
        if let Some(guest) = &mut self.guest {
            guest.state().flush_partial_lines();
            let failed = (code != 0).then(|| format!("exited with code {code}"));
            guest.state().tracing.end(failed.as_deref());
        }
        let index = recorder.with(|journal, now| journal.exit(code, now));
        let exited = InvokeError::Exited { worker: self.front.label.to_string(), code };
        self.end_current(recorder, index, &exited).await;
        self.front.desk.refuse_all(&exited);
        self.reopen().await
    }

    /// Records how the running invocation ended without a result, and tells its callers once that is on disk.
    async fn end_current(&mut self, recorder: &Arc<Recorder>, ended: Index, error: &InvokeError) {
        let begun = recorder.with(|journal, _| {
            let status = journal.status();
            let cancelled = status.cancel_requested().is_some();
            status.current().map(|current| (current.started, current.fingerprint, cancelled))
        });
        let current = self.front.desk.current.take();
        let Some(current) = current else {
            let _ = recorder.gate().await;
            return;
        };
        let changes = match begun {
            Some((begun, fingerprint, cancelled)) => {
                let ended = Some(ended);
                let record = InvocationRecord { fingerprint, begun, ended, cancelled };
                vec![record.put(&self.front.key, &current.key)]
            }
            None => Vec::new(),
        };
        let error = error.clone();
        recorder.flush_with(
            changes,
            Box::new(move |stored| {
                let error = stored.map_or_else(InvokeError::from, |()| error);
                answer(current.callers, &Err(error));
            }),
        );
        // Whoever waits in line is told next, and must not be told what is not on disk.
        let _ = recorder.gate().await;
    }

    /// Replay and log disagree: nothing more runs until somebody acts.
    pub(super) async fn stall(
        &mut self,
        recorder: &Arc<Recorder>,
        divergence: &Divergence,
    ) -> Flow {
        if let Some(flow) = self.end_trial(recorder, divergence).await {
            return flow;
        }
        tracing::error!(worker = %self.front.label, %divergence, "the worker is stalled");
        add(&self.shared.counters.divergences, 1);
        recorder.with(|journal, now| journal.stall(divergence, now));
        let _ = recorder.gate().await;
        let error = recorder
            .with(|journal, _| front::stalled(self.front.label.to_string(), journal.status()));
        self.front.desk.refuse_all(&error);
        self.front.desk.current = None;
        self.reopen().await
    }

    pub(super) async fn store_failed(&mut self, error: StoreError) -> Flow {
        self.guest = None;
        if matches!(error, StoreError::Unexpected { .. } | StoreError::Conflict { .. }) {
            // A worker of another node was quicker with data that both share. Nothing of the batch is stored, so it is
            // done again on what is there now.
            let worker = self.front.label.to_string();
            self.front.desk.refuse_all(&WorkerError::Contended { worker }.into());
            return self.begin_anew().await;
        }
        self.front.desk.refuse_all(&error.into());
        Flow::Leave
    }

    /// Forgets all there is in memory, as its batches were refused, and begins with what is stored: a call that was taken
    /// for running or for ended may never have begun, or have begun and not ended.
    async fn begin_anew(&mut self) -> Flow {
        if let Some(refused) = self.recorder.take() {
            // What is under way could otherwise be read as stored too late, or be taken for a word about what comes next.
            refused.settled().await;
        }
        let recovered = Self::recover(&self.shared, &self.front.worker, &self.handle).await;
        match recovered {
            Ok((front, Some(recorder))) => {
                let Front { nudged, hand_over_by, let_go, .. } = self.front;
                self.front = Front { nudged, hand_over_by, let_go, ..front };
                self.recorder = Some(recorder);
                self.adopt_unfinished();
                Flow::GoOn
            }
            Ok((_, None)) => Flow::Leave,
            Err(error) => self.not_recovered(error),
        }
    }

    /// Drops the instance and makes the journal anew from the log, as a start of the server would.
    pub(super) async fn reopen(&mut self) -> Flow {
        self.guest = None;
        self.front.leave_trial();
        let Some(recorder) = self.recorder() else { return Flow::GoOn };
        self.front.cache_status(&recorder);
        if let Err(interruption) = recorder.gate().await {
            let error = recorder.failure();
            tracing::error!(worker = %self.front.label, %interruption, "the store takes no entries");
            return match error {
                Some(error) => self.store_failed(error).await,
                None => Flow::Leave,
            };
        }
        self.recover_anew().await
    }

    /// Makes the journal anew from the log, whatever is in memory.
    pub(super) async fn recover_anew(&mut self) -> Flow {
        match load::recover(&self.shared, &self.front.worker, &self.front.key).await {
            Ok(Some(recovered)) => {
                let recorder =
                    load::recorder(&self.shared, &self.front.key, &self.handle.durable, recovered);
                self.recorder = Some(recorder);
                Flow::GoOn
            }
            Ok(None) => Flow::Leave,
            Err(error) => self.not_recovered(error),
        }
    }

    fn not_recovered(&mut self, error: WorkerError) -> Flow {
        tracing::error!(worker = %self.front.label, %error, "the worker can't be recovered");
        self.front.desk.refuse_all(&InvokeError::Worker(error));
        Flow::Leave
    }
}
