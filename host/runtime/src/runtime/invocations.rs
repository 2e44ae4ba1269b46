//! Invoking functions.

use std::sync::Arc;
use std::time::Duration;

use everlog_oplog::{Timestamp, fingerprint};
use tokio::sync::oneshot;

use super::Runtime;
use crate::component::ComponentVersion;
use crate::error::{InvokeError, WorkerError};
use crate::exchange::HttpRequest;
use crate::exports::Target;
use crate::shared::Shared;
use crate::value::{Value, encode_values};
use crate::worker::{
    Call, Ended, Ending, Invocation, InvocationResult, InvocationStatus, Message, Versions,
    WorkerId, WorkerSettings,
};
use crate::{clock, entropy};

/// How often a name is drawn until it is one of this node's: in vain only where it has hardly any.
const DRAWS: usize = 10_000;

/// The longest idempotency key, in bytes.
pub const MAX_KEY_BYTES: usize = 256;

impl Runtime {
    /// The component version that a call to this worker meets.
    ///
    /// # Errors
    /// When the component is not found or not usable.
    pub async fn version_for(
        &self,
        worker: &WorkerId,
    ) -> Result<Arc<ComponentVersion>, WorkerError> {
        Ok(self.versions_for(worker).await?.current)
    }

    /// The component versions that a call to this worker may mean: the one that runs, and those
    /// that are to come.
    ///
    /// # Errors
    /// When the component is not found, or the version that runs is not usable.
    pub async fn versions_for(&self, worker: &WorkerId) -> Result<Versions, WorkerError> {
        self.shared.versions_for(worker).await
    }

    /// Invokes a function, creating the worker on first use; returns when the outcome is durable.
    ///
    /// # Errors
    /// Every way in which an invocation ends without a result.
    pub async fn invoke(
        &self,
        worker: &WorkerId,
        invocation: Invocation,
    ) -> Result<InvocationResult, InvokeError> {
        let _place = self.shared.limits.enter(&invocation.version).await?;
        let call = Box::new(prepare(invocation)?);
        self.shared
            .ask(worker, |reply| Message::Invoke { call, ephemeral: false, settings: None, reply })
            .await
    }

    /// Queues an invocation durably, to be run not before `due`; returns when that is durable.
    ///
    /// # Errors
    /// Every reason not to take it.
    pub async fn accept(
        &self,
        worker: &WorkerId,
        invocation: Invocation,
        due: Option<Timestamp>,
    ) -> Result<(), InvokeError> {
        let call = Box::new(prepare(invocation)?);
        self.shared
            .ask(worker, |reply| Message::Accept {
                call,
                due,
                ephemeral: false,
                settings: None,
                reply,
            })
            .await
    }

    /// Invokes a function on a fresh worker that is gone afterwards.
    ///
    /// # Errors
    /// As [`Runtime::invoke`].
    pub async fn invoke_ephemeral(
        &self,
        component: &ComponentVersion,
        invocation: Invocation,
        mut settings: WorkerSettings,
    ) -> Result<InvocationResult, InvokeError> {
        let _place = self.shared.limits.enter(component).await?;
        let worker = self.fresh_worker(component)?;
        settings.version.get_or_insert(component.version);
        let call = Box::new(prepare(invocation)?);
        let settings = Some(settings);
        self.shared
            .ask(&worker, |reply| Message::Invoke { call, ephemeral: true, settings, reply })
            .await
    }

    /// A name that nobody has, of a worker of this node.
    fn fresh_worker(&self, component: &ComponentVersion) -> Result<WorkerId, WorkerError> {
        let draw = || WorkerId::new(component.id, entropy::uuid().to_string());
        for _ in 0..DRAWS {
            let worker = draw()?;
            if self.shared.serves(&worker) {
                return Ok(worker);
            }
        }
        Err(WorkerError::Elsewhere { worker: draw()?.to_string() })
    }

