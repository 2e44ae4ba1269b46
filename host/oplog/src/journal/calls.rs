//! Host calls.

use super::divergence::{describe, unchecked};
use super::{Divergence, Journal, Rehearsal};
use crate::entry::{Category, EntryKind, PersistenceLevel};
use crate::index::{Index, Timestamp};
use crate::payload::{Excerpt, Payload, fingerprint};

/// A host function that the guest calls.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// What sort of effect it is.
    pub category: Category,
    /// Its full name, such as `wasi:clocks/wall-clock.now`.
    pub function: &'static str,
    /// What the guest passes, in an encoding that is the same for the same values for ever.
    pub request: &'a [u8],
    /// What [`Journal::begin_write`] returned, where this is the outcome of a write that was begun
    /// there. Also a guest that drops such a write without looking at its outcome is recorded as a
    /// call with this.
    pub begin: Option<Index>,
}

/// What [`Journal::enter`] answers.
#[derive(Debug)]
pub enum Entered {
    /// It happened before; this was the outcome.
    Replayed(Payload),
    /// It has not happened, or not so that the log says so. Do it, then [`Journal::leave`].
    Live(Ticket),
}

/// The permission to do what was asked for, to be given back with its outcome. Dropping it records
/// nothing, which is right where the guest never sees an outcome.
#[derive(Debug)]
#[must_use]
pub struct Ticket {
    recording: Option<Recording>,
    gate: bool,
}

#[derive(Debug)]
struct Recording {
    category: Category,
    function: &'static str,
    fingerprint: u64,
    request: Option<Excerpt>,
    begin: Option<Index>,
}

impl Ticket {
    /// Whether everything in the log must be durable before the call is made.
    #[must_use]
    pub fn gate(&self) -> bool {
        self.gate
    }

    /// Whether the outcome becomes part of the log.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.recording.is_some()
    }
}

/// When an outcome must be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// With the next commit, whenever that is.
    Lazy,
    /// A commit is to be started now; the guest goes on.
    Start,
    /// A commit is to be started now, and the guest waits for it.
    Await,
}

/// What [`Journal::begin_write`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The begin entry, for [`Call::begin`]; `None` where nothing is recorded.
    pub index: Option<Index>,
    /// Whether it was begun before. It may have happened then: it is not to be sent now, but when
    /// its outcome is asked for and [`Journal::enter`] does not have it.
    pub replayed: bool,
    /// Whether everything in the log, the begin included, must be durable before the write is sent.
    pub gate: bool,
}

impl Journal {
    /// Asks what to do about a host call.
    ///
    /// # Errors
    /// A [`Divergence`] where another call is recorded at this point.
    pub fn enter(&mut self, call: &Call<'_>, now: Timestamp) -> Result<Entered, Divergence> {
        let at_most_once = call.category == Category::WriteRemote && !self.idempotence();
        self.enter_counted(call, at_most_once, now)
    }

    /// As [`enter`](Self::enter), for a write that the other side does once however often it is
    /// sent, since it goes by a key: it may be done again whatever the modes say.
    ///
    /// # Errors
    /// A [`Divergence`] where another call is recorded at this point.
    pub fn enter_keyed(&mut self, call: &Call<'_>, now: Timestamp) -> Result<Entered, Divergence> {
        self.enter_counted(call, false, now)
    }

    fn enter_counted(
        &mut self,
        call: &Call<'_>,
        at_most_once: bool,
        now: Timestamp,
    ) -> Result<Entered, Divergence> {
        self.check()?;
        self.check_reach(call.category, || {
            describe_asked(call, fingerprint(call.function, call.request))
        })?;
        // The outcome of a begin that is recorded is recorded too, or the write would look open for
        // ever.
        let recorded = self.persistence_level() != PersistenceLevel::PersistNothing;
        if self.is_apart() {
            return Ok(Entered::Live(Ticket { recording: None, gate: false }));
        }
        if !recorded && call.begin.is_none() {
            return self.enter_unrecorded(call, now);
        }
        let fingerprint = fingerprint(call.function, call.request);
        let mut begin = call.begin;
        if at_most_once && begin.is_none() {
            let idempotent = false;
            begin = Some(self.write_begin(call, fingerprint, idempotent, now)?.0);
        }
        self.enter_recorded(call, fingerprint, begin, now)
    }

