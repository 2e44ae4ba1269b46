//! Calls about data that workers share and this server keeps: buckets and containers.
//!
//! A change is stored in one batch with the entry of its outcome. After a crash both are there or neither, so it happens
//! exactly once, also where remote writes must not be repeated, and nothing has to be durable before it.

use bincode::{Decode, Encode};
use everlog_oplog::{Category, Durability, Index, Journal, Ticket};
use everlog_store::Batch;
use futures::channel::oneshot;

use super::call::payload;
use super::{Entered, Flushed};
use crate::keyvalue::{DataError, OwnValue, Write};
use crate::wasi::WorkerState;

/// What the guest is told, as the log keeps it: an outcome, or why there is none.
pub(crate) type Reply<T> = Result<T, String>;

impl WorkerState {
    /// A call that only looks at shared data. `live` is polled where the log has no outcome.
    pub(crate) async fn read_shared<T: Encode + Decode<()> + Send + Sync>(
        &mut self,
        function: &'static str,
        request: &(impl Encode + Sync),
        live: impl Future<Output = Result<T, DataError>> + Send,
    ) -> wasmtime::Result<Reply<T>> {
        let entered = self.enter(Category::ReadRemote, function, request).await?;
        self.read(entered, live).await
    }

    /// A call that looks at the worker's own data. Nobody learns of it by that, so nothing has to be durable before it;
    /// `live` has to see what the worker itself has done.
    pub(crate) async fn read_own<T: Encode + Decode<()> + Send + Sync>(
        &mut self,
        function: &'static str,
        request: &(impl Encode + Sync),
        live: impl Future<Output = Result<T, DataError>> + Send,
    ) -> wasmtime::Result<Reply<T>> {
        let entered = self.recorder.ask(Category::ReadRemote, function, request)?;
        self.read(entered, live).await
    }

    async fn read<T: Encode + Sync>(
        &mut self,
        entered: Entered<Reply<T>>,
        live: impl Future<Output = Result<T, DataError>> + Send,
    ) -> wasmtime::Result<Reply<T>> {
        match entered {
            Entered::Replayed(told) => Ok(told),
            Entered::Live(ticket) => {
                let told = tell(live.await)?;
                self.leave(ticket, &told).await?;
                Ok(told)
            }
        }
    }

    /// A call that changes one value of the worker's own data, which the worker sees from then on.
    pub(crate) async fn write_own(
        &mut self,
        function: &'static str,
        request: &(impl Encode + Sync),
        live: impl Future<Output = Result<(OwnValue, Write), DataError>> + Send,
    ) -> wasmtime::Result<Reply<()>> {
        let category = Category::WriteRemote;
        match self.recorder.ask_by(Journal::enter_once, category, function, request, None)? {
            Entered::Replayed(told) => Ok(told),
            Entered::Live(ticket) => match tell(live.await)? {
                Ok((changed, write)) => {
                    let told = Ok(());
                    self.unstored.forget(self.recorder.durable());
                    if let Some(at) = self.leave_with(ticket, &told, write).await? {
                        self.unstored.note(at, changed);
                    }
                    Ok(told)
                }
                Err(refused) => {
                    let told = Err(refused);
                    self.leave(ticket, &told).await?;
                    Ok(told)
                }
            },
        }
    }

    /// A call that changes shared data. `live` is polled where the log has no outcome, and decides on the changes.
    ///
    /// Where nothing is recorded (`persist-nothing`) the change is made again in each replay.
    pub(crate) async fn write_shared<T: Encode + Decode<()> + Send + Sync>(
        &mut self,
        function: &'static str,
        request: &(impl Encode + Sync),
        live: impl Future<Output = Result<(T, Write), DataError>> + Send,
    ) -> wasmtime::Result<Reply<T>> {
        let category = Category::WriteRemote;
        match self.recorder.ask_by(Journal::enter_once, category, function, request, None)? {
            Entered::Replayed(told) => Ok(told),
            Entered::Live(ticket) => match tell(live.await)? {
                Ok((outcome, write)) => {
                    let told = Ok(outcome);
                    self.leave_with(ticket, &told, write).await?;
                    Ok(told)
                }
                Err(refused) => {
                    let told = Err(refused);
                    self.leave(ticket, &told).await?;
                    Ok(told)
                }
            },
        }
    }

    /// Records the outcome together with the changes. Returns the entry unless they are stored already.
    async fn leave_with<T: Encode>(
        &mut self,
        ticket: Ticket,
        told: &Reply<T>,
        write: Write,
    ) -> wasmtime::Result<Option<Index>> {
        let outcome = payload(told)?;
        let Write { expectations, changes, held } = write;
        let batch = Batch { expectations, changes, ..Batch::default() };
        let recorded = ticket.is_recorded();
        let (stored, storing) = oneshot::channel();
        let done: Flushed = Box::new(move |result| {
            drop(held);
            // Mostly nobody waits: whatever leaves the worker next waits for its log.
            drop(stored.send(result));
        });
        let leave = |journal: &mut Journal, now| {
            let durability = journal.leave(ticket, outcome, now);
            (durability, journal.last_index())
        };
        let (durability, at) = self.recorder.record_with(leave, batch, done);
        self.recorder.drive(!recorded || durability == Durability::Await);
        if !recorded {
            // Without an entry no gate waits for it, so a later read could miss it.
            if let Ok(result) = storing.await {
                result.map_err(super::Interruption::from)?;
            }
            return Ok(None);
        }
        if durability == Durability::Await {
            self.recorder.gate().await?;
            return Ok(None);
        }
        Ok(Some(at))
    }
}

fn tell<T>(result: Result<T, DataError>) -> wasmtime::Result<Reply<T>> {
    match result {
        Ok(outcome) => Ok(Ok(outcome)),
        Err(error) => Ok(Err(error.into_told().map_err(super::Interruption::from)?)),
    }
}
