//! What happens to a worker: an invocation begins, ends, fails, is stopped; the worker goes on or goes away.

use std::sync::Arc;

use everlog_oplog::{
    Divergence, Failure, FailureKind, Index, NewInvocation, RecordedInvocation, Start, Verdict,
    WorkerState as Life,
};
use everlog_store::{Batch, Change, KeyRange, Order};

use super::desk::Waiting;
use super::execute::{self, End};
use super::front;
use super::guest::{Guest, Prepared, ResourceEvent, Returned};
use super::load;
use super::message::{Call, InvocationResult, Outcome, Reply, answer};
use super::task::{Flow, Task};
use wasmtime::component::Type;

use crate::durable::Recorder;
use crate::error::{InvokeError, WorkerError};
use crate::exports::Target;
use crate::records::{self, InvocationRecord};
use crate::statistics::add;
use crate::value::{Value, decode_values, encode_result};
use crate::{entropy, spaces};

/// Records removed at once when a worker is deleted.
const DELETE_PAGE: usize = 1_000;

/// An invocation that is about to run.
struct Run {
    begun: Index,
    target: Target,
    prepared: Prepared,
}

/// An invocation whose turn has come.
struct Turn {
    new: NewInvocation,
    /// Its entry, where the log holds it.
    accepted: Option<Index>,
    keyed: bool,
    caller: Option<Reply<Outcome>>,
}

impl Task {
    fn recorder(&self) -> Option<Arc<Recorder>> {
        self.recorder.clone()
    }

    /// Runs everything that is recorded, up to the point where the worker waits for something new.
    pub(super) async fn advance(&mut self) -> Flow {
        let Some(recorder) = self.recorder() else { return Flow::GoOn };
        let before = recorder.with(|journal, _| journal.replayed_entries());
        let flow = self.replay(&recorder).await;
        let met = recorder.with(|journal, _| journal.replayed_entries()).saturating_sub(before);
        add(&self.shared.counters.replayed_entries, met);
        flow
    }

    async fn replay(&mut self, recorder: &Arc<Recorder>) -> Flow {
        let uncertain =
            recorder.with(|journal, _| journal.uncertain_write().map(ToString::to_string));
        if let Some(message) = uncertain {
            self.adopt_current(recorder);
            return self.fail(recorder, FailureKind::UncertainWrite, message).await;
        }
        if let Err(end) = self.ensure_guest(recorder).await {
            self.adopt_current(recorder);
            return self.finish(recorder, end).await;
        }
        loop {
            let recorded = match recorder.with(|journal, _| journal.next_recorded()) {
                Ok(Some(recorded)) => recorded,
                Ok(None) => return Flow::GoOn,
                Err(divergence) => return self.stall(recorder, &divergence).await,
            };
            let flow = self.run_recorded(recorder, recorded).await;
            // A guest that is gone has ended otherwise than by returning: what is next, the status tells.
            if flow == Flow::Leave || self.guest.is_none() {
                return flow;
            }
        }
    }

    async fn run_recorded(
        &mut self,
        recorder: &Arc<Recorder>,
        recorded: RecordedInvocation,
    ) -> Flow {
        let unfit = |what: String| Divergence {
            index: recorded.index,
            recorded: format!("a call of `{}`", recorded.function),
            asked: what,
        };
        let resolved = self.front.version.exports().resolve(&recorded.function);
        let target = match resolved {
            Ok(target) => target,
            Err(error) => return self.stall(recorder, &unfit(error.to_string())).await,
        };
        let args = match self.shared.resolve(&recorded.request).await {
            Ok(bytes) => decode_values(&bytes),
            Err(error) => return self.store_failed(error).await,
        };
        let Some(guest) = &mut self.guest else { return Flow::GoOn };
        let prepared = args
            .map_err(|error| error.to_string())
            .and_then(|args| guest.prepare(&target, &args).map_err(|error| error.to_string()));
        match prepared {
            Ok(prepared) => {
                self.execute(recorder, Run { begun: recorded.index, target, prepared }).await
            }
            Err(error) => self.stall(recorder, &unfit(error)).await,
        }
    }

