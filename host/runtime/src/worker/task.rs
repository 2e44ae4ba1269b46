//! The loop of a worker in memory: take in messages, run what is next, wait, leave.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use everlog_oplog::status::PendingUpdate;
use everlog_oplog::{Index, Timestamp, WorkerState as Life};
use tokio::sync::mpsc;

use super::desk::{Desk, Waiting};
use super::execute::Stop;
use super::front::{Front, Taken};
use super::guest::Guest;
use super::message::{Control, Departing, Ending, Message, Reply, WorkerSettings};
use super::registry::Handle;
use super::{WorkerId, load, update};
use crate::calls::fresh;
use crate::clock;
use crate::durable::Recorder;
use crate::error::WorkerError;
use crate::shared::Shared;

/// Whether the task goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    GoOn,
    Leave,
}

/// What is to be done next.
enum Plan {
    /// Run what the log holds and has not ended.
    Advance,
    /// Run the next invocation in line.
    Start(Waiting),
    /// Go over to another version, or record that it can't be.
    Update(PendingUpdate),
    /// Somebody wants an interrupted worker to go on.
    Resume,
    /// Nothing until a message comes, or until then.
    Wait { until: Option<Timestamp> },
    /// The one call of an ephemeral worker is done.
    Remove,
}

/// A worker in memory.
pub(super) struct Task {
    pub(super) shared: Arc<Shared>,
    pub(super) handle: Arc<Handle>,
    pub(super) mailbox: mpsc::Receiver<Message>,
    pub(super) front: Front,
    /// `None` while the worker does not exist.
    pub(super) recorder: Option<Arc<Recorder>>,
    pub(super) guest: Option<Guest>,
}

/// Lives a worker's life in memory, from the first message to the last entry.
pub(crate) async fn run(
    shared: Arc<Shared>,
    worker: WorkerId,
    handle: Arc<Handle>,
    mailbox: mpsc::Receiver<Message>,
) {
    // Also when the task panics: whoever waits for it to leave must not wait for ever.
    let departure = Departure { shared: Arc::clone(&shared), worker: worker.clone(), handle };
    let mut leftover = match Task::open(&shared, &worker, &departure.handle, mailbox).await {
        Ok(mut task) => {
            task.live().await;
            task.guest = None;
            task.mailbox
        }
        Err((error, mut mailbox)) => {
            refuse_all(&mut mailbox, &error).await;
            mailbox
        }
    };
    leftover.close();
    drop(departure);
    // What arrived while the worker was leaving brings it back.
    while let Some(message) = leftover.recv().await {
        if !matches!(message, Message::Evict | Message::Depart(_)) {
            let _ = shared.registry.send(&shared, &worker, message).await;
        }
    }
}

/// Takes the worker out of the registry when its task ends.
struct Departure {
    shared: Arc<Shared>,
    worker: WorkerId,
    handle: Arc<Handle>,
}

