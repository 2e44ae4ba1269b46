//! Where messages are taken in, whether the guest runs meanwhile or not.

use std::sync::Arc;

use everlog_oplog::{
    Codec, Entry, EntryKind, Index, NewInvocation, Payload, Status, Timestamp, WorkerState as Life,
};
use everlog_store::WorkerKey;

use super::WorkerId;
use super::desk::{Desk, Place};
use super::execute::Stop;
use super::message::{
    Call, InvocationResult, InvocationStatus, Label, Message, Outcome, Reply, Waiter,
    WorkerSettings,
};
use super::metadata::WorkerMetadata;
use super::registry::Handle;
use super::update;
use super::withdrawals::withdrawn;
use crate::component::ComponentVersion;
use crate::durable::Recorder;
use crate::error::{InvokeError, WorkerError};
use crate::exports::Target;
use crate::records::{self, InvocationRecord};
use crate::shared::Shared;
use crate::value::{Value, decode_result, decode_values};

/// What a message asks of the task beyond what is done already.
pub(crate) enum Taken {
    /// Nothing, or only that it looks at its queue.
    Done,
    /// To stop what runs.
    Stop(Stop),
    /// To leave memory if nothing runs.
    Evict,
}

/// Where a key stands.
pub(super) enum Found {
    /// It runs or waits.
    Waiting,
    /// It has ended.
    Ended(InvocationStatus),
    /// Nobody used it.
    Unknown,
}

/// The queue of a worker together with what is needed to answer for it.
pub(crate) struct Front {
    pub(crate) shared: Arc<Shared>,
    pub(crate) handle: Arc<Handle>,
    pub(crate) worker: WorkerId,
    pub(crate) label: Label,
    pub(crate) key: WorkerKey,
    pub(crate) version: Arc<ComponentVersion>,
    pub(crate) desk: Desk,
    /// The versions of the updates that are pending, in their order.
    pub(crate) coming: Vec<Arc<ComponentVersion>>,
    /// While another version is tried: the one before it. `version` is the one that is tried then.
    pub(crate) before_trial: Option<Arc<ComponentVersion>>,
    /// A call came: an interrupted worker goes on for its sake.
    pub(crate) nudged: bool,
    /// Another node waits for the worker; by then it has to have left, whatever is on its way.
    pub(crate) hand_over_by: Option<Timestamp>,
    /// Nobody will ask for the outcome of a worker that lives for one call.
    pub(crate) let_go: bool,
}

impl Front {
    /// Does what `message` asks, as far as that needs no guest.
    pub(crate) async fn take_in(&mut self, recorder: &Arc<Recorder>, message: Message) -> Taken {
        self.follow(recorder);
        self.take_in_own_updates(recorder).await;
        match message {
            Message::Invoke { call, reply, .. } => {
                let waiter = Waiter::of(&call, reply);
                self.invoke(recorder, call, waiter).await;
            }
            Message::Accept { call, due, reply, .. } => {
                self.accept(recorder, call, due, reply).await;
            }
            Message::Create { settings, reply } => {
                let _ = reply.send(self.compare(recorder, &settings));
            }
            Message::Query { key, join, reply } => {
                self.query(recorder, &key, join.map(Waiter::outside), reply).await;
            }
            Message::Cancel { key, reply } => self.cancel(recorder, key, reply).await,
            Message::Withdraw { key, reply } => self.withdraw(recorder, key, reply),
            Message::End { key, how, reply } => return self.end(recorder, key, how, reply).await,
            Message::Inspect { reply } => {
                let _ = reply.send(Ok(self.metadata(recorder)));
            }
            Message::Control { control, reply } => {
                return Taken::Stop(Stop::Control(control, reply));
            }
            Message::CompletePromise(completion) => {
                self.complete_promise(recorder, completion).await;
            }
            Message::InspectPromise { promise, reply } => {
                self.inspect_promise(recorder, promise, reply);
            }
            Message::Revert { to, reply } => return self.check_revert(recorder, to, reply).await,
            Message::Settle { reply } => self.settle(recorder, reply),
            Message::Adopt { reply, .. } => {
                let worker = self.label.to_string();
                let _ = reply.send(Err(WorkerError::NameTaken { worker }));
            }
            Message::Update { request, reply } => self.request_update(recorder, request, reply),
            Message::Wake { due } => self.forget_stale_wake(recorder, due),
            Message::LetGo => self.let_go = true,
            Message::Answered => recorder.with(|journal, now| {
                if journal.status().state == Life::Suspended {
                    journal.wake(now);
                }
            }),
            Message::Evict => return Taken::Evict,
            Message::Depart(why) => return Taken::Stop(Stop::Depart(why)),
        }
        Taken::Done
    }

