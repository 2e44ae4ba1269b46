//! `everlog:api/actions`: a part of the guest whose outcome is one entry.

use everlog_oplog::{Call, Category, Entered, Payload, Ticket};

use super::bindings::everlog::api::actions::{Host, Step};
use super::places;
use crate::durable::Interruption;
use crate::wasi::{KeyCursors, WorkerState};

/// What the entry of an action is a call of.
pub(super) const RUN: &str = "everlog:api/actions.run";
/// The longest name of an action, in bytes.
const MAX_NAME_BYTES: usize = 256;
/// The largest outcome of an action, in bytes.
const MAX_OUTCOME_BYTES: usize = 4 << 20;

const _: () = assert!(MAX_OUTCOME_BYTES <= Payload::MAX_INLINE_BYTES);

/// An action that is under way. Replay will skip it, so whatever replay rebuilds has to be afterwards as it was before.
pub(crate) struct OpenAction {
    name: String,
    ticket: Ticket,
    /// The resources there were, and the order in which free places of the table would be given.
    resources: Vec<u32>,
    free: Vec<u32>,
    cursors: KeyCursors,
}

impl Host for WorkerState {
    async fn begin(&mut self, name: String) -> wasmtime::Result<Step> {
        if let Some(OpenAction { name: open, .. }) = &self.action {
            return refuse(format!(
                "action {name:?} begins inside of action {open:?}; an action can't hold another"
            ));
        }
        if !(1..=MAX_NAME_BYTES).contains(&name.len()) {
            let found = name.len();
            return refuse(format!(
                "the name of an action has {found} bytes; 1 to {MAX_NAME_BYTES} are allowed"
            ));
        }
        // What is printed before belongs to no action, in replay too.
        self.flush_partial_lines();
        let request = name.as_bytes();
        let call = Call { category: Category::WriteRemote, function: RUN, request, begin: None };
        let begun = self.recorder.with(|journal, now| journal.begin_action(&call, now));
        match begun.map_err(Interruption::from)? {
            Entered::Replayed(Payload::Inline(outcome)) => Ok(Step::Done(outcome)),
            Entered::Replayed(Payload::Blob { .. }) => {
                refuse(format!("the outcome of action {name:?} is a blob, which it never is"))
            }
            Entered::Live(ticket) => {
                // What leaves from inside closes the gate by itself; only a begin that must not be forgotten can't wait.
                if ticket.gate() && !self.recorder.with(|journal, _| journal.idempotence()) {
                    self.recorder.gate().await?;
                }
                let resources = self.guest.resources.numbers().collect();
                let free = places::free(&mut self.table);
                let cursors = self.guest.key_cursors.clone();
                self.action = Some(OpenAction { name, ticket, resources, free, cursors });
                Ok(Step::Run)
            }
        }
    }

    async fn end(&mut self, outcome: Vec<u8>) -> wasmtime::Result<()> {
        let Some(action) = self.action.take() else {
            return refuse("an action ends, but none has begun".to_owned());
        };
        let OpenAction { name, ticket, resources, free, cursors } = action;
        if outcome.len() > MAX_OUTCOME_BYTES {
            let found = outcome.len();
            return refuse(format!(
                "the outcome of action {name:?} has {found} bytes, but at most {MAX_OUTCOME_BYTES} are allowed"
            ));
        }
        self.check_resources(&name, &resources)?;
        places::set_free(&mut self.table, &free);
        self.guest.key_cursors = cursors;
        self.flush_partial_lines();
        let outcome = Payload::Inline(outcome);
        let durability =
            self.recorder.with(|journal, now| journal.end_action(ticket, outcome, now));
        Ok(self.recorder.keep(durability).await?)
    }
}

impl WorkerState {
    /// Refuses what would be recorded inside of an action.
    pub(crate) fn outside_actions(&self, function: &'static str) -> Result<(), Interruption> {
        match &self.action {
            None => Ok(()),
            Some(OpenAction { name, .. }) => {
                Err(Interruption::InAction { function, action: name.clone() })
            }
        }
    }

    /// The name of the action that is under way.
    pub(crate) fn open_action(&self) -> Option<&str> {
        self.action.as_ref().map(|action| action.name.as_str())
    }

    /// Refuses an action that has left resources behind, or dropped some that were there before.
    fn check_resources(&self, name: &str, before: &[u32]) -> wasmtime::Result<()> {
        let left = self.guest.resources.numbers().find(|number| !before.contains(number));
        if let Some(recipe) = left.and_then(|number| self.guest.resources.get(number)) {
            return refuse(format!(
                "action {name:?} leaves a host resource behind ({}); what is made inside an action must be dropped \
                 inside it, since a replay does not make it",
                recipe.kind()
            ));
        }
        if before.iter().any(|number| self.guest.resources.get(*number).is_none()) {
            return refuse(format!(
                "action {name:?} has dropped a host resource that was made before it; a replay would still have it"
            ));
        }
        Ok(())
    }
}

fn refuse<T>(detail: String) -> wasmtime::Result<T> {
    Err(Interruption::ActionRefused { detail }.into())
}
