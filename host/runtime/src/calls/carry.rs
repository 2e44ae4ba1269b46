//! The way of a call to the worker that is called, wherever that is, until there is something to tell the caller.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::convert::Fitting;
use super::failure::{CallFailure, Obstacle, sorted};
use super::under_way::{CallUnderWay, OnItsWay};
use super::{Address, CallAnswer, CallOutcome, Parcel};
use crate::clock;
use crate::cluster::{Reply, Request};
use crate::durable::Recorder;
use crate::error::{ComponentError, InvokeError, WorkerError};
use crate::runtime::prepare;
use crate::shared::Shared;
use crate::worker::{
    Call, Ended, Ending, Invocation, InvocationStatus, Message, WorkerId, WorkerSettings,
};

/// Between two attempts: the first pause, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How often an interrupted worker is looked at, should nobody say that it goes on.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long a caller that is cancelled waits at most until its call is.
const LONGEST_CANCEL: Duration = Duration::from_secs(10);

/// What a caller does while its call is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meanwhile {
    /// Nothing: it waits for the outcome.
    StandsStill,
    /// It goes on.
    GoesOn,
}

impl Shared {
    /// Makes a call, as often as it takes; the key makes it one.
    pub(crate) async fn carry(
        self: &Arc<Self>,
        caller: &WorkerId,
        parcel: &Parcel,
        meanwhile: Meanwhile,
    ) -> CallOutcome {
        if parcel.request.start.is_some() {
            // A message is on its way for a moment only, and nobody waits for what comes of it.
            return self.convey(caller, parcel, None).await;
        }
        let on_its_way = self.calls_under_way.begin(caller, parcel);
        if meanwhile == Meanwhile::GoesOn {
            return self.convey(caller, parcel, None).await;
        }
        if let Some(refused) = self.absent_callers.take_refusal(caller, &parcel.key) {
            return Err(refused);
        }
        loop {
            let failure = tokio::select! {
                biased;
                outcome = self.convey(caller, parcel, Some(&on_its_way)) => return outcome,
                failure = self.in_circle(caller, &parcel.key) => failure,
            };
            if self.withdraw(parcel).await {
                tracing::warn!(%caller, %failure, "a call is refused");
                return Err(failure);
            }
        }
    }

    async fn convey(
        self: &Arc<Self>,
        caller: &WorkerId,
        parcel: &Parcel,
        on_its_way: Option<&OnItsWay<'_>>,
    ) -> CallOutcome {
        let mut pauses = Pauses::default();
        loop {
            let attempt = match self.worker_called(parcel).await {
                Ok(worker) if worker == *caller && parcel.request.start.is_none() => {
                    return Err(waits_for_itself(parcel));
                }
                Ok(worker) => self.attempt(&worker, parcel, on_its_way).await,
                Err(error) => sorted(error.into()).map(Err),
            };
            match attempt {
                Ok(outcome) => return outcome,
                Err(obstacle) => pauses.pause(&obstacle).await,
            }
        }
    }

    /// Takes back a call that its worker has accepted; false if it has begun.
    pub(crate) async fn take_back(
        self: &Arc<Self>,
        component: &str,
        worker: &str,
        key: &str,
    ) -> Result<bool, CallFailure> {
        let mut pauses = Pauses::default();
        loop {
            let attempt = match self.named(component, worker).await {
                Ok(worker) => self.attempt_to_take_back(&worker, key).await,
                Err(error) => sorted(error.into()).map(Err),
            };
            match attempt {
                Ok(taken) => return taken,
                Err(obstacle) => pauses.pause(&obstacle).await,
            }
        }
    }

    /// Has a call come to its end that its caller does not wait for any more, as the caller itself is to come to an end.
    ///
    /// Returns when that is durable where the call is, which then hears of it as the caller did; after a while anyhow.
    /// Nothing is asked for before it is durable that the caller is to end: else a crash would cancel the call alone.
    pub(crate) async fn cancel_called(self: &Arc<Self>, caller: &Recorder, call: &CallUnderWay) {
        let mut pauses = Pauses::default();
        let cancelling = async {
            if caller.gate().await.is_err() {
                // The caller goes on from what is stored, and finds out anew.
                return;
            }
            while let Err(obstacle) = self.attempt_to_cancel(call).await {
                pauses.pause(&obstacle).await;
            }
        };
        tokio::select! {
            () = cancelling => {}
            () = clock::pause(LONGEST_CANCEL) => {
                tracing::warn!(?call, "a call that nobody waits for could not be cancelled");
            }
        }
    }

