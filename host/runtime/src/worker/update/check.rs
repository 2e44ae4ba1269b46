//! Whether a version fits a worker: a replay beside the worker, which hears nothing of it.

use std::sync::Arc;

use everlog_oplog::{Divergence, FailureKind, Rehearsal};

use super::trial::expected;
use crate::component::ComponentVersion;
use crate::error::WorkerError;
use crate::shared::Shared;
use crate::worker::beside::Replay;
use crate::worker::execute::End;
use crate::worker::{WorkerId, load};

/// Whether a version fits a worker's history.
#[derive(Clone, Debug)]
pub enum Fit {
    /// It does everything as recorded.
    Fits,
    /// It does something else first here.
    Diverges(Divergence),
}

/// Replays the durable history of `worker` on `version`; `None` if there is no such worker.
///
/// # Errors
/// A damaged log, or a host that has no room for another instance.
pub(crate) async fn check(
    shared: &Arc<Shared>,
    worker: &WorkerId,
    version: Arc<ComponentVersion>,
) -> Result<Option<Fit>, WorkerError> {
    let key = worker.key()?;
    let Some(mut journal) = load::read_journal(shared, worker, &key).await? else {
        return Ok(None);
    };
    journal.rehearse(Rehearsal::Check);
    let recorder = load::beside(shared, &key, journal);
    let replay = Replay { shared, worker, version, recorder: &recorder };
    let end = replay.run(None).await.err();
    let fits = recorder.with(|journal, _| journal.has_halted() || journal.has_fitted());
    match end {
        _ if fits => Ok(Some(Fit::Fits)),
        None => Ok(Some(Fit::Fits)),
        Some(End::Diverged(divergence)) => Ok(Some(Fit::Diverges(*divergence))),
        Some(End::StoreFailed(error)) => Err(error.into()),
        Some(End::Failed { kind: FailureKind::HostMemory, .. }) => {
            Err(WorkerError::NoRoom { worker: worker.to_string() })
        }
        Some(End::Failed { message, .. }) => {
            Ok(Some(Fit::Diverges(expected(&recorder, format!("it failed: {message}")))))
        }
        Some(_) => Ok(Some(Fit::Diverges(expected(&recorder, "it ended or waited".to_owned())))),
    }
}