    async fn invoke(&mut self, recorder: &Arc<Recorder>, call: Box<Call>, waiter: Waiter) {
        if call.keyed {
            match self.find(recorder, &call.key, Some(call.fingerprint)).await {
                Ok(Found::Unknown) => {}
                Ok(Found::Waiting) => {
                    self.nudged = true;
                    return self.desk.join(&call.key, waiter);
                }
                Ok(Found::Ended(status)) => {
                    return waiter.tell(outcome(&call.key, status));
                }
                Err(error) => return waiter.tell(Err(error)),
            }
        }
        if call.reads && self.is_held_up(recorder) {
            return self.read_beside(recorder, call, waiter);
        }
        match self.refusal(recorder) {
            Some(error) => waiter.tell(Err(error)),
            None => {
                self.nudged = true;
                self.desk.direct(call, waiter);
            }
        }
    }

    async fn query(
        &mut self,
        recorder: &Arc<Recorder>,
        key: &str,
        join: Option<Waiter>,
        reply: Reply<Result<InvocationStatus, InvokeError>>,
    ) {
        let status = match self.find(recorder, key, None).await {
            Ok(Found::Waiting) => {
                if let Some(join) = join {
                    self.desk.join(key, join);
                }
                Ok(recorder.with(|journal, _| self.waiting_status(journal.status(), key)))
            }
            Ok(Found::Ended(status)) => Ok(status),
            Ok(Found::Unknown) => {
                Err(InvokeError::NotFound { worker: self.label.to_string(), key: key.to_owned() })
            }
            Err(error) => Err(error),
        };
        let _ = reply.send(status);
    }

    /// What is known of `key`: in memory first, then in what is on its way to the disk, then in the
    /// records. A key that is new to the log costs no look at the store.
    pub(super) async fn find(
        &mut self,
        recorder: &Arc<Recorder>,
        key: &str,
        fingerprint: Option<u64>,
    ) -> Result<Found, InvokeError> {
        let place =
            recorder.with(|journal, _| self.desk.find(journal.status(), key, fingerprint))?;
        match place {
            Place::Current | Place::Queued => return Ok(Found::Waiting),
            Place::Unknown => {}
        }
        if !recorder.with(|journal, _| journal.may_have_seen(key)) {
            return Ok(Found::Unknown);
        }
        if let Some(index) = self.desk.settling(recorder.durable(), key)
            && recorder.wait_durable(index).await.is_err()
            && let Some(error) = recorder.failure()
        {
            return Err(error.into());
        }
        let stored = self
            .shared
            .store
            .get(crate::spaces::INVOCATIONS, &records::invocation_key(&self.key, key));
        let Some(bytes) = stored.await? else { return Ok(Found::Unknown) };
        let record = InvocationRecord::decode(&self.key, &bytes)?;
        if self.is_taken_back(recorder, &record).await? {
            return Ok(Found::Unknown);
        }
        if fingerprint.is_some_and(|fingerprint| fingerprint != record.fingerprint) {
            return Err(InvokeError::KeyReused { key: key.to_owned() });
        }
        match record.ended {
            Some(ended) => Ok(Found::Ended(self.ended(key, &record, ended).await?)),
            None => Ok(Found::Unknown),
        }
    }

    /// Reads from the log how an invocation ended.
    async fn ended(
        &self,
        key: &str,
        record: &InvocationRecord,
        ended: Index,
    ) -> Result<InvocationStatus, InvokeError> {
        let key = key.to_owned();
        let worker = || self.label.to_string();
        Ok(match self.entry(ended).await?.kind {
            EntryKind::InvocationCompleted { result, .. } => {
                let bytes = self.shared.resolve(&result).await?;
                let value = decode_result(&bytes).map_err(|error| self.corrupt(ended, &error))?;
                let ty = self.result_type(record.begun).await?;
                let cancelled = record.cancelled;
                let index = ended;
                InvocationStatus::Completed(InvocationResult { key, index, value, ty, cancelled })
            }
            EntryKind::Failed { message, .. } => {
                InvocationStatus::Failed(InvokeError::Failed { message, index: ended })
            }
            EntryKind::Exited { code } => {
                InvocationStatus::Failed(InvokeError::Exited { worker: worker(), code })
            }
            EntryKind::Cancelled { reason, .. } => withdrawn(&key, &reason),
            other => return Err(self.corrupt(ended, &other.name())),
        })
    }

    /// The type of an ended invocation's result, as the present version has it; none if it lost the function.
    async fn result_type(
        &self,
        begun: Index,
    ) -> Result<Option<wasmtime::component::Type>, InvokeError> {
        let function = match self.entry(begun).await?.kind {
            EntryKind::InvocationStarted { function, .. }
            | EntryKind::Accepted { function, .. } => function,
            other => return Err(self.corrupt(begun, &other.name())),
        };
        let exports = self.version.exports();
        let target = exports.resolve(&function).ok();
        Ok(target.and_then(|target| exports.result_of(&target).cloned()))
    }

    pub(super) async fn entry(&self, index: Index) -> Result<Entry, InvokeError> {
        let records = self.shared.store.read_log(&self.key, index.get(), 1).await?;
        let codec = Codec::new(self.key.as_bytes());
        for record in &records {
            for decoded in codec.decode(Index(record.first), &record.bytes) {
                let decoded = decoded.map_err(|error| self.corrupt(index, &error))?;
                if decoded.index == index {
                    return Ok(decoded.entry);
                }
            }
        }
        Err(self.corrupt(index, &"the entry is missing"))
    }