    /// Has a call of a worker of this node never begin; false if it has begun, or may have.
    async fn withdraw(self: &Arc<Self>, parcel: &Parcel) -> bool {
        let Ok(worker) = self.worker_called(parcel).await else { return false };
        let withdraw = |reply| Message::Withdraw { key: parcel.key.clone(), reply };
        let withdrawn: Result<Ended, InvokeError> = self.ask(&worker, withdraw).await;
        withdrawn.is_ok()
    }

    async fn attempt_to_cancel(self: &Arc<Self>, call: &CallUnderWay) -> Result<(), Obstacle> {
        let worker = self.named(&call.component, &call.worker).await;
        let cancelled = match worker {
            Ok(worker) => self.end_invocation(&worker, &call.key, Ending::Cancel).await,
            Err(error) => Err(error.into()),
        };
        // One that has ended, or has not come there, needs no cancelling.
        cancelled.err().map_or(Ok(()), |error| sorted(error).map(drop))
    }

    async fn attempt(
        self: &Arc<Self>,
        worker: &WorkerId,
        parcel: &Parcel,
        on_its_way: Option<&OnItsWay<'_>>,
    ) -> Result<CallOutcome, Obstacle> {
        let here = self.call_here(worker, parcel, on_its_way).await;
        let request = || Request::Call { worker: worker.into(), parcel: parcel.clone() };
        self.or_at_its_owner(worker, here, request, |reply| match reply {
            Reply::Called(outcome) => Some(outcome),
            _ => None,
        })
        .await
    }

    async fn attempt_to_take_back(
        self: &Arc<Self>,
        worker: &WorkerId,
        key: &str,
    ) -> Result<Result<bool, CallFailure>, Obstacle> {
        let here = self.take_back_here(worker, key).await;
        let request = || Request::TakeBack { worker: worker.into(), key: key.to_owned() };
        self.or_at_its_owner(worker, here, request, |reply| match reply {
            Reply::TakenBack(taken) => Some(taken),
            _ => None,
        })
        .await
    }

    /// What came of an attempt here, or of one at the worker's owner if that is another node.
    async fn or_at_its_owner<T>(
        &self,
        worker: &WorkerId,
        here: Result<Result<T, CallFailure>, Obstacle>,
        request: impl FnOnce() -> Request,
        told: impl FnOnce(Reply) -> Option<Result<T, CallFailure>>,
    ) -> Result<Result<T, CallFailure>, Obstacle> {
        match here {
            Err(Obstacle::Elsewhere) if self.membership.is_some() => {
                match self.owner_answers(worker, &request()).await {
                    Ok(reply) => told(reply).ok_or(Obstacle::Elsewhere),
                    Err(error) => sorted(error.into()).map(Err),
                }
            }
            settled => settled,
        }
    }

    /// Takes back a call of a worker of this node.
    pub(crate) async fn take_back_here(
        self: &Arc<Self>,
        worker: &WorkerId,
        key: &str,
    ) -> Result<Result<bool, CallFailure>, Obstacle> {
        let withdraw = |reply| Message::Cancel { key: key.to_owned(), reply };
        match self.ask(worker, withdraw).await {
            Ok(()) => Ok(Ok(true)),
            // It may have been taken back before: then that is still so.
            Err(InvokeError::NotCancellable { .. }) => {
                match self.invocation(worker, key, Duration::ZERO).await {
                    Ok(InvocationStatus::Cancelled) => Ok(Ok(true)),
                    Ok(_) => Ok(Ok(false)),
                    Err(error) => sorted(error).map(Err),
                }
            }
            Err(error) => sorted(error).map(Err),
        }
    }

    /// Makes a call of a worker of this node; of a caller that stands still meanwhile, `on_its_way` is told so.
    pub(crate) async fn call_here(
        self: &Arc<Self>,
        worker: &WorkerId,
        parcel: &Parcel,
        on_its_way: Option<&OnItsWay<'_>>,
    ) -> Result<CallOutcome, Obstacle> {
        let versions = match self.versions_for(worker).await {
            Ok(versions) => versions,
            Err(error) => return sorted(error.into()).map(Err),
        };
        let fitting = match parcel.fit(worker, versions) {
            Ok(fitting) => fitting,
            Err(failure) => return Ok(Err(failure)),
        };
        let sent = match parcel.request.start {
            None => self.await_result(worker, parcel, fitting, on_its_way).await,
            Some(_) => self.have_accepted(worker, parcel, fitting).await,
        };
        match sent {
            Ok(outcome) => Ok(outcome),
            Err(error) => match sorted(error) {
                Ok(failure) => Ok(Err(failure)),
                Err(Obstacle::Interrupted) => self.await_interrupted(worker, parcel).await,
                Err(obstacle) => Err(obstacle),
            },
        }
    }

