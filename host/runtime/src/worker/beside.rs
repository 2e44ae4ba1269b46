//! A replay beside a worker, which hears nothing of it: for a version that may fit it, and for functions that only read.

use std::sync::Arc;

use everlog_oplog::{Conduct, Divergence, FailureKind, Index, Payload, RecordedInvocation};
use everlog_store::Digest;

use super::execute::{self, End};
use super::guest::Guest;
use super::update::{Patience, Saved, unfit};
use super::{WorkerId, load};
use crate::clock;
use crate::component::ComponentVersion;
use crate::durable::Recorder;
use crate::files::Scratch;
use crate::shared::{MAX_INLINE_BYTES, Shared};
use crate::value::{decode_values, encode_result};

/// A replay that has neither callers nor a mailbox, and leaves nothing behind.
pub(crate) struct Replay<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) worker: &'a WorkerId,
    pub(crate) version: Arc<ComponentVersion>,
    pub(crate) recorder: &'a Arc<Recorder>,
}

/// An instance beside the worker, and the directory that it has for the worker's.
pub(crate) struct Beside {
    pub(crate) guest: Guest,
    _files: Scratch,
}

impl Replay<'_> {
    /// Replays what is recorded, or what comes before the invocation that began at `before`.
    ///
    /// # Errors
    /// How the replay ended instead.
    pub(crate) async fn run(&self, before: Option<Index>) -> Result<Beside, End> {
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
        while self.is_next_before(before)
            && let Some(recorded) = self.next()?
        {
            self.replay(&mut guest, recorded).await?;
        }
        Ok(Beside { guest, _files: files })
    }

    fn is_next_before(&self, before: Option<Index>) -> bool {
        before.is_none_or(|before| {
            let next = self.recorder.with(|journal, _| journal.next_index());
            next.is_some_and(|next| next < before)
        })
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
    pub(crate) async fn watch<T>(
        &self,
        running: impl Future<Output = wasmtime::Result<T>>,
    ) -> Result<T, End> {
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
