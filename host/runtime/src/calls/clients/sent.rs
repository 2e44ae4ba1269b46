//! `everlog:api/calls.sent-call`: a call that its worker has taken.

use wasmtime::component::Resource;

use super::bindings::everlog::api::calls::{CallError, Host, HostSentCall};
use crate::calls::CallFailure;
use crate::durable::{Entered, Interruption};
use crate::wasi::{Recipe, WorkerState};

const CANCEL: &str = "everlog:api/calls.[method]sent-call.cancel";

/// Which call.
#[expect(unreachable_pub, reason = "the generated bindings pass it on")]
pub struct SentCall {
    component: String,
    worker: String,
    key: String,
}

impl SentCall {
    pub(super) fn new(component: String, worker: String, key: String) -> Self {
        Self { component, worker, key }
    }
}

impl Host for WorkerState {}

impl HostSentCall for WorkerState {
    fn new(
        &mut self,
        component: String,
        worker: String,
        key: String,
    ) -> wasmtime::Result<Resource<SentCall>> {
        self.push_sent(SentCall::new(component, worker, key))
    }

    fn worker(&mut self, sent: Resource<SentCall>) -> wasmtime::Result<String> {
        Ok(self.table.get(&sent)?.worker.clone())
    }

    fn key(&mut self, sent: Resource<SentCall>) -> wasmtime::Result<String> {
        Ok(self.table.get(&sent)?.key.clone())
    }

    async fn cancel(
        &mut self,
        sent: Resource<SentCall>,
    ) -> wasmtime::Result<Result<bool, CallError>> {
        let SentCall { component, worker, key } = self.table.get(&sent)?;
        let request = (component.clone(), worker.clone(), key.clone());
        // To take back what is taken back tells the same, so it may be asked again.
        let outcome: Result<bool, CallFailure> = match self.enter_keyed(CANCEL, &request).await? {
            Entered::Replayed(outcome) => outcome,
            Entered::Live(ticket) => {
                let shared = self.shared().map_err(Interruption::from)?;
                let (component, worker, key) = &request;
                let outcome = shared.take_back(component, worker, key).await;
                self.leave(ticket, &outcome).await?;
                outcome
            }
        };
        Ok(outcome.map_err(CallError::from))
    }

    fn drop(&mut self, sent: Resource<SentCall>) -> wasmtime::Result<()> {
        self.delete(sent)?;
        Ok(())
    }
}

impl WorkerState {
    /// Adds a call that was sent.
    pub(super) fn push_sent(&mut self, sent: SentCall) -> wasmtime::Result<Resource<SentCall>> {
        let SentCall { component, worker, key } = &sent;
        let recipe = Recipe::SentCall {
            component: component.clone(),
            worker: worker.clone(),
            key: key.clone(),
        };
        Ok(self.push(sent, recipe)?)
    }
}

impl From<CallFailure> for CallError {
    fn from(failure: CallFailure) -> Self {
        match failure {
            CallFailure::NotFound(detail) => Self::NotFound(detail),
            CallFailure::Mismatch(detail) => Self::Mismatch(detail),
            CallFailure::Denied(detail) => Self::Denied(detail),
            CallFailure::Failed(detail) => Self::Failed(detail),
            CallFailure::Cancelled(detail) => Self::Cancelled(detail),
        }
    }
}