    /// How far an invocation is; waits up to `wait` for its end.
    ///
    /// # Errors
    /// When nobody used the key, or the worker can't be had.
    pub async fn invocation(
        &self,
        worker: &WorkerId,
        key: &str,
        wait: Duration,
    ) -> Result<InvocationStatus, InvokeError> {
        self.shared.invocation(worker, key, wait).await
    }

    /// Cancels or kills an invocation, on whichever node its worker is.
    ///
    /// # Errors
    /// [`InvokeError::NotCancellable`] once it has ended.
    pub async fn end_invocation(
        &self,
        worker: &WorkerId,
        key: &str,
        how: Ending,
    ) -> Result<Ended, InvokeError> {
        self.shared.end_invocation(worker, key, how).await
    }

    /// Withdraws an accepted invocation that has not started.
    ///
    /// # Errors
    /// [`InvokeError::NotCancellable`] once it has.
    pub async fn cancel(&self, worker: &WorkerId, key: &str) -> Result<(), InvokeError> {
        let key = key.to_owned();
        self.shared.ask(worker, |reply| Message::Cancel { key, reply }).await
    }
}

impl Shared {
    /// As [`Runtime::invocation`], of a worker of this node.
    pub(crate) async fn invocation(
        self: &Arc<Self>,
        worker: &WorkerId,
        key: &str,
        wait: Duration,
    ) -> Result<InvocationStatus, InvokeError> {
        let (join, joined) = oneshot::channel();
        let join = (!wait.is_zero()).then_some(join);
        let key = key.to_owned();
        let status: InvocationStatus =
            self.ask(worker, |reply| Message::Query { key, join, reply }).await?;
        let waits = matches!(
            status,
            InvocationStatus::Pending
                | InvocationStatus::Running { .. }
                | InvocationStatus::Scheduled { .. }
        );
        if !waits || wait.is_zero() {
            return Ok(status);
        }
        tokio::select! {
            outcome = joined => Ok(match outcome {
                Ok(Ok(result)) => InvocationStatus::Completed(result),
                Ok(Err(InvokeError::Cancelled { .. })) => InvocationStatus::Cancelled,
                Ok(Err(
                    error @ (InvokeError::Failed { .. }
                    | InvokeError::Killed { .. }
                    | InvokeError::Exited { .. }),
                )) => InvocationStatus::Failed(error),
                Ok(Err(InvokeError::Interrupted { .. })) | Err(_) => status,
                Ok(Err(error)) => return Err(error),
            }),
            () = clock::pause(wait) => Ok(status),
        }
    }
}

/// What is to be sent to the worker's task.
///
/// # Errors
/// A key or arguments that cannot be.
pub(crate) fn prepare(invocation: Invocation) -> Result<Call, InvokeError> {
    let Invocation { key, version, target, args, trace } = invocation;
    if let Some(key) = &key {
        let allowed = 1..=MAX_KEY_BYTES;
        if !allowed.contains(&key.len()) || key.chars().any(char::is_control) {
            return Err(InvokeError::InvalidKey { limit: MAX_KEY_BYTES });
        }
    }
    let keyed = key.is_some();
    let key = key.unwrap_or_else(|| entropy::uuid().to_string());
    let function = version.exports().name_of(&target).into_owned();
    let request = encoded(&args)?;
    let fingerprint = match target {
        Target::Http(_) => fingerprint(&function, &encoded(&HttpRequest::identity(&args))?),
        _ => fingerprint(&function, &request),
    };
    let (reads, version) = (version.is_read_only(&function), version.version);
    Ok(Call {
        key,
        keyed,
        function,
        version,
        target,
        args,
        request,
        fingerprint,
        trace,
        reads,
        by_worker: false,
    })
}

fn encoded(args: &[Value]) -> Result<Vec<u8>, InvokeError> {
    encode_values(args).map_err(|error| InvokeError::InvalidArguments { detail: error.to_string() })
}
