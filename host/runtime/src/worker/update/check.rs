//! Whether a version fits a worker: a replay beside the worker, which hears nothing of it.

use std::sync::Arc;

use everlog_oplog::{Conduct, Divergence, FailureKind, Payload, RecordedInvocation, Rehearsal};
use everlog_store::Digest;

use super::hand_over::unfit;
use super::patience::Patience;
use super::saved::Saved;
use super::trial::expected;
use crate::clock;
use crate::component::ComponentVersion;
use crate::durable::Recorder;
use crate::error::WorkerError;
use crate::shared::{MAX_INLINE_BYTES, Shared};
use crate::value::{decode_values, encode_result};
use crate::worker::execute::{self, End};
use crate::worker::guest::Guest;
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
    let end = replay.run().await.err();
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

/// A replay that has neither callers nor a mailbox, and leaves nothing behind.
struct Replay<'a> {
    shared: &'a Arc<Shared>,
    worker: &'a WorkerId,
    version: Arc<ComponentVersion>,
    recorder: &'a Arc<Recorder>,
}

impl Replay<'_> {
    async fn run(&self) -> Result<(), End> {
        let files = self.shared.files.scratch().map_err(|error| host_error(&error))?;
        let base = self.recorder.with(|journal, _| journal.status().base.clone());
        let saved = match &base {
            Some(base) => {
                Some(Saved::fetch(self.shared, &base.data).await.map_err(End::StoreFailed)?)
            }
            None => None,
        };
        let make = load::Making {
            shared: self.shared,
            worker: self.worker,
            version: Arc::clone(&self.version),
            recorder: self.recorder,
            files: files.root(),
        };
        let mut guest = make.guest(saved.as_ref()).await?;
        if let (Some(saved), Some(base)) = (&saved, &base) {
            self.recorder.with(|journal, _| journal.conduct(Conduct::Reloading));
            let loaded = self.watch(guest.load(&saved.bytes)).await;
            self.recorder.with(|journal, _| journal.conduct(Conduct::Invoked));
            let problem = match loaded {
                Ok(Ok(())) => None,
                Ok(Err(refused)) => Some(refused),
                Err(End::Failed { kind: FailureKind::HostError | FailureKind::Trap, message }) => {
                    Some(message)
                }
                Err(end) => return Err(end),
            };
            if let Some(problem) = problem {
                return Err(unfit(self.recorder, base.index, &problem));
            }
        }
        while let Some(recorded) = self.next()? {
            self.replay(&mut guest, recorded).await?;
        }
        Ok(())
    }

    fn next(&self) -> Result<Option<RecordedInvocation>, End> {
        self.recorder.with(|journal, _| journal.next_recorded()).map_err(diverged)
    }

    async fn replay(&self, guest: &mut Guest, recorded: RecordedInvocation) -> Result<(), End> {
        let unfit = |asked: String| {
            let divergence = Divergence {
                index: recorded.index,
                recorded: format!("a call of `{}`", recorded.function),
                asked,
            };
            diverged(self.recorder.with(|journal, _| journal.give_up(divergence)))
        };
        let target = self.version.exports().resolve(&recorded.function);
        let target = target.map_err(|error| unfit(error.to_string()))?;
        let bytes = self.shared.resolve(&recorded.request).await.map_err(End::StoreFailed)?;
        let args = decode_values(&bytes).map_err(|error| unfit(error.to_string()))?;
        let prepared = guest.prepare(&target, &args).map_err(|error| unfit(error.to_string()))?;
        let returned = self.watch(guest.call(&target, prepared)).await?;
        guest.state().flush_partial_lines();
        let result = encode_result(returned.value.as_ref());
        let result = payload(result.map_err(|error| host_error(&error))?);
        self.recorder
            .with(|journal, now| journal.complete(result, 0, now))
            .map(drop)
            .map_err(diverged)
    }

    /// Lets the guest run as long as it comes on.
    async fn watch<T>(&self, running: impl Future<Output = wasmtime::Result<T>>) -> Result<T, End> {
        let mut running = std::pin::pin!(running);
        let mut patience = Patience::default();
        loop {
            tokio::select! {
                biased;
                result = &mut running => return result.map_err(execute::explain),
                () = clock::pause(self.shared.config.commit_interval) => {
                    let (over, halted) = self.recorder.with(|journal, _| {
                        (patience.is_over(journal), journal.has_halted())
                    });
                    if halted {
                        return Err(End::Halted);
                    }
                    if let Some(message) = over {
                        return Err(End::Failed { kind: FailureKind::HostError, message });
                    }
                }
            }
        }
    }
}

fn diverged(divergence: Divergence) -> End {
    End::Diverged(Box::new(divergence))
}

fn host_error(error: &dyn std::fmt::Display) -> End {
    End::Failed { kind: FailureKind::HostError, message: error.to_string() }
}

/// A result as the log has it, without storing it.
fn payload(bytes: Vec<u8>) -> Payload {
    if bytes.len() <= MAX_INLINE_BYTES {
        return Payload::Inline(bytes);
    }
    let size = bytes.len() as u64;
    Payload::Blob { digest: *Digest::of(&bytes).as_bytes(), size }
}
