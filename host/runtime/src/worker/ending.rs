//! Ending an invocation from outside: cancelling asks it to, killing does not.

use std::sync::Arc;

use everlog_oplog::status::CurrentInvocation;
use everlog_oplog::{EntryKind, Index, WorkerState as Life};

use super::WorkerId;
use super::acceptance::accepted_under;
use super::execute::Stop;
use super::front::{Found, Front, Taken};
use super::load;
use super::message::{Ended, Ending, Message, Reply, Waiter, answer};
use super::revert::before;
use super::task::{Flow, Task};
use super::withdrawals::KILLED;
use crate::cluster::{self, Request};
use crate::durable::Recorder;
use crate::error::{InvokeError, WorkerError};
use crate::records::{self, InvocationRecord};
use crate::shared::Shared;
use crate::spans::{Begun, Tracing};

/// How the log says that an invocation was cancelled: while it waited for its turn, or for what can't tell it so.
const CANCELLED: &str = "cancelled by a caller";

impl Ending {
    fn reason(self) -> &'static str {
        match self {
            Self::Cancel => CANCELLED,
            Self::Kill => KILLED,
        }
    }

    /// What those are told who wait for the invocation.
    fn error(self, key: &str) -> InvokeError {
        let key = key.to_owned();
        match self {
            Self::Cancel => InvokeError::Cancelled { key },
            Self::Kill => InvokeError::Killed { key },
        }
    }
}

impl Shared {
    /// Cancels or kills an invocation, on whichever node its worker is. Asking again does no harm.
    ///
    /// A worker that has called another passes its own cancellation on so.
    pub(crate) async fn end_invocation(
        self: &Arc<Self>,
        worker: &WorkerId,
        key: &str,
        how: Ending,
    ) -> Result<Ended, InvokeError> {
        let here = self.end_invocation_here(worker, key, how).await;
        let Err(InvokeError::Worker(WorkerError::Elsewhere { .. })) = here else { return here };
        let request = Request::End { worker: worker.into(), key: key.to_owned(), how };
        match self.owner_answers(worker, &request).await? {
            cluster::Reply::Ended(ended) => Ok(ended),
            cluster::Reply::NotEnded => {
                let state = "ended";
                Err(InvokeError::NotCancellable { key: key.to_owned(), state })
            }
            cluster::Reply::NoInvocation => {
                let worker = worker.to_string();
                Err(InvokeError::NotFound { worker, key: key.to_owned() })
            }
            cluster::Reply::Refused(refusal) => Err(WorkerError::from(refusal).into()),
            _ => Err(WorkerError::Elsewhere { worker: worker.to_string() }.into()),
        }
    }

    /// The same for a worker of this node.
    pub(crate) async fn end_invocation_here(
        self: &Arc<Self>,
        worker: &WorkerId,
        key: &str,
        how: Ending,
    ) -> Result<Ended, InvokeError> {
        self.ask(worker, |reply| Message::End { key: key.to_owned(), how, reply }).await
    }
}

impl Front {
    pub(super) async fn end(
        &mut self,
        recorder: &Arc<Recorder>,
        key: String,
        how: Ending,
        reply: Reply<Result<Ended, InvokeError>>,
    ) -> Taken {
        if let Some((begun, fingerprint, callers)) = self.take_out(recorder, &key) {
            let waited = Waited { key, begun, fingerprint, callers };
            self.end_waiting(recorder, waited, how, reply);
            return Taken::Done;
        }
        let runs = recorder.with(|journal, _| {
            let status = journal.status();
            let ended = matches!(status.state, Life::Failed | Life::Exited);
            !ended && status.current().is_some_and(|current| current.key == key)
        });
        match (runs, how) {
            (true, Ending::Kill) => return Taken::Stop(Stop::Kill { reply }),
            (true, Ending::Cancel) => self.request_cancel(recorder, reply),
            (false, _) => drop(reply.send(Err(self.not_ended(recorder, key).await))),
        }
        Taken::Done
    }

    pub(super) fn withdraw(
        &mut self,
        recorder: &Recorder,
        key: String,
        reply: Reply<Result<Ended, InvokeError>>,
    ) {
        let Some((begun, fingerprint, callers)) = self.take_out(recorder, &key) else {
            let state = "started or ended";
            return drop(reply.send(Err(InvokeError::NotCancellable { key, state })));
        };
        let waited = Waited { key, begun, fingerprint, callers };
        self.end_waiting(recorder, waited, Ending::Cancel, reply);
    }

    /// Takes an invocation out of the queue: its entry, if it has one, and who waits for it.
    fn take_out(
        &mut self,
        recorder: &Recorder,
        key: &str,
    ) -> Option<(Option<Index>, u64, Vec<Waiter>)> {
        let accepted = recorder.with(|journal, _| accepted_under(journal.status(), key));
        if let Some((accepted, fingerprint)) = accepted {
            self.desk.withdraw(accepted);
            return Some((Some(accepted), fingerprint, self.desk.take_joined(key)));
        }
        let (fingerprint, callers) = self.desk.refuse_direct_call(key)?;
        Some((None, fingerprint, callers))
    }

    fn end_waiting(
        &mut self,
        recorder: &Recorder,
        waited: Waited,
        how: Ending,
        reply: Reply<Result<Ended, InvokeError>>,
    ) {
        let Waited { key, begun, fingerprint, callers } = waited;
        let index = recorder.with(|journal, now| journal.cancel(&key, how.reason(), now));
        let begun = begun.unwrap_or(index);
        let record = InvocationRecord { fingerprint, begun, ended: Some(index), cancelled: false };
        self.desk.unsettled(index, key.clone());
        recorder.flush_with(
            vec![record.put(&self.key, &key)],
            Box::new(move |stored| {
                let told = stored.clone().map_or_else(InvokeError::from, |()| how.error(&key));
                answer(callers, &Err(told));
                let _ = reply.send(stored.map(|()| Ended::Now).map_err(InvokeError::from));
            }),
        );
    }

