//! What a guest may do while it saves itself, loads what it saved, or only reads.
//!
//! A save is thrown away together with the instance that made it, whether the update succeeds or
//! not, so nothing of it is recorded. A load is part of the history of the new version and runs
//! again at the begin of every later replay, so what it learns is recorded behind the
//! [`EntryKind::SnapshotLoaded`] and answered from there. Neither may reach beyond the worker: a
//! save that fails must leave no trace, and a load is not part of any invocation that could answer
//! for what it did.
//!
//! A read-only function that does not wait for its turn runs on an instance of its own, made from
//! the history up to the last invocation that has ended; nothing of it is recorded, and it may look
//! at what is outside but change nothing.

use super::divergence::describe;
use super::{Divergence, Journal};
use crate::entry::{Category, EntryKind};
use crate::index::{Index, Timestamp};
use crate::payload::Payload;

/// Why the guest runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conduct {
    /// It was invoked, or is being instantiated.
    #[default]
    Invoked,
    /// It saves itself. Nothing is recorded.
    Saving,
    /// It runs a read-only function beside the worker. Nothing is recorded.
    Reading,
    /// It loads for the first time. What it learns is recorded.
    Loading,
    /// It loads again, and must do what it did the first time.
    Reloading,
}

impl Journal {
    /// Says why the guest runs from here on.
    pub fn conduct(&mut self, conduct: Conduct) {
        self.conduct = conduct;
    }

    /// `version` is given what the version before it saved. Takes effect with the
    /// [`Journal::update_done`] that must follow in the same tail; every later replay starts from
    /// [`crate::Status::base`] then.
    pub fn snapshot_loaded(&mut self, version: u64, data: Payload, now: Timestamp) -> Index {
        self.append(EntryKind::SnapshotLoaded { version, data }, now)
    }

    /// Whether what the guest does is no part of the history.
    pub(super) fn is_apart(&self) -> bool {
        matches!(self.conduct, Conduct::Saving | Conduct::Reading)
    }

    /// Refuses what reaches beyond the worker where a snapshot is made or loaded, and in a check,
    /// where it would not be answered from the log.
    pub(super) fn check_reach(
        &mut self,
        category: Category,
        asked: impl FnOnce() -> String,
    ) -> Result<(), Divergence> {
        let allowed = match self.conduct {
            Conduct::Invoked => true,
            Conduct::Reading => {
                matches!(category, Category::ReadLocal | Category::ReadRemote)
            }
            Conduct::Saving | Conduct::Loading | Conduct::Reloading => !category.is_remote(),
        };
        if allowed { Ok(()) } else { Err(self.refuse(asked())) }
    }

    /// Refuses to steer the execution where a snapshot is made; where one is loaded, modes and
    /// promises are the guest's business, regions and jumps are not.
    pub(super) fn check_steering(&mut self, kind: &EntryKind) -> Result<(), Divergence> {
        if self.acting.is_some() {
            return Err(self.refuse_in_action(describe(kind)));
        }
        let region = matches!(kind, EntryKind::AtomicBegin | EntryKind::AtomicEnd { .. });
        match self.conduct {
            Conduct::Invoked => Ok(()),
            Conduct::Loading | Conduct::Reloading if !region => Ok(()),
            Conduct::Saving | Conduct::Reading | Conduct::Loading | Conduct::Reloading => {
                Err(self.refuse(describe(kind)))
            }
        }
    }

    /// Refuses to go back in the history while a snapshot is made or loaded.
    pub(super) fn check_return(
        &mut self,
        asked: impl FnOnce() -> String,
    ) -> Result<(), Divergence> {
        if self.acting.is_some() {
            return Err(self.refuse_in_action(asked()));
        }
        match self.conduct {
            Conduct::Invoked => Ok(()),
            Conduct::Saving | Conduct::Reading | Conduct::Loading | Conduct::Reloading => {
                Err(self.refuse(asked()))
            }
        }
    }

    /// A load that runs again has nothing new to do.
    pub(super) fn check_reload(&mut self) -> Result<(), Divergence> {
        if self.conduct != Conduct::Reloading {
            return Ok(());
        }
        let index = self.last_index().next();
        Err(self.stop(Divergence {
            index,
            recorded: "the end of the snapshot's load".to_owned(),
            asked: "more than it did when it loaded first".to_owned(),
        }))
    }

    /// The host functions refuse it before; this is the last line.
    fn refuse_in_action(&mut self, asked: String) -> Divergence {
        let index = self.last_index().next();
        let recorded = "nothing, since an action is under way".to_owned();
        self.stop(Divergence { index, recorded, asked })
    }

    fn refuse(&mut self, asked: String) -> Divergence {
        let index = self.last_index().next();
        let recorded = match self.conduct {
            Conduct::Reading => "nothing but reading, in a read-only function",
            _ => {
                "nothing that reaches beyond the worker, or steers its execution, while a snapshot \
                 is saved or loaded"
            }
        };
        self.stop(Divergence { index, recorded: recorded.to_owned(), asked })
    }
}
