//! `enter` before an effect, `leave` after it: the few lines that every durable host function is made of.

use bincode::enc::Encoder;
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use bincode::{Decode, Encode};
use everlog_oplog::{
    Begun, Call, Category, Divergence, Durability, Entered as JournalEntered, Index, Journal,
    Payload, Ticket, Timestamp,
};

use super::{Interruption, Recorder};
use crate::wasi::WorkerState;

/// What [`WorkerState::enter`] found.
pub(crate) enum Entered<T> {
    /// The log holds the outcome; the function returns it and does nothing.
    Replayed(T),
    /// The function acts now and hands its outcome to `leave` with this ticket.
    Live(Ticket),
}

const CODEC: bincode::config::Configuration = bincode::config::standard();

impl WorkerState {
    /// Asks the journal before an effect, and closes the output gate first where the category wants it.
    ///
    /// `request` is what the call depends on: it is compared in replay and kept in the log for remote calls.
    ///
    /// # Errors
    /// Divergence, a failed store, or an outcome that does not decode as `T`; each ends the execution.
    pub(crate) async fn enter<T: Decode<()>>(
        &mut self,
        category: Category,
        function: &'static str,
        request: &(impl Encode + Sync),
    ) -> wasmtime::Result<Entered<T>> {
        let entered = self.ask(category, function, request)?;
        if let Entered::Live(ticket) = &entered
            && ticket.gate()
        {
            self.recorder.gate().await?;
        }
        Ok(entered)
    }

    /// As [`enter`](Self::enter), for a write that the other side does once however often it is sent, since it goes by a
    /// key.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn enter_keyed<T: Decode<()>>(
        &mut self,
        function: &'static str,
        request: &(impl Encode + Sync),
    ) -> wasmtime::Result<Entered<T>> {
        let category = Category::WriteRemote;
        let recorder = &self.recorder;
        let entered = recorder.ask_by(Journal::enter_keyed, category, function, request, None)?;
        if let Entered::Live(ticket) = &entered
            && ticket.gate()
        {
            recorder.gate_within().await?;
        }
        Ok(entered)
    }

    /// Tells the journal what an effect brought; waits for the disk where the modes in force want it.
    pub(crate) async fn leave<T: Encode + Sync>(
        &mut self,
        ticket: Ticket,
        outcome: &T,
    ) -> wasmtime::Result<()> {
        let durability = self.tell(ticket, outcome)?;
        Ok(self.recorder.keep(durability).await?)
    }

    /// A call whose outcome only depends on this machine at this moment (clock, random, file times, ready lists):
    /// no gate, no commit, so it needs not wait for anything.
    pub(crate) fn read_local<T: Encode + Decode<()>>(
        &mut self,
        function: &'static str,
        request: &impl Encode,
        live: impl FnOnce(&mut Self) -> wasmtime::Result<T>,
    ) -> wasmtime::Result<T> {
        match self.ask(Category::ReadLocal, function, request)? {
            Entered::Replayed(outcome) => Ok(outcome),
            Entered::Live(ticket) => {
                let outcome = live(self)?;
                self.tell(ticket, &outcome)?;
                Ok(outcome)
            }
        }
    }

    fn ask<T: Decode<()>>(
        &mut self,
        category: Category,
        function: &'static str,
        request: &impl Encode,
    ) -> wasmtime::Result<Entered<T>> {
        Ok(self.recorder.ask(category, function, request)?)
    }

    fn tell(&mut self, ticket: Ticket, outcome: &impl Encode) -> wasmtime::Result<Durability> {
        Ok(self.recorder.tell(ticket, outcome)?)
    }
}

/// The same for streams, which record what they bring themselves, and can't wait.
impl Recorder {
    /// Asks the journal before an effect. The gate is the caller's to close.
    pub(crate) fn ask<T: Decode<()>>(
        &self,
        category: Category,
        function: &'static str,
        request: &impl Encode,
    ) -> Result<Entered<T>, Interruption> {
        self.ask_of(category, function, request, None)
    }

    /// Asks the journal about the outcome of the write that began at `begin`, or about a part of that.
    pub(crate) fn ask_of<T: Decode<()>>(
        &self,
        category: Category,
        function: &'static str,
        request: &impl Encode,
        begin: Option<Index>,
    ) -> Result<Entered<T>, Interruption> {
        self.ask_by(Journal::enter, category, function, request, begin)
    }

    /// Records that a write begins which goes by a key, unless that is recorded. The gate is the caller's to close.
    pub(crate) fn begin_keyed(
        &self,
        function: &'static str,
        request: &[u8],
    ) -> Result<Begun, Interruption> {
        let call = Call { category: Category::WriteRemote, function, request, begin: None };
        Ok(self.with(|journal, now| journal.begin_keyed(&call, now))?)
    }