    /// Starts the next invocation in line.
    pub(super) async fn start(&mut self, waiting: Waiting) -> Flow {
        let Some(recorder) = self.recorder() else { return Flow::GoOn };
        let caught_up = match self.guest {
            Some(_) => Flow::GoOn,
            None => self.replay(&recorder).await,
        };
        if caught_up == Flow::Leave || self.guest.is_none() {
            // It failed on the way; the invocation keeps its place in line.
            self.front.desk.put_back(waiting);
            return caught_up;
        }
        match waiting {
            Waiting::Direct { call, reply } => self.start_direct(&recorder, *call, reply).await,
            Waiting::Accepted { index } => self.start_accepted(&recorder, index).await,
        }
    }

    async fn start_direct(
        &mut self,
        recorder: &Arc<Recorder>,
        call: Call,
        reply: Reply<Outcome>,
    ) -> Flow {
        let Call { key, keyed, function, target, args, request, fingerprint, trace } = call;
        let request = match self.front.payload(request).await {
            Ok(request) => request,
            Err(error) => {
                answer(vec![reply], &Err(error));
                return Flow::GoOn;
            }
        };
        let new = NewInvocation { key, function, request, fingerprint, trace };
        let turn = Turn { new, accepted: None, keyed, caller: Some(reply) };
        self.begin(recorder, turn, Ok((target, args))).await
    }

    async fn start_accepted(&mut self, recorder: &Arc<Recorder>, accepted: Index) -> Flow {
        let new = recorder.with(|journal, _| journal.accepted_request(accepted).cloned());
        // None: it was cancelled in between.
        let Some(new) = new else { return Flow::GoOn };
        let decoded = self.front.decode(&new).await;
        let turn = Turn { new, accepted: Some(accepted), keyed: true, caller: None };
        self.begin(recorder, turn, decoded).await
    }

