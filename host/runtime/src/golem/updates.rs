//! `golem:api/host`: updates that a guest asks for.

use std::sync::atomic::Ordering;

use everlog_oplog::{Category, Payload, Ticket, UpdateMode};

use super::bindings::golem::api::host::{self, UpdateMode as GuestMode};
use super::workers::uuid;
use crate::durable::{Entered, Interruption, encode};
use crate::error::{ComponentError, WorkerError};
use crate::wasi::WorkerState;
use crate::worker::WorkerId;
use crate::worker::update::record_request;

const FUNCTION: &str = "golem:api/host.update-worker";

/// What came of a request: why it was refused is part of the history.
pub(super) type Requested = Result<(), String>;

impl WorkerState {
    /// Asks for an update. A request that can never be granted is recorded as refused, and traps, also
    /// in each replay; one that cannot be granted now traps unrecorded, so that it is made again.
    pub(super) async fn request_update(
        &mut self,
        worker: host::WorkerId,
        version: u64,
        mode: GuestMode,
    ) -> wasmtime::Result<()> {
        let component = uuid(&worker.component_id);
        let request = (component.as_u128(), &worker.worker_name, version, mode as u8);
        let requested = match self.enter(Category::WriteRemote, FUNCTION, &request).await? {
            Entered::Replayed(requested) => requested,
            Entered::Live(ticket) => {
                let mode = mode.into();
                match WorkerId::new(component, worker.worker_name) {
                    Ok(own) if own == self.environment.worker => {
                        self.update_itself(ticket, version, mode).await?
                    }
                    Ok(other) => {
                        let requested = self.update_other(&other, version, mode).await?;
                        self.leave(ticket, &requested).await?;
                        requested
                    }
                    Err(error) => {
                        let requested = Err(error.to_string());
                        self.leave(ticket, &requested).await?;
                        requested
                    }
                }
            }
        };
        requested.map_err(|why: String| wasmtime::format_err!("update-worker is refused: {why}"))
    }

    async fn update_other(
        &mut self,
        worker: &WorkerId,
        version: u64,
        mode: UpdateMode,
    ) -> Result<Requested, Interruption> {
        let caller = self.caller();
        settled(self.shared()?.update(worker, version, mode, Some(caller)).await)
    }

    /// The request and what came of it are one step in the one log, so that no crash parts them.
    async fn update_itself(
        &mut self,
        ticket: Ticket,
        version: u64,
        mode: UpdateMode,
    ) -> Result<Requested, Interruption> {
        let worker = &self.environment.worker;
        let shared = self.shared()?;
        let found = shared.catalog.version(&worker.component.to_string(), version).await;
        let (label, caller) = (worker.to_string(), self.caller());
        let (requested, durability) = self.recorder.with(|journal, now| {
            let recorded = found
                .map_err(WorkerError::from)
                .and_then(|_| record_request(journal, &label, version, mode, Some(caller), now));
            let requested = settled(recorded.map(drop))?;
            let outcome = Payload::Inline(encode(FUNCTION, &requested)?);
            Ok::<_, Interruption>((requested, journal.leave(ticket, outcome, now)))
        })?;
        if let Some(handle) = shared.registry.get(worker) {
            handle.updates_itself.store(true, Ordering::Release);
        }
        self.recorder.keep(durability).await?;
        Ok(requested)
    }
}

/// Tells what stays refused from what may be granted another time.
fn settled(requested: Result<(), WorkerError>) -> Result<Requested, Interruption> {
    let refused = |error: &WorkerError| {
        matches!(
            error,
            WorkerError::NotFound { .. }
                | WorkerError::Component(
                    ComponentError::NotFound { .. } | ComponentError::VersionNotFound { .. }
                )
                | WorkerError::Ephemeral { .. }
                | WorkerError::Exited { .. }
        )
    };
    match requested {
        Ok(()) => Ok(Ok(())),
        Err(error) if refused(&error) => Ok(Err(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

impl From<GuestMode> for UpdateMode {
    fn from(mode: GuestMode) -> Self {
        match mode {
            GuestMode::Automatic => Self::Automatic,
            GuestMode::SnapshotBased => Self::Snapshot,
        }
    }
}