    /// Asks the journal in one of its ways.
    pub(super) fn ask_by<T: Decode<()>>(
        &self,
        ask: fn(&mut Journal, &Call<'_>, Timestamp) -> Result<JournalEntered, Divergence>,
        category: Category,
        function: &'static str,
        request: &impl Encode,
        begin: Option<Index>,
    ) -> Result<Entered<T>, Interruption> {
        let request = encode(function, request)?;
        let call = Call { category, function, request: &request, begin };
        match self.with(|journal, now| {
            check_begin(journal, function, begin)?;
            Ok::<_, Interruption>(ask(journal, &call, now)?)
        })? {
            JournalEntered::Live(ticket) => Ok(Entered::Live(ticket)),
            JournalEntered::Replayed(payload) => Ok(Entered::Replayed(decode(function, &payload)?)),
        }
    }

    /// Tells the journal what an effect brought, and returns how soon that must be durable.
    pub(crate) fn tell(
        &self,
        ticket: Ticket,
        outcome: &impl Encode,
    ) -> Result<Durability, Interruption> {
        self.tell_all(ticket, outcome, Vec::new())
    }

    /// Tells what an effect brought, and what else the guest learns by it: all of that is in one batch of the log.
    pub(crate) fn tell_all(
        &self,
        ticket: Ticket,
        outcome: &impl Encode,
        others: Vec<Told>,
    ) -> Result<Durability, Interruption> {
        let outcome = payload(outcome)?;
        self.with(|journal, now| {
            let mut durability = journal.leave(ticket, outcome, now);
            for Told { category, function, request, begin, outcome } in others {
                check_begin(journal, function, begin)?;
                let call = Call { category, function, request: &request, begin };
                match journal.enter(&call, now)? {
                    JournalEntered::Live(ticket) => {
                        durability = durability.max(journal.leave(ticket, outcome, now));
                    }
                    JournalEntered::Replayed(_) => {
                        let detail = "the log says already how it ended".to_owned();
                        return Err(Interruption::Unwritable { function, detail });
                    }
                }
            }
            Ok(durability)
        })
    }

    /// Does what [`tell`](Self::tell) asked for.
    pub(crate) async fn keep(&self, durability: Durability) -> Result<(), Interruption> {
        match durability {
            Durability::Lazy => {}
            Durability::Start => self.flush_soon(),
            Durability::Await => self.gate().await?,
        }
        Ok(())
    }

    /// Records a remote write that is handed over now and leaves later, behind the gate: the entry and its outcome
    /// are one step, so that no log ends between them. Returns what was recorded, and for a write that is to happen
    /// now the entry that has to be durable before.
    pub(crate) fn hand_over<T: Encode + Decode<()>>(
        &self,
        function: &'static str,
        request: &impl Encode,
        outcome: T,
    ) -> Result<(T, Option<Index>), Interruption> {
        let request = encode(function, request)?;
        let call =
            Call { category: Category::WriteRemote, function, request: &request, begin: None };
        let bytes = encode(function, &outcome)?;
        let entered = self.with(|journal, now| match journal.enter(&call, now)? {
            JournalEntered::Replayed(payload) => Ok(Err(payload)),
            JournalEntered::Live(ticket) => {
                journal.leave(ticket, Payload::Inline(bytes), now);
                Ok::<_, Divergence>(Ok(journal.last_index()))
            }
        })?;
        match entered {
            Ok(last) => Ok((outcome, Some(last))),
            Err(payload) => Ok((decode(function, &payload)?, None)),
        }
    }
}

/// A request that is encoded already.
pub(crate) struct Raw<'a>(pub(crate) &'a [u8]);

impl Encode for Raw<'_> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        encoder.writer().write(self.0)
    }
}

/// What began before an action is recorded, so its outcome is too, and replay would not come to it inside of the action.
fn check_begin(
    journal: &Journal,
    function: &'static str,
    begin: Option<Index>,
) -> Result<(), Interruption> {
    match (begin, journal.open_action()) {
        (Some(_), Some(action)) => {
            Err(Interruption::InAction { function, action: action.to_owned() })
        }
        _ => Ok(()),
    }
}

/// A call and its outcome, which the guest learns of by another call.
pub(crate) struct Told {
    category: Category,
    function: &'static str,
    request: Vec<u8>,
    begin: Option<Index>,
    outcome: Payload,
}

impl Told {
    /// That a call, begun at `begin`, had this outcome.
    pub(crate) fn new(
        category: Category,
        function: &'static str,
        request: &impl Encode,
        begin: Option<Index>,
        outcome: &impl Encode,
    ) -> Result<Self, Interruption> {
        let outcome = Payload::Inline(encode(function, outcome)?);
        Ok(Self { category, function, request: encode(function, request)?, begin, outcome })
    }
}

/// The value at the beginning of what an entry holds; `None` where there is none.
pub(crate) fn decode_bytes<T: Decode<()>>(bytes: &[u8]) -> Option<T> {
    bincode::decode_from_slice(bytes, CODEC).ok().map(|(value, _)| value)
}

/// A value as entries hold it.
pub(crate) fn encode(function: &'static str, value: &impl Encode) -> Result<Vec<u8>, Interruption> {
    bincode::encode_to_vec(value, CODEC)
        .map_err(|error| Interruption::Unwritable { function, detail: error.to_string() })
}

/// An outcome as it is recorded.
pub(super) fn payload(outcome: &impl Encode) -> Result<Payload, Interruption> {
    Ok(Payload::Inline(encode("a host call", outcome)?))
}

fn decode<T: Decode<()>>(function: &'static str, payload: &Payload) -> Result<T, Interruption> {
    let unreadable = |detail: String| Interruption::Unreadable { function, detail };
    match payload {
        Payload::Inline(bytes) => bincode::decode_from_slice(bytes, CODEC)
            .map(|(outcome, _)| outcome)
            .map_err(|error| unreadable(error.to_string())),
        Payload::Blob { .. } => Err(unreadable("a host call's outcome is never a blob".to_owned())),
    }
}