    /// Checks the call once more, on the live instance, before the log hears of it.
    async fn begin(
        &mut self,
        recorder: &Arc<Recorder>,
        turn: Turn,
        decoded: Result<(Target, Vec<Value>), InvokeError>,
    ) -> Flow {
        let Some(guest) = &mut self.guest else { return Flow::GoOn };
        let prepared = decoded.and_then(|(target, args)| match guest.prepare(&target, &args) {
            Ok(prepared) => Ok((target, prepared)),
            Err(error) => Err(InvokeError::InvalidArguments { detail: error.to_string() }),
        });
        let (target, prepared) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return self.withdraw(recorder, turn, error),
        };
        let Turn { new, accepted, keyed, caller } = turn;
        self.front.desk.begin(new.key.clone(), new.fingerprint, keyed, caller);
        let NewInvocation { key, function, request, fingerprint, trace } = new;
        let start = Start { key, accepted, request, function, fingerprint, trace };
        match recorder.with(|journal, now| journal.start(start, now)) {
            Ok(begun) => self.execute(recorder, Run { begun, target, prepared }).await,
            Err(divergence) => self.stall(recorder, &divergence).await,
        }
    }

    /// Takes a call that can't run out of the line; the worker is unharmed.
    fn withdraw(&mut self, recorder: &Arc<Recorder>, turn: Turn, error: InvokeError) -> Flow {
        let Turn { new, accepted, caller, .. } = turn;
        let mut callers = self.front.desk.take_joined(&new.key);
        callers.extend(caller);
        let Some(begun) = accepted else {
            answer(callers, &Err(error));
            return Flow::GoOn;
        };
        let reason = error.to_string();
        let index = recorder.with(|journal, now| journal.cancel(&new.key, &reason, now));
        let record = InvocationRecord { fingerprint: new.fingerprint, begun, ended: Some(index) };
        recorder.flush_with(
            vec![record.put(&self.front.key, &new.key)],
            Box::new(move |_| answer(callers, &Err(error))),
        );
        Flow::GoOn
    }

    /// Has the guest run an invocation, and deals with its end.
    async fn execute(&mut self, recorder: &Arc<Recorder>, run: Run) -> Flow {
        let Run { begun, target, prepared } = run;
        let Some(guest) = &mut self.guest else { return Flow::GoOn };
        let (front, mailbox) = (&mut self.front, &mut self.mailbox);
        let end = execute::run(guest, recorder, front, mailbox, &target, prepared).await;
        match end {
            End::Returned(returned) => self.complete(recorder, begun, &target, returned).await,
            end => self.finish(recorder, end).await,
        }
    }

    /// Deals with an execution that ended otherwise than by returning.
    async fn finish(&mut self, recorder: &Arc<Recorder>, end: End) -> Flow {
        match end {
            End::Returned(_) => Flow::GoOn,
            End::Failed { kind, message } => self.fail(recorder, kind, message).await,
            End::Diverged(divergence) => self.stall(recorder, &divergence).await,
            End::Suspended { until } => {
                recorder.with(|journal, now| journal.suspend(until, now));
                self.reopen().await
            }
            End::Exited { code } => self.exit(recorder, code).await,
            End::Jumped => self.reopen().await,
            End::StoreFailed(error) => self.store_failed(error).await,
            End::Stopped(stop) => {
                self.guest = None;
                if let Flow::Leave = self.reopen().await {
                    return Flow::Leave;
                }
                Box::pin(self.stop(stop)).await
            }
        }
    }

    /// Records a result; the caller hears of it when it is on disk, the next invocation starts at once.
    async fn complete(
        &mut self,
        recorder: &Arc<Recorder>,
        begun: Index,
        target: &Target,
        returned: Returned,
    ) -> Flow {
        let Returned { value, events } = returned;
        let Some(guest) = &mut self.guest else { return Flow::GoOn };
        guest.state().flush_partial_lines();
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
                    let ty = self.front.version.exports().result_of(target).cloned();
                    self.settle(recorder, begun, completion.index, value, ty);
                }
                Flow::GoOn
            }
        }
    }

    fn settle(
        &mut self,
        recorder: &Arc<Recorder>,
        begun: Index,
        index: Index,
        value: Option<Value>,
        ty: Option<Type>,
    ) {
        add(&self.shared.counters.invocations_completed, 1);
        let Some(current) = self.front.desk.current.take() else {
            recorder.flush();
            return;
        };
        let fingerprint = current.fingerprint;
        let record = InvocationRecord { fingerprint, begun, ended: Some(index) };
        let change = record.put(&self.front.key, &current.key);
        if current.keyed {
            self.front.desk.unsettled(index, current.key.clone());
        }
        let result = InvocationResult { key: current.key, index, value, ty };
        recorder.flush_with(
            vec![change],
            Box::new(move |stored| {
                answer(current.callers, &stored.map(|()| result).map_err(InvokeError::from));
            }),
        );
    }

    /// Records a failure, and decides between another attempt and the end.
    async fn fail(&mut self, recorder: &Arc<Recorder>, kind: FailureKind, message: String) -> Flow {
        if recorder.with(|journal, _| journal.is_replaying()) && kind != FailureKind::HostMemory {
            let divergence = Divergence {
                index: execute::reached(recorder),
                recorded: "the execution went on".to_owned(),
                asked: format!("it failed: {message}"),
            };
            return self.stall(recorder, &divergence).await;
        }
        let failure = Failure { kind, message: message.clone() };
        let random = entropy::jitter();
        let (verdict, index) = recorder.with(|journal, now| {
            let verdict = journal.fail(failure, random, now);
            (verdict, journal.last_index())
        });
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

    async fn exit(&mut self, recorder: &Arc<Recorder>, code: u32) -> Flow {
        if let Some(guest) = &mut self.guest {
            guest.state().flush_partial_lines();
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
            journal.status().current().map(|current| (current.started, current.fingerprint))
        });
        let Some(current) = self.front.desk.current.take() else { return };
        let changes = match begun {
            Some((begun, fingerprint)) => {
                let record = InvocationRecord { fingerprint, begun, ended: Some(ended) };
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
    async fn stall(&mut self, recorder: &Arc<Recorder>, divergence: &Divergence) -> Flow {
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

    pub(super) async fn interrupt(&mut self, reply: Reply<Result<(), WorkerError>>) -> Flow {
        let Some(recorder) = self.recorder() else { return Flow::GoOn };
        let stopped = recorder.with(|journal, now| {
            let stops = matches!(
                journal.status().state,
                Life::Idle | Life::Running | Life::Suspended | Life::Retrying
            );
            if stops {
                journal.interrupt(now);
            }
            stops
        });
        self.front.nudged = false;
        self.front.cache_status(&recorder);
        recorder.flush_with(
            Vec::new(),
            Box::new(move |stored| drop(reply.send(stored.map_err(WorkerError::from)))),
        );
        if stopped {
            let _ = recorder.gate().await;
            let worker = self.front.label.to_string();
            self.front.desk.refuse_all(&InvokeError::Interrupted { worker });
        }
        Flow::GoOn
    }

    pub(super) fn resume(&mut self, reply: Option<Reply<Result<(), WorkerError>>>) -> Flow {
        let Some(recorder) = self.recorder() else { return Flow::GoOn };
        recorder.with(|journal, now| {
            if matches!(journal.status().state, Life::Interrupted | Life::Failed | Life::Stalled) {
                journal.resume(now);
            }
        });
        self.adopt_current(&recorder);
        recorder.flush_with(
            Vec::new(),
            Box::new(move |stored| {
                if let Some(reply) = reply {
                    let _ = reply.send(stored.map_err(WorkerError::from));
                }
            }),
        );
        Flow::GoOn
    }

    /// Removes the worker and all that it owned.
    pub(super) async fn remove(&mut self) -> Flow {
        self.guest = None;
        let Some(recorder) = self.recorder.take() else { return Flow::Leave };
        let _ = recorder.gate().await;
        let key = self.front.key.clone();
        let worker = self.front.label.to_string();
        let removed = async {
            loop {
                let prefix = KeyRange::prefix(key.as_bytes());
                let store = &self.shared.store;
                let page =
                    store.scan(spaces::INVOCATIONS, prefix, Order::Forward, DELETE_PAGE).await?;
                if page.is_empty() {
                    break;
                }
                let delete = |(key, _)| Change::Delete { space: spaces::INVOCATIONS, key };
                let changes = page.into_iter().map(delete).collect();
                everlog_store::commit(&**store, Batch { changes, ..Batch::default() }).await?;
            }
            let mut changes =
                vec![Change::Delete { space: spaces::WORKERS, key: key.as_bytes().to_vec() }];
            changes.extend(recorder.wake().map(|due| records::delete_wake(&key, due)));
            let delete_logs = vec![key.clone()];
            let batch = Batch { changes, delete_logs, ..Batch::default() };
            everlog_store::commit(&*self.shared.store, batch).await
        };
        let error = match removed.await {
            Ok(()) => InvokeError::Deleted { worker },
            Err(error) => error.into(),
        };
        if let Err(error) = self.shared.files.remove(&self.front.worker) {
            tracing::warn!(worker = %self.front.label, %error, "the worker's files could not be removed");
        }
        self.front.desk.refuse_all(&error);
        Flow::Leave
    }

    async fn store_failed(&mut self, error: everlog_store::StoreError) -> Flow {
        self.guest = None;
        self.front.desk.refuse_all(&error.into());
        Flow::Leave
    }

    /// Drops the instance and makes the journal anew from the log, as a start of the server would.
    pub(super) async fn reopen(&mut self) -> Flow {
        self.guest = None;
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
        match load::recover(&self.shared, &self.front.worker, &self.front.key).await {
            Ok(Some(recovered)) => {
                let recorder =
                    load::recorder(&self.shared, &self.front.key, &self.handle.durable, recovered);
                self.recorder = Some(recorder);
                Flow::GoOn
            }
            Ok(None) => Flow::Leave,
            Err(error) => {
                tracing::error!(worker = %self.front.label, %error, "the worker can't be recovered");
                self.front.desk.refuse_all(&InvokeError::Worker(error));
                Flow::Leave
            }
        }
    }

    /// After a load: who sends the key of the invocation that was cut off waits for its end.
    pub(super) fn adopt_unfinished(&mut self) {
        let Some(recorder) = self.recorder() else { return };
        let life = recorder.with(|journal, _| journal.status().state);
        if !matches!(life, Life::Failed | Life::Exited | Life::Stalled) {
            self.adopt_current(&recorder);
        }
    }

    /// Makes the invocation that the log has open the desk's current one, keeping those who wait for it.
    fn adopt_current(&mut self, recorder: &Arc<Recorder>) {
        let open = recorder.with(|journal, _| {
            let current = journal.status().current();
            current.map(|current| (current.key.clone(), current.fingerprint))
        });
        if let Some((key, fingerprint)) = open {
            self.front.desk.begin(key, fingerprint, true, None);
        }
    }

    async fn ensure_guest(&mut self, recorder: &Arc<Recorder>) -> Result<(), End> {
        if self.guest.is_some() {
            return Ok(());
        }
        let guest = loop {
            let state = load::state(&self.shared, &self.front, recorder);
            match Guest::new(&self.shared.engine, Arc::clone(&self.front.version), state).await {
                Ok(guest) => break guest,
                // As many instances as the pool has are busy: wait until one is free.
                Err(error) if error.is::<wasmtime::PoolConcurrencyLimitError>() => {
                    self.shared.registry.make_room().await;
                }
                Err(error) => return Err(execute::explain(error)),
            }
        };
        self.guest = Some(guest);
        Ok(())
    }
}