    /// As [`enter`](Self::enter), for a call whose effect is stored in one batch with its outcome
    /// and with everything before it: a crash leaves both or neither, so there is nothing to begin
    /// and nothing to wait for, whatever the modes. Where the ticket records nothing, the effect
    /// happens again in each replay.
    ///
    /// # Errors
    /// A [`Divergence`] where another call is recorded at this point.
    pub fn enter_once(&mut self, call: &Call<'_>, now: Timestamp) -> Result<Entered, Divergence> {
        self.check()?;
        self.check_reach(call.category, || {
            describe_asked(call, fingerprint(call.function, call.request))
        })?;
        let entered = if self.persistence_level() == PersistenceLevel::PersistNothing {
            self.enter_unrecorded(call, now)?
        } else {
            let fingerprint = fingerprint(call.function, call.request);
            self.enter_recorded(call, fingerprint, None, now)?
        };
        Ok(match entered {
            Entered::Live(ticket) => Entered::Live(Ticket { gate: false, ..ticket }),
            replayed @ Entered::Replayed(_) => replayed,
        })
    }

    fn enter_recorded(
        &mut self,
        call: &Call<'_>,
        fingerprint: u64,
        begin: Option<Index>,
        now: Timestamp,
    ) -> Result<Entered, Divergence> {
        if let Some((index, entry)) = self.meet()? {
            return match entry.kind {
                EntryKind::HostCall {
                    function,
                    category,
                    fingerprint: recorded,
                    begin: recorded_begin,
                    outcome,
                    ..
                } if recorded == fingerprint
                    && function.as_str() == call.function
                    && category == call.category
                    && recorded_begin == begin =>
                {
                    Ok(Entered::Replayed(outcome))
                }
                other => Err(self.diverge(index, &other, describe_asked(call, fingerprint))),
            };
        }
        self.go_live(now)?;
        let remote = call.category.is_remote();
        // What this journal saw begin was behind the gate then; now its outcome is only looked at.
        let in_flight = call.begin.is_some_and(|begin| begin > self.recovered);
        let recording = Recording {
            category: call.category,
            function: call.function,
            fingerprint,
            request: remote.then(|| Excerpt::of(call.request)),
            begin,
        };
        Ok(Entered::Live(Ticket { recording: Some(recording), gate: remote && !in_flight }))
    }

    /// Whether the next recorded entry is a call of `function` with this begin: for an owner whose
    /// next call depends on what is recorded.
    #[must_use]
    pub fn is_ahead(&self, function: &str, begin: Option<Index>) -> bool {
        match self.ahead() {
            Some((_, EntryKind::HostCall { function: recorded, begin: recorded_begin, .. })) => {
                recorded.as_str() == function && *recorded_begin == begin
            }
            _ => false,
        }
    }

    /// Says how a call went. The outcome becomes part of the log, unless the call is one that is
    /// not recorded.
    pub fn leave(&mut self, ticket: Ticket, outcome: Payload, now: Timestamp) -> Durability {
        let Some(recording) = ticket.recording else { return Durability::Lazy };
        let Recording { category, function, fingerprint, request, begin } = recording;
        let function = function.into();
        let kind = EntryKind::HostCall { function, category, fingerprint, request, begin, outcome };
        self.append(kind, now);
        let patient = self.persistence_level() == PersistenceLevel::PersistRemoteSideEffects;
        match category {
            Category::ReadLocal | Category::WriteLocal => Durability::Lazy,
            Category::ReadRemote | Category::WriteRemote if patient => Durability::Await,
            Category::ReadRemote => Durability::Lazy,
            Category::WriteRemote if self.idempotence() => Durability::Start,
            Category::WriteRemote => Durability::Await,
        }
    }