impl Drop for Departure {
    fn drop(&mut self) {
        self.shared.registry.remove(&self.worker, &self.handle);
        self.shared.counters.loaded_workers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Task {
    async fn open(
        shared: &Arc<Shared>,
        worker: &WorkerId,
        handle: &Arc<Handle>,
        mailbox: mpsc::Receiver<Message>,
    ) -> Result<Self, (WorkerError, mpsc::Receiver<Message>)> {
        match Self::recover(shared, worker, handle).await {
            Ok((front, recorder)) => {
                let (shared, handle) = (Arc::clone(shared), Arc::clone(handle));
                let mut task = Self { shared, handle, mailbox, front, recorder, guest: None };
                task.adopt_unfinished();
                Ok(task)
            }
            Err(error) => Err((error, mailbox)),
        }
    }

    pub(super) async fn recover(
        shared: &Arc<Shared>,
        worker: &WorkerId,
        handle: &Arc<Handle>,
    ) -> Result<(Front, Option<Arc<Recorder>>), WorkerError> {
        let key = worker.key()?;
        let recovered = load::recover(shared, worker, &key).await?;
        let newest = shared.catalog.newest_by_id(worker.component);
        let version = match &recovered {
            None => newest?,
            Some(recovered) => {
                let version = recovered.journal.status().component_version;
                shared.catalog.version(&worker.component.to_string(), version).await?
            }
        };
        let mut front = Front {
            shared: Arc::clone(shared),
            handle: Arc::clone(handle),
            worker: worker.clone(),
            label: worker.to_string().into(),
            key,
            version,
            desk: Desk::default(),
            nudged: false,
            hand_over_by: None,
            let_go: false,
            coming: Vec::new(),
            before_trial: None,
        };
        let Some(recovered) = recovered else { return Ok((front, None)) };
        front.desk.restore(recovered.journal.status());
        front.restore_updates(recovered.journal.status()).await;
        let recorder = load::recorder(shared, &front.key, &handle.durable, recovered);
        front.tell_versions(&recorder);
        Ok((front, Some(recorder)))
    }

    async fn live(&mut self) {
        loop {
            if self.front.hand_over_by.is_some() {
                // What was waited for has ended.
                self.stop(Stop::Depart(Departing::HandedOver)).await;
                return;
            }
            if let Some(error) = self.recorder.as_ref().and_then(|recorder| recorder.failure()) {
                // What is in memory is ahead of a log that does not follow.
                if self.store_failed(error).await == Flow::Leave {
                    return;
                }
            }
            if let Some(recorder) = &self.recorder {
                self.front.take_in_own_updates(recorder).await;
            }
            let plan = self.plan();
            // A worker that executes is not asked to leave.
            self.handle.busy.store(true, Ordering::Relaxed);
            let flow = match plan {
                Plan::Advance => self.advance().await,
                Plan::Start(waiting) => self.start(waiting).await,
                Plan::Update(update) => self.update(update).await,
                Plan::Resume => self.resume(None),
                Plan::Wait { until } => self.wait(until).await,
                Plan::Remove => {
                    // What can't be removed now is found, and removed, when the worker is next loaded.
                    let _ = self.remove().await;
                    Flow::Leave
                }
            };
            if flow == Flow::Leave {
                return;
            }
        }
    }

    fn plan(&mut self) -> Plan {
        let Some(recorder) = &self.recorder else { return Plan::Wait { until: None } };
        let (life, wake, ephemeral, update) = recorder.with(|journal, _| {
            let status = journal.status();
            let update = update::due(status).cloned();
            let retry_at = status.failure.as_ref().and_then(|failure| failure.retry_at);
            let wake =
                if status.state == Life::Retrying { retry_at } else { status.suspended_until };
            (status.state, wake, status.create.ephemeral, update)
        });
        if let Some(update) = update {
            return Plan::Update(update);
        }
        let now = clock::now();
        match life {
            Life::Running => Plan::Advance,
            // It waits for no time: a completed promise makes it due.
            Life::Suspended if wake.is_none() || self.awaits_answer() => Plan::Wait { until: None },
            Life::Suspended | Life::Retrying => match wake {
                Some(wake) if wake > now => Plan::Wait { until: Some(wake) },
                _ => Plan::Advance,
            },
            Life::Idle => match self.front.desk.next(now) {
                Some(waiting) => Plan::Start(waiting),
                None if ephemeral
                    && self.front.desk.next_due().is_none()
                    && recorder.with(|journal, _| journal.last_index()) > Index::FIRST =>
                {
                    self.end_of_fresh(recorder, now)
                }
                None => Plan::Wait { until: self.front.desk.next_due() },
            },
            Life::Interrupted if self.front.nudged => Plan::Resume,
            Life::Failed | Life::Exited if ephemeral => self.end_of_fresh(recorder, now),
            Life::Interrupted | Life::Failed | Life::Exited | Life::Stalled => {
                Plan::Wait { until: None }
            }
        }
    }

    /// What becomes of a worker that lives for one call when that has ended.
    fn end_of_fresh(&self, recorder: &Recorder, now: Timestamp) -> Plan {
        let started = self.shared.started;
        let kept = recorder.with(|journal, _| fresh::kept_here_until(journal.status(), started));
        match kept {
            // In memory as long as it is no burden: mostly it is let go in a moment.
            Some(until) if until > now && !self.front.let_go => Plan::Wait { until: None },
            _ => Plan::Remove,
        }
    }

    async fn wait(&mut self, until: Option<Timestamp>) -> Flow {
        if let Some(recorder) = self.recorder() {
            self.front.release_readers(&recorder);
        }
        if until.is_some() && self.is_left_alone(until) {
            return self.leave().await;
        }
        let callers = self.front.desk.has_callers();
        self.handle.touch(clock::now());
        self.handle.busy.store(callers, Ordering::Relaxed);
        let due = async {
            match until {
                Some(until) => clock::wait_until(until).await,
                None => std::future::pending().await,
            }
        };
        let tail = self.recorder.as_ref().is_some_and(|recorder| recorder.has_tail());
        let failed = async {
            match &self.recorder {
                Some(recorder) => drop(recorder.failed().await),
                None => std::future::pending().await,
            }
        };
        let commit_interval = self.shared.config.commit_interval;
        tokio::select! {
            message = self.mailbox.recv() => match message {
                Some(message) => self.take_in(message).await,
                None => Flow::Leave,
            },
            () = due => Flow::GoOn,
            () = failed => Flow::GoOn,
            () = clock::pause(commit_interval), if tail => {
                self.recorder.iter().for_each(|recorder| recorder.flush());
                Flow::GoOn
            }
        }
    }

    /// Whether the worker waits outside of memory for another's answer, which will have it go on.
    pub(super) fn awaits_answer(&self) -> bool {
        self.shared.absent_callers.has(&self.front.worker)
    }

    /// Whether nobody waits, and the worker itself waits so long (`None`: for an event) that it had better leave memory.
    pub(super) fn is_left_alone(&self, until: Option<Timestamp>) -> bool {
        let wait = |until: Timestamp| Duration::from_nanos(until.0.saturating_sub(clock::now().0));
        let far = until.is_none_or(|until| wait(until) > self.shared.config.suspend_after);
        far && self.mailbox.is_empty() && !self.front.desk.has_callers()
    }

    async fn take_in(&mut self, message: Message) -> Flow {
        let Some(recorder) = self.recorder.clone() else {
            return self.take_in_absent(message).await;
        };
        match self.front.take_in(&recorder, message).await {
            Taken::Done => Flow::GoOn,
            Taken::Stop(stop) => self.stop(stop).await,
            Taken::Evict if self.front.desk.has_callers() || self.front.desk.waiting() > 0 => {
                Flow::GoOn
            }
            Taken::Evict => self.leave().await,
        }
    }

    /// What can be asked of a worker that does not exist: to be created, or nothing.
    async fn take_in_absent(&mut self, message: Message) -> Flow {
        let created = match message {
            Message::Create { settings, reply } => return self.create(settings, reply).await,
            Message::Invoke { ref settings, ephemeral, .. }
            | Message::Accept { ref settings, ephemeral, .. } => {
                self.create_log(settings.clone().unwrap_or_default(), ephemeral).await
            }
            Message::Adopt { log, state, reply } => {
                return self.adopt(*log, state, reply).await;
            }
            Message::Depart(_) => return Flow::Leave,
            other => {
                let error = WorkerError::NotFound { worker: self.front.label.to_string() };
                refuse(other, &error);
                return Flow::Leave;
            }
        };
        match created {
            Ok(recorder) => {
                self.front.take_in(&recorder, message).await;
                Flow::GoOn
            }
            Err(error) => {
                refuse(message, &error);
                Flow::Leave
            }
        }
    }

    async fn create(
        &mut self,
        settings: WorkerSettings,
        reply: Reply<Result<bool, WorkerError>>,
    ) -> Flow {
        match self.create_log(settings, false).await {
            Ok(recorder) => {
                let done = move |result: Result<(), _>| {
                    let _ = reply.send(result.map(|()| true).map_err(WorkerError::from));
                };
                recorder.flush_with(Vec::new(), Box::new(done));
                Flow::GoOn
            }
            Err(error) => {
                let _ = reply.send(Err(error));
                Flow::Leave
            }
        }
    }

    /// Makes entry 1.
    async fn create_log(
        &mut self,
        settings: WorkerSettings,
        ephemeral: bool,
    ) -> Result<Arc<Recorder>, WorkerError> {
        if let Some(version) = settings.version {
            let component = self.front.worker.component.to_string();
            self.front.version = self.shared.catalog.version(&component, version).await?;
        }
        let created = load::create(&self.shared, &self.front, settings, ephemeral);
        let recorder = load::recorder(&self.shared, &self.front.key, &self.handle.durable, created);
        self.front.tell_versions(&recorder);
        self.recorder = Some(Arc::clone(&recorder));
        Ok(recorder)
    }

    /// Writes what is left, remembers what is due, and ends the task.
    pub(super) async fn leave(&mut self) -> Flow {
        self.guest = None;
        if let Some(recorder) = &self.recorder {
            self.front.cache_status(recorder);
            // A failed store has told everybody who waits; the log is what it is.
            let _ = recorder.gate().await;
            let started = self.shared.started;
            let kept = recorder.with(|it, _| fresh::kept_here_until(it.status(), started));
            if let Some(due) = recorder.wake()
                && !self.awaits_answer()
            {
                let due = kept.map_or(due, |kept| due.max(kept));
                self.shared.timers.schedule(&self.front.worker, due);
            }
        }
        Flow::Leave
    }

    /// Acts on what came from outside, with no guest running.
    pub(super) async fn stop(&mut self, stop: Stop) -> Flow {
        match stop {
            Stop::Depart(why) => {
                self.front.desk.refuse_all(&why.error(&self.front.label).into());
                self.leave().await
            }
            Stop::Update => self.reopen().await,
            Stop::Control(Control::Interrupt, reply) => self.interrupt(reply).await,
            Stop::Control(Control::Resume, reply) => self.resume(Some(reply)),
            Stop::Control(Control::Crash, reply) => {
                let flow = self.reopen().await;
                let _ = reply.send(Ok(()));
                match flow {
                    Flow::GoOn => self.advance().await,
                    Flow::Leave => Flow::Leave,
                }
            }
            Stop::Control(Control::Delete, reply) => {
                let _ = reply.send(self.remove().await);
                Flow::Leave
            }
            Stop::Revert { to, reply } => self.revert(to, reply).await,
            Stop::Kill { reply } => self.end_current_at_once(Ending::Kill, Some(reply)).await,
        }
    }
}

/// Answers everything in the mailbox of a worker that can't be opened.
async fn refuse_all(mailbox: &mut mpsc::Receiver<Message>, error: &WorkerError) {
    mailbox.close();
    while let Some(message) = mailbox.recv().await {
        refuse(message, error);
    }
}

/// Answers one message with why the worker can't be had. A caller that has gone away wants no answer.
pub(super) fn refuse(message: Message, error: &WorkerError) {
    let error = error.clone();
    match message {
        Message::Invoke { reply, .. } => drop(reply.send(Err(error.into()))),
        Message::Accept { reply, .. } | Message::Cancel { reply, .. } => {
            let _ = reply.send(Err(error.into()));
        }
        Message::Create { reply, .. } => drop(reply.send(Err(error))),
        Message::Query { reply, .. } => drop(reply.send(Err(error.into()))),
        Message::End { reply, .. } | Message::Withdraw { reply, .. } => {
            drop(reply.send(Err(error.into())));
        }
        Message::Inspect { reply } => drop(reply.send(Err(error))),
        Message::Control { reply, .. }
        | Message::Adopt { reply, .. }
        | Message::Update { reply, .. } => {
            drop(reply.send(Err(error)));
        }
        Message::Revert { reply, .. } | Message::Settle { reply } => drop(reply.send(Err(error))),
        Message::CompletePromise(completion) => drop(completion.reply.send(Err(error))),
        Message::InspectPromise { reply, .. } => drop(reply.send(Err(error))),
        Message::Wake { .. }
        | Message::Answered
        | Message::LetGo
        | Message::Evict
        | Message::Depart(_) => {}
    }
}