    /// Has the running invocation told by its next wait; it hears of it when that is durable, as the caller does.
    fn request_cancel(
        &mut self,
        recorder: &Arc<Recorder>,
        reply: Reply<Result<Ended, InvokeError>>,
    ) {
        let answered = self.shared.absent_callers.has(&self.worker);
        recorder.with(|journal, now| {
            journal.request_cancel(now);
            // It waits outside of memory for another's answer, and nothing else would have it go on.
            if answered && journal.status().state == Life::Suspended {
                journal.wake(now);
            }
        });
        recorder.flush_with(
            Vec::new(),
            Box::new(move |stored| {
                let _ = reply.send(stored.map(|()| Ended::Asked).map_err(InvokeError::from));
            }),
        );
        recorder.cancel_requested();
    }

    async fn not_ended(&mut self, recorder: &Arc<Recorder>, key: String) -> InvokeError {
        match self.find(recorder, &key, None).await {
            Ok(Found::Unknown) => InvokeError::NotFound { worker: self.label.to_string(), key },
            Ok(_) => InvokeError::NotCancellable { key, state: "ended" },
            Err(error) => error,
        }
    }

    /// Tells who wants spans of an invocation that has no instance any more, as its log says that it began.
    async fn tell_of_its_end(&self, current: &CurrentInvocation, how: Ending) {
        let Some(sink) = &self.shared.spans else { return };
        let Ok(entry) = self.entry(current.started).await else { return };
        let EntryKind::InvocationStarted { key, function, trace, .. } = &entry.kind else { return };
        let (worker, component) = (&self.worker, &self.version.name);
        let mut tracing =
            Tracing::new(Some(Arc::clone(sink)), worker.namespace(), component, worker);
        let (index, at, trace) = (current.started, entry.timestamp, trace.clone());
        tracing.begin(Begun { index, function, key, at, trace });
        tracing.end(Some(&how.error(key).to_string()));
    }
}

/// An invocation that waited for its turn.
struct Waited {
    key: String,
    begun: Option<Index>,
    fingerprint: u64,
    callers: Vec<Waiter>,
}

impl Task {
    /// Cancels what the guest has called and waits for.
    fn pass_on(&self, recorder: &Arc<Recorder>) {
        for call in self.shared.calls_under_way.of(&self.front.worker, usize::MAX) {
            let (shared, recorder) = (Arc::clone(&self.shared), Arc::clone(recorder));
            tokio::spawn(async move { shared.cancel_called(&recorder, &call).await });
        }
    }

    /// Ends the running invocation with nothing of it going on: what it did to the worker is taken back, and its key has
    /// a failure.
    pub(super) async fn end_current_at_once(
        &mut self,
        how: Ending,
        reply: Option<Reply<Result<Ended, InvokeError>>>,
    ) -> Flow {
        let Some(before_it) = self.recorder() else { return Flow::GoOn };
        if how == Ending::Cancel {
            self.pass_on(&before_it);
        }
        self.guest = None;
        if before_it.gate().await.is_err()
            && let Some(error) = before_it.failure()
        {
            tell(reply, Err(error.clone().into()));
            return self.store_failed(error).await;
        }
        let found = before_it.with(|journal, _| {
            let status = journal.status();
            status.current().map(|current| (current.clone(), before(status, current.started)))
        });
        let Some((current, to)) = found else {
            let key = String::new();
            tell(reply, Err(InvokeError::NotCancellable { key, state: "ended" }));
            return self.reopen().await;
        };
        let recovered = match self.front.reverted(to).await {
            Ok(recovered) => recovered,
            Err(error) => {
                tell(reply, Err(error.into()));
                return self.reopen().await;
            }
        };
        self.front.tell_of_its_end(&current, how).await;
        let key = &self.front.key;
        let recorder = load::recorder(&self.shared, key, &self.handle.durable, recovered);
        recorder.assume_wake(before_it.wake());
        let ended = recorder.with(|journal, now| journal.cancel(&current.key, how.reason(), now));
        let record = InvocationRecord {
            fingerprint: current.fingerprint,
            begun: current.started,
            ended: Some(ended),
            cancelled: true,
        };
        let status = recorder.with(|journal, _| records::put_status(key, journal.status()));
        let changes = vec![status, record.put(key, &current.key)];
        let waiting = self.front.desk.current.take();
        let callers = waiting.map_or_else(Vec::new, |current| current.callers);
        self.front.desk.unsettled(ended, current.key.clone());
        recorder.flush_with(
            changes,
            Box::new(move |stored| {
                let error = how.error(&current.key);
                let told = stored.clone().map_or_else(InvokeError::from, |()| error);
                answer(callers, &Err(told));
                tell(reply, stored.map(|()| Ended::Now).map_err(InvokeError::from));
            }),
        );
        self.recorder = Some(Arc::clone(&recorder));
        self.refuse_reverted(&recorder);
        self.follow_version(&recorder).await
    }
}

fn tell(reply: Option<Reply<Result<Ended, InvokeError>>>, answer: Result<Ended, InvokeError>) {
    if let Some(reply) = reply {
        let _ = reply.send(answer);
    }
}
