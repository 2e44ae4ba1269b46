//! Actions: a part of the guest whose outcome is one entry, whatever it does.
//!
//! While an action is under way nothing is recorded, as at the level `persist-nothing`, but unlike
//! there replay does not go through it again: it meets the outcome. So nothing that is recorded may
//! happen inside, and an action is never under way while recorded entries lie ahead.

use super::{Call, Divergence, Durability, Entered, Journal, Ticket};
use crate::index::Timestamp;
use crate::payload::Payload;

impl Journal {
    /// As [`enter`](Self::enter), for an action. Where it is live, nothing is recorded until
    /// [`end_action`](Self::end_action).
    ///
    /// # Errors
    /// A [`Divergence`] where something else is recorded at this point.
    pub fn begin_action(&mut self, call: &Call<'_>, now: Timestamp) -> Result<Entered, Divergence> {
        let entered = self.enter(call, now)?;
        if let Entered::Live(_) = &entered {
            self.acting = Some(String::from_utf8_lossy(call.request).into_owned());
            self.lines.action_begun();
        }
        Ok(entered)
    }

    /// Says what the action that is under way brought.
    pub fn end_action(&mut self, ticket: Ticket, outcome: Payload, now: Timestamp) -> Durability {
        self.acting = None;
        self.leave(ticket, outcome, now)
    }

    /// The idempotency key of the invocation that the guest is in.
    #[must_use]
    pub fn invocation_key(&self) -> Option<&str> {
        self.execution().current.as_ref().map(|current| current.key.as_str())
    }

    /// The name of the action that is under way, which is its request.
    #[must_use]
    pub fn open_action(&self) -> Option<&str> {
        self.acting.as_deref()
    }
}