    /// Begins a remote write that will be in flight beside other calls. Its outcome is recorded by
    /// an [`enter`](Self::enter) with [`Call::begin`] when the guest looks at it; outcomes may come
    /// in any order.
    ///
    /// # Errors
    /// A [`Divergence`] where another call is recorded at this point.
    pub fn begin_write(&mut self, call: &Call<'_>, now: Timestamp) -> Result<Begun, Divergence> {
        self.begin_counted(call, self.idempotence(), now)
    }

    /// As [`begin_write`](Self::begin_write), for a write that goes by a key, see
    /// [`enter_keyed`](Self::enter_keyed).
    ///
    /// # Errors
    /// A [`Divergence`] where another call is recorded at this point.
    pub fn begin_keyed(&mut self, call: &Call<'_>, now: Timestamp) -> Result<Begun, Divergence> {
        self.begin_counted(call, true, now)
    }

    fn begin_counted(
        &mut self,
        call: &Call<'_>,
        idempotent: bool,
        now: Timestamp,
    ) -> Result<Begun, Divergence> {
        self.check()?;
        self.check_reach(call.category, || {
            describe_asked(call, fingerprint(call.function, call.request))
        })?;
        if self.persistence_level() == PersistenceLevel::PersistNothing {
            self.check_unrecorded(call)?;
            let live = !self.is_replaying();
            if live {
                self.go_live(now)?;
            }
            return Ok(Begun { index: None, replayed: false, gate: live });
        }
        let fingerprint = fingerprint(call.function, call.request);
        let (index, replayed) = self.write_begin(call, fingerprint, idempotent, now)?;
        Ok(Begun { index: Some(index), replayed, gate: !replayed })
    }

    /// Calls that are not recorded happen in every replay, and leave the cursor where it is.
    fn enter_unrecorded(&mut self, call: &Call<'_>, now: Timestamp) -> Result<Entered, Divergence> {
        self.check_unrecorded(call)?;
        let live = !self.is_replaying();
        if live {
            self.go_live(now)?;
        }
        let gate = live && call.category.is_remote();
        Ok(Entered::Live(Ticket { recording: None, gate }))
    }

    /// A check has no side effects.
    fn check_unrecorded(&mut self, call: &Call<'_>) -> Result<(), Divergence> {
        if self.rehearsal() != Some(Rehearsal::Check) || !call.category.is_remote() {
            return Ok(());
        }
        let next = self.ahead().map_or(self.last_index().next(), |(index, _)| index);
        let asked = describe_asked(call, fingerprint(call.function, call.request));
        Err(self.stop(unchecked(next, asked)))
    }

    /// Meets or makes a begin entry; returns its index and whether it was met.
    fn write_begin(
        &mut self,
        call: &Call<'_>,
        fingerprint: u64,
        idempotent: bool,
        now: Timestamp,
    ) -> Result<(Index, bool), Divergence> {
        if let Some((index, entry)) = self.meet()? {
            return match entry.kind {
                EntryKind::WriteBegin {
                    ref function,
                    fingerprint: recorded,
                    idempotent: recorded_idempotent,
                    ..
                } if recorded == fingerprint
                    && function.as_str() == call.function
                    && recorded_idempotent == idempotent =>
                {
                    Ok((index, true))
                }
                other => {
                    let asked = format!("the begin of {}", describe_asked(call, fingerprint));
                    Err(self.diverge(index, &other, asked))
                }
            };
        }
        self.go_live(now)?;
        let function = call.function.into();
        let request = Excerpt::of(call.request);
        let kind = EntryKind::WriteBegin { function, fingerprint, request, idempotent };
        Ok((self.append(kind, now), false))
    }
}

fn describe_asked(call: &Call<'_>, fingerprint: u64) -> String {
    describe(&EntryKind::HostCall {
        function: call.function.into(),
        category: call.category,
        fingerprint,
        request: Some(Excerpt::of(call.request)),
        begin: call.begin,
        outcome: Payload::EMPTY,
    })
}
