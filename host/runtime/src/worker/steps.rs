//! How a worker goes on: what the log holds runs again, then what waits in line begins.

use std::sync::Arc;

use everlog_oplog::{
    Divergence, FailureKind, Index, NewInvocation, RecordedInvocation, Start, WorkerState as Life,
};

use super::desk::Waiting;
use super::execute::{self, End};
use super::guest::Prepared;
use super::load;
use super::message::{Call, Waiter, answer};
use super::task::{Flow, Task};
use super::update::Saved;
use super::withdrawals::withdrawal;
use crate::clock;
use crate::durable::Recorder;
use crate::error::InvokeError;
use crate::exports::Target;
use crate::records::InvocationRecord;
use crate::spans::Begun;
use crate::statistics::add;
use crate::value::{Value, decode_values};

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
    caller: Option<Waiter>,
}

impl Task {
    pub(super) fn recorder(&self) -> Option<Arc<Recorder>> {
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
        self.shared.absent_callers.forget(&self.front.worker);
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
        let unfit = |what: String| {
            let divergence = Divergence {
                index: recorded.index,
                recorded: format!("a call of `{}`", recorded.function),
                asked: what,
            };
            recorder.with(|journal, _| journal.give_up(divergence))
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
        guest.state().tracing.begin(Begun {
            index: recorded.index,
            function: &recorded.function,
            key: &recorded.key,
            at: recorded.started_at,
            trace: recorded.trace,
        });
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
        let mut waiting = waiting;
        if self.guest.is_none() {
            // It keeps its place in line meanwhile: a worker that can't be brought back tells all who wait.
            self.front.desk.put_back(waiting);
            let flow = self.replay(&recorder).await;
            if flow == Flow::Leave || self.guest.is_none() {
                return flow;
            }
            match self.front.desk.next(clock::now()) {
                Some(next) => waiting = next,
                None => return Flow::GoOn,
            }
        }
        match waiting {
            Waiting::Update => self.update_by_snapshot(&recorder).await,
            Waiting::Direct { call, reply } => self.start_direct(&recorder, *call, reply).await,
            Waiting::Accepted { index } => self.start_accepted(&recorder, index).await,
        }
    }

    async fn start_direct(&mut self, recorder: &Arc<Recorder>, call: Call, reply: Waiter) -> Flow {
        let Call {
            key, keyed, function, version, target, args, request, fingerprint, trace, ..
        } = call;
        let request = match self.front.payload(request).await {
            Ok(request) => request,
            Err(error) => {
                answer(vec![reply], &Err(error));
                return Flow::GoOn;
            }
        };
        let new = NewInvocation { key, function, request, fingerprint, trace };
        let decoded = match version == self.front.version.version {
            true => Ok((target, args)),
            // It was read for another version than the one that runs by now.
            false => self.front.decode(&new).await,
        };
        let turn = Turn { new, accepted: None, keyed, caller: Some(reply) };
        self.begin(recorder, turn, decoded).await
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
        let named = guest.state().tracing.is_wanted().then(|| (function.clone(), key.clone()));
        let (named, told) = (named.unwrap_or_default(), trace.clone());
        let start = Start { key, accepted, request, function, fingerprint, trace };
        let (begun, at) = recorder.with(|journal, now| (journal.start(start, now), now));
        if let Ok(index) = begun {
            let (function, key) = (&named.0, &named.1);
            guest.state().tracing.begin(Begun { index, function, key, at, trace: told });
        }
        match begun {
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
        let reason = withdrawal(&error);
        let index = recorder.with(|journal, now| journal.cancel(&new.key, &reason, now));
        let record = InvocationRecord {
            fingerprint: new.fingerprint,
            begun,
            ended: Some(index),
            cancelled: false,
        };
        self.front.desk.unsettled(index, new.key.clone());
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
        guest.state().forget_last_words();
        guest.state().cancellation().begin();
        let (front, mailbox) = (&mut self.front, &mut self.mailbox);
        let end = execute::run(guest, recorder, front, mailbox, &target, prepared).await;
        self.front.follow(recorder);
        match end {
            End::Returned(returned) => self.complete(recorder, begun, &target, returned).await,
            end => self.finish(recorder, end).await,
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
    pub(super) fn adopt_current(&mut self, recorder: &Arc<Recorder>) {
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
        let base = recorder.with(|journal, _| journal.status().base.clone());
        let making = load::Making {
            shared: &self.shared,
            worker: &self.front.worker,
            version: Arc::clone(&self.front.version),
            recorder,
            files: Arc::clone(&self.shared.files),
        };
        let guest = match base {
            None => making.guest(None).await?,
            Some(base) => {
                let saved = Saved::fetch(&self.shared, &base.data).await;
                let saved = saved.map_err(End::StoreFailed)?;
                let guest = making.guest(Some(&saved)).await?;
                self.reload(recorder, guest, &saved, base.index).await?
            }
        };
        self.guest = Some(guest);
        Ok(())
    }
}
