//! What a wait tells a guest: that a response has come, or trailers, or the result of a call between workers, is an
//! outcome, and recorded as such.
//!
//! The wait's outcome and those that it reports become part of the log together: a crash keeps all of
//! them or none, and so nothing is reported in replay that would have to be fetched again.

use bincode::Encode;
use everlog_oplog::Ticket;
use wasmtime::component::Resource;

use super::http::request_body::MAX_WRITE_BYTES;
use super::http::response_body::GuestTrailers;
use super::http::response_future::ResponseFuture;
use super::{Recipe, WorkerState};
use crate::calls::CallFuture;

impl WorkerState {
    /// Ends a wait that found `ready`, pollables by their numbers.
    pub(super) async fn leave_wait(
        &mut self,
        ticket: Ticket,
        outcome: &(impl Encode + Sync),
        ready: &[u32],
    ) -> wasmtime::Result<()> {
        let mut told = Vec::new();
        let mut seen = Vec::new();
        for pollable in ready {
            if let Some(future) = self.unseen_future(*pollable)
                && let Some(outcome) = future.told()?
            {
                told.push(outcome);
                seen.push(*pollable);
            } else if let Some(trailers) = self.source::<GuestTrailers>(*pollable) {
                told.extend(trailers.told()?);
            } else if let Some(call) = self.unseen_call(*pollable) {
                told.extend(call.told()?);
            }
        }
        let durability = self.recorder.tell_all(ticket, outcome, told)?;
        self.recorder.keep(durability).await?;
        for pollable in seen {
            if let Some(future) = self.source::<ResponseFuture>(pollable) {
                future.explain();
            }
        }
        self.see_ready(ready).await
    }

    /// The guest is told that `ready` are.
    pub(super) async fn see_ready(&mut self, ready: &[u32]) -> wasmtime::Result<()> {
        for pollable in ready {
            if let Some(budget) =
                self.source_of(*pollable).and_then(|source| self.http.budgets.get(&source))
            {
                budget.set(MAX_WRITE_BYTES);
            }
            if let Some(future) = self.unseen_future(*pollable) {
                future.see().await?;
            } else if let Some(trailers) = self.source::<GuestTrailers>(*pollable) {
                trailers.see().await?;
            } else if let Some(call) = self.unseen_call(*pollable) {
                call.see().await?;
            }
        }
        Ok(())
    }

    /// Whether what `pollable` waits for can tell the guest that it is given up.
    pub(super) fn can_fail(&mut self, pollable: u32) -> bool {
        if self.unseen_future(pollable).is_some() || self.unseen_call(pollable).is_some() {
            return true;
        }
        let source = self.source_of(pollable);
        source.is_some_and(|source| self.guest.resources.is_response_body(source))
    }

    /// Has what `pollable` waits for fail, unless its outcome is there; a body fails when it is read.
    pub(super) fn give_up(&mut self, pollable: u32) {
        if let Some(future) = self.unseen_future(pollable) {
            future.give_up();
        } else if let Some(call) = self.unseen_call(pollable) {
            call.give_up();
        }
    }

    fn unseen_future(&mut self, pollable: u32) -> Option<&mut ResponseFuture> {
        self.source::<ResponseFuture>(pollable).filter(|future| future.is_unseen())
    }

    fn unseen_call(&mut self, pollable: u32) -> Option<&mut CallFuture> {
        self.source::<CallFuture>(pollable).filter(|call| call.is_unseen())
    }

    /// What `pollable` waits for, where that is a `T`.
    fn source<T: Send + 'static>(&mut self, pollable: u32) -> Option<&mut T> {
        let source = self.source_of(pollable)?;
        self.table.get_mut(&Resource::<T>::new_borrow(source)).ok()
    }

    fn source_of(&self, pollable: u32) -> Option<u32> {
        match self.guest.resources.get(pollable) {
            Some(Recipe::PollOf(source)) => Some(*source),
            _ => None,
        }
    }
}