    async fn await_result(
        self: &Arc<Self>,
        worker: &WorkerId,
        parcel: &Parcel,
        fitting: Fitting,
        on_its_way: Option<&OnItsWay<'_>>,
    ) -> Result<CallOutcome, InvokeError> {
        let call = parcel.call(fitting)?;
        if let Some(on_its_way) = on_its_way {
            // What only reads need not wait for its turn.
            on_its_way.stands_still_for((!call.reads).then_some(worker));
        }
        let (ephemeral, settings) = (parcel.is_for_fresh(), Some(parcel.settings()));
        let message = |reply| Message::Invoke { call, ephemeral, settings, reply };
        let result = self.ask(worker, message).await?;
        Ok(parcel.answer(worker, result))
    }

    async fn have_accepted(
        self: &Arc<Self>,
        worker: &WorkerId,
        parcel: &Parcel,
        fitting: Fitting,
    ) -> Result<CallOutcome, InvokeError> {
        let call = parcel.call(fitting)?;
        let (due, ephemeral, settings) =
            (parcel.due, parcel.is_for_fresh(), Some(parcel.settings()));
        let message = |reply| Message::Accept { call, due, ephemeral, settings, reply };
        self.ask(worker, message).await?;
        let (key, worker) = (parcel.key.clone(), worker.name.clone());
        Ok(Ok(CallAnswer::Accepted { key, worker }))
    }

    /// Waits for the end of a call in the middle of which an operator has interrupted the worker, without making it go
    /// on, as another call would.
    async fn await_interrupted(
        self: &Arc<Self>,
        worker: &WorkerId,
        parcel: &Parcel,
    ) -> Result<CallOutcome, Obstacle> {
        loop {
            let failure = match self.invocation(worker, &parcel.key, LOOK_AGAIN).await {
                Ok(InvocationStatus::Completed(result)) => {
                    return Ok(parcel.answer(worker, result));
                }
                Ok(InvocationStatus::Failed(error)) | Err(error) => sorted(error),
                Ok(InvocationStatus::Cancelled) => {
                    let key = parcel.key.clone();
                    sorted(InvokeError::Cancelled { key })
                }
                Ok(_) => {
                    clock::pause(LONGEST_PAUSE).await;
                    continue;
                }
            };
            match failure {
                // The worker has not begun with it, so it is to be sent again.
                Ok(CallFailure::NotFound(_)) => return Err(Obstacle::Interrupted),
                Ok(failure) => return Ok(Err(failure)),
                Err(Obstacle::Interrupted) => {}
                Err(obstacle) => return Err(obstacle),
            }
        }
    }

    /// The worker that a call is for.
    async fn worker_called(&self, parcel: &Parcel) -> Result<WorkerId, WorkerError> {
        self.named(parcel.request.address.component(), parcel.worker_name()).await
    }

    /// The worker of this name; the component's is a name too, or a UUID.
    async fn named(&self, component: &str, worker: &str) -> Result<WorkerId, WorkerError> {
        WorkerId::new(self.component_called(component).await?, worker.to_owned())
    }

    async fn component_called(&self, component: &str) -> Result<Uuid, ComponentError> {
        match self.catalog.newest(component) {
            Ok(version) => Ok(version.id),
            // Another node may have deployed it just now.
            Err(ComponentError::NotFound { .. }) if self.membership.is_some() => {
                self.catalog.refresh_all().await?;
                Ok(self.catalog.newest(component)?.id)
            }
            Err(error) => Err(error),
        }
    }
}

impl Parcel {
    /// The name of the worker that the call is for; a fresh one is named after the call.
    pub(super) fn worker_name(&self) -> &str {
        self.request.address.worker().unwrap_or(&self.key)
    }

    fn call(&self, fitting: Fitting) -> Result<Box<Call>, InvokeError> {
        let call = prepare(self.invocation(fitting))?;
        Ok(Box::new(Call { by_worker: true, ..call }))
    }

    fn invocation(&self, fitting: Fitting) -> Invocation {
        let Fitting { version, target, args } = fitting;
        let (key, trace) = (Some(self.key.clone()), self.trace.clone());
        Invocation { key, version, target, args, trace }
    }

    fn is_for_fresh(&self) -> bool {
        matches!(self.request.address, Address::Fresh { .. })
    }

    fn settings(&self) -> WorkerSettings {
        WorkerSettings { args: self.args.clone(), env: self.env.clone(), version: None }
    }
}

/// The pauses between attempts, each longer than the one before.
struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Pauses {
    async fn pause(&mut self, obstacle: &Obstacle) {
        tracing::debug!(?obstacle, "trying again");
        clock::pause(self.0).await;
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
    }
}

fn waits_for_itself(parcel: &Parcel) -> CallFailure {
    let caller = format!("{}/{}", parcel.request.address.component(), parcel.worker_name());
    CallFailure::Denied(format!(
        "worker {caller} would wait for itself for ever; let it send itself a message instead"
    ))
}