    fn corrupt(&self, index: Index, found: &dyn std::fmt::Display) -> InvokeError {
        InvokeError::Worker(WorkerError::CorruptLog {
            worker: self.label.to_string(),
            detail: format!("entry {index}: {found}"),
        })
    }

    /// An accepted call as the present version understands it.
    pub(super) async fn decode(
        &self,
        new: &NewInvocation,
    ) -> Result<(Target, Vec<Value>), InvokeError> {
        let invalid = |detail: String| InvokeError::InvalidArguments { detail };
        let exports = self.version.exports();
        let target = exports.resolve(&new.function);
        let target =
            target.map_err(|error| InvokeError::NoFunction { detail: error.to_string() })?;
        let bytes = self.shared.resolve(&new.request).await?;
        let args = decode_values(&bytes).map_err(|error| invalid(error.to_string()))?;
        Ok((target, args))
    }

    /// Arguments and results as an entry holds them: large ones become a blob, durable before the entry is.
    pub(crate) async fn payload(&self, bytes: Vec<u8>) -> Result<Payload, InvokeError> {
        Ok(self.shared.payload(bytes).await?)
    }

    fn waiting_status(&self, status: &Status, key: &str) -> InvocationStatus {
        let due = status.accepted.values().find(|call| call.key == key).and_then(|call| call.due);
        match (&self.desk.current, due) {
            (Some(current), _) if current.key == key => {
                InvocationStatus::Running { cancelled: status.cancel_requested().is_some() }
            }
            (_, Some(due)) => InvocationStatus::Scheduled { due },
            (_, None) => InvocationStatus::Pending,
        }
    }

    /// Why the worker takes no new call, if it takes none.
    pub(super) fn refusal(&self, recorder: &Arc<Recorder>) -> Option<InvokeError> {
        let limit = self.shared.config.max_queue;
        let worker = || self.label.to_string();
        if self.desk.waiting() >= limit {
            return Some(InvokeError::QueueFull { worker: worker(), limit });
        }
        recorder.with(|journal, _| {
            let status = journal.status();
            // A worker that an update may revive keeps its callers until that is decided.
            if status.state != Life::Exited && update::due(status).is_some() {
                return None;
            }
            let message =
                || status.failure.as_ref().map_or_else(String::new, |f| f.message.clone());
            match status.state {
                Life::Failed => {
                    Some(InvokeError::PreviousFailed { worker: worker(), message: message() })
                }
                Life::Exited => {
                    let code = status.exit_code.unwrap_or_default();
                    Some(InvokeError::Exited { worker: worker(), code })
                }
                Life::Stalled => Some(stalled(worker(), status)),
                _ => None,
            }
        })
    }

    /// Whether the worker was created with these settings.
    fn compare(
        &self,
        recorder: &Arc<Recorder>,
        settings: &WorkerSettings,
    ) -> Result<bool, WorkerError> {
        let exists =
            |what: &'static str| Err(WorkerError::Exists { worker: self.label.to_string(), what });
        recorder.with(|journal, _| {
            let create = &journal.status().create;
            match settings.version {
                _ if create.args != settings.args => exists("args"),
                _ if create.env != settings.env => exists("env"),
                Some(version) if version != journal.status().component_version => exists("version"),
                _ => Ok(false),
            }
        })
    }

    pub(crate) fn metadata(&self, recorder: &Arc<Recorder>) -> WorkerMetadata {
        let described = self.describe(recorder.with(|journal, _| journal.status().clone()));
        WorkerMetadata { waits: recorder.waits(), ..described }
    }

    pub(super) fn describe(&self, status: Status) -> WorkerMetadata {
        WorkerMetadata {
            worker: self.worker.clone(),
            status,
            queued: self.desk.direct_keys(),
            waits: None,
        }
    }

    /// Puts the status into the store's cache, for those who ask while the worker is not in memory.
    pub(crate) fn cache_status(&self, recorder: &Arc<Recorder>) {
        let change = recorder.with(|journal, _| records::put_status(&self.key, journal.status()));
        recorder.flush_with(vec![change], Box::new(drop));
    }

    /// A wake record that the log does not want (any more) would wake the worker at each start.
    fn forget_stale_wake(&self, recorder: &Arc<Recorder>, due: Timestamp) {
        if recorder.wake() != Some(due) {
            let change = records::delete_wake(&self.key, due);
            recorder.flush_with(vec![change], Box::new(drop));
        }
    }
}

/// The error of a worker whose replay met a divergence.
pub(crate) fn stalled(worker: String, status: &Status) -> InvokeError {
    let message = status.stalled.as_ref().map_or_else(String::new, |stall| {
        format!(
            "at entry {}: {} was recorded, {} was asked",
            stall.entry, stall.recorded, stall.asked
        )
    });
    InvokeError::Stalled { worker, message }
}

fn outcome(key: &str, status: InvocationStatus) -> Outcome {
    match status {
        InvocationStatus::Completed(result) => Ok(result),
        InvocationStatus::Failed(error) => Err(error),
        _ => Err(InvokeError::Cancelled { key: key.to_owned() }),
    }
}
