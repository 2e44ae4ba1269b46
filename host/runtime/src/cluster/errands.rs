//! What a node asks of another on behalf of a worker.

use std::sync::Arc;
use std::time::Duration;

use bincode::{Decode, Encode};
use everlog_oplog::{Caller, Index, UpdateMode};
use everlog_store::StoreError;
use everlog_store::cluster::Node;
use futures::future::{BoxFuture, join_all};
use uuid::Uuid;

use super::Place;
use crate::calls::{CallFailure, CallOutcome, Parcel};
use crate::clock;
use crate::error::{ComponentError, InvokeError, WorkerError};
use crate::shared::Shared;
use crate::worker::{Ended, Ending, Message, WorkerId};

/// How long the owner of a worker is looked for: longer than the lease of a node that died.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two attempts.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// How long another node may take to hear of a change of a component; it finds out by itself later.
const NEWS_LIMIT: Duration = Duration::from_secs(3);

/// The way to other nodes.
pub trait Peers: Send + Sync + 'static {
    /// Has `node` answer a request, which [`Runtime::answer_peer`](crate::Runtime::answer_peer) does there.
    fn ask(
        &self,
        node: &Node,
        request: Vec<u8>,
    ) -> BoxFuture<'static, Result<Vec<u8>, PeerFailure>>;
}

/// Why another node has not answered. Whether it has done anything is unknown.
#[derive(Clone, Debug, thiserror::Error)]
#[error("node {node} does not answer: {reason}")]
pub struct PeerFailure {
    /// Its address.
    pub node: String,
    /// What happened.
    pub reason: String,
}

/// A worker in a request.
#[derive(Clone, Debug, Encode, Decode)]
pub(crate) struct Named {
    component: [u8; 16],
    name: String,
}

impl From<&WorkerId> for Named {
    fn from(worker: &WorkerId) -> Self {
        Self { component: worker.component.into_bytes(), name: worker.name.clone() }
    }
}

impl From<Named> for WorkerId {
    fn from(named: Named) -> Self {
        Self { component: Uuid::from_bytes(named.component), name: named.name }
    }
}

/// What can be asked of another node. All of it may be asked twice: a call of a worker is known by its position.
#[derive(Clone, Debug, Encode, Decode)]
pub(crate) enum Request {
    /// Complete a promise of a worker there.
    CompletePromise { worker: Named, promise: Index, data: Vec<u8>, completer: Option<Caller> },
    /// Have a worker there go over to another version.
    Update { worker: Named, version: u64, mode: UpdateMode, requester: Option<Caller> },
    /// Remove a worker there.
    Delete { worker: Named },
    /// Make a worker there from the history of another, which is in the store.
    Fork { source: Named, heir: Named, at: Option<Index> },
    /// A component has a new version, or is gone.
    ComponentChanged { name: String },
    /// Call a function of a worker there.
    Call { worker: Named, parcel: Parcel },
    /// Let a fresh worker there go.
    LetGo { worker: Named },
    /// Take back a call that a worker there has not begun.
    TakeBack { worker: Named, key: String },
    /// Cancel or kill an invocation of a worker there.
    End { worker: Named, key: String, how: Ending },
}

/// What came of it.
#[derive(Clone, Debug, Encode, Decode)]
pub(crate) enum Reply {
    /// It is done; for a promise: whether it was the first completion; for a fork: its last copied entry.
    Done { first: bool, last: Index },
    /// It is refused.
    Refused(Refusal),
    /// The worker is not there (any more), or another node was quicker with what both share.
    Again,
    /// What came of a call.
    Called(CallOutcome),
    /// Whether a call will never run.
    TakenBack(Result<bool, CallFailure>),
    /// How far an invocation has been ended.
    Ended(Ended),
    /// An invocation had ended before.
    NotEnded,
    /// There is no such invocation.
    NoInvocation,
}

/// The errors that a caller can act on; others are sentences.
#[derive(Clone, Debug, Encode, Decode)]
pub(crate) enum Refusal {
    NotFound { worker: String },
    PromiseNotFound { worker: String, promise: u64 },
    NameTaken { worker: String },
    NoSuchPast { worker: String, detail: String },
    CopyTooLarge { worker: String, size: u64, limit: u64 },
    Ephemeral { worker: String },
    Exited { worker: String, code: u32 },
    TooManyUpdates { worker: String, limit: u64 },
    Busy { worker: String, limit: u64 },
    ComponentNotFound { name: String },
    VersionNotFound { name: String, version: u64, newest: u64 },
    Other { detail: String },
}

impl From<WorkerError> for Reply {
    fn from(error: WorkerError) -> Self {
        Self::Refused(match error {
            WorkerError::Elsewhere { .. }
            | WorkerError::Contended { .. }
            | WorkerError::ShuttingDown
            | WorkerError::Storage(StoreError::Unexpected { .. } | StoreError::Conflict { .. }) => {
                return Self::Again;
            }
            WorkerError::NotFound { worker } => Refusal::NotFound { worker },
            WorkerError::PromiseNotFound { worker, promise } => {
                Refusal::PromiseNotFound { worker, promise }
            }
            WorkerError::NameTaken { worker } => Refusal::NameTaken { worker },
            WorkerError::NoSuchPast { worker, detail } => Refusal::NoSuchPast { worker, detail },
            WorkerError::CopyTooLarge { worker, size, limit } => {
                Refusal::CopyTooLarge { worker, size: size as u64, limit: limit as u64 }
            }
            WorkerError::Ephemeral { worker } => Refusal::Ephemeral { worker },
            WorkerError::Exited { worker, code } => Refusal::Exited { worker, code },
            WorkerError::TooManyUpdates { worker, limit } => {
                Refusal::TooManyUpdates { worker, limit: limit as u64 }
            }
            WorkerError::Busy { worker, limit } => Refusal::Busy { worker, limit: limit as u64 },
            WorkerError::Component(ComponentError::NotFound { name }) => {
                Refusal::ComponentNotFound { name }
            }
            WorkerError::Component(ComponentError::VersionNotFound { name, version, newest }) => {
                Refusal::VersionNotFound { name, version, newest }
            }
            other => Refusal::Other { detail: other.to_string() },
        })
    }
}

impl From<Refusal> for WorkerError {
    fn from(refusal: Refusal) -> Self {
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        match refusal {
            Refusal::NotFound { worker } => Self::NotFound { worker },
            Refusal::PromiseNotFound { worker, promise } => {
                Self::PromiseNotFound { worker, promise }
            }
            Refusal::NameTaken { worker } => Self::NameTaken { worker },
            Refusal::NoSuchPast { worker, detail } => Self::NoSuchPast { worker, detail },
            Refusal::CopyTooLarge { worker, size, limit } => {
                Self::CopyTooLarge { worker, size: count(size), limit: count(limit) }
            }
            Refusal::Ephemeral { worker } => Self::Ephemeral { worker },
            Refusal::Exited { worker, code } => Self::Exited { worker, code },
            Refusal::TooManyUpdates { worker, limit } => {
                Self::TooManyUpdates { worker, limit: count(limit) }
            }
            Refusal::Busy { worker, limit } => Self::Busy { worker, limit: count(limit) },
            Refusal::ComponentNotFound { name } => {
                Self::Component(ComponentError::NotFound { name })
            }
            Refusal::VersionNotFound { name, version, newest } => {
                Self::Component(ComponentError::VersionNotFound { name, version, newest })
            }
            Refusal::Other { detail } => Self::Peer { detail },
        }
    }
}

impl Shared {
    /// Asks the node that has `worker`, whichever that is by the time it answers.
    ///
    /// # Errors
    /// What that node refuses; [`WorkerError::Elsewhere`] where the worker has come here meanwhile, or is nowhere for
    /// long.
    pub(crate) async fn ask_owner(
        &self,
        worker: &WorkerId,
        request: &Request,
    ) -> Result<(bool, Index), WorkerError> {
        let elsewhere = || WorkerError::Elsewhere { worker: worker.to_string() };
        tokio::select! {
            reply = self.owner_answers(worker, request) => match reply? {
                Reply::Done { first, last } => Ok((first, last)),
                Reply::Refused(refusal) => Err(refusal.into()),
                _ => Err(elsewhere()),
            },
            () = clock::pause(PATIENCE) => Err(elsewhere()),
        }
    }

    /// What the node says that has `worker`, whenever that is: never [`Reply::Again`].
    ///
    /// # Errors
    /// [`WorkerError::Elsewhere`] where the worker has come here meanwhile.
    pub(crate) async fn owner_answers(
        &self,
        worker: &WorkerId,
        request: &Request,
    ) -> Result<Reply, WorkerError> {
        let elsewhere = || WorkerError::Elsewhere { worker: worker.to_string() };
        let Some(membership) = &self.membership else { return Err(elsewhere()) };
        let Some(peers) = membership.peers() else { return Err(elsewhere()) };
        let bytes = encode(request)?;
        loop {
            match membership.place_of(worker) {
                Place::Here => return Err(elsewhere()),
                Place::Between => {}
                Place::There(node) => {
                    let answer = tokio::select! {
                        answer = peers.ask(&node, bytes.clone()) => answer,
                        // It hangs, and another one has its workers.
                        () = membership.gone(node.session) => continue,
                    };
                    match answer {
                        Ok(reply) => match decode(&reply)? {
                            Reply::Again => {}
                            reply => return Ok(reply),
                        },
                        Err(error) => tracing::debug!(%error, "asking another node again"),
                    }
                }
            }
            membership.look(RETRY_AFTER).await;
        }
    }

    /// Tells the other nodes of a change; who does not hear of it in time finds out by itself.
    pub(crate) async fn announce_component(&self, name: &str) {
        let Some((peers, nodes)) = self.membership.as_ref().and_then(|it| it.others()) else {
            return;
        };
        let request = Request::ComponentChanged { name: name.to_owned() };
        let Ok(bytes) = encode(&request) else { return };
        let told = join_all(nodes.iter().map(|node| peers.ask(node, bytes.clone())));
        tokio::select! {
            told = told => for failure in told.into_iter().filter_map(Result::err) {
                tracing::warn!(%failure, component = name, "a node finds out later");
            },
            () = clock::pause(NEWS_LIMIT) => {
                tracing::warn!(component = name, "some node finds out later");
            }
        }
    }
}

/// Does what another node asks.
///
/// # Errors
/// [`WorkerError::Peer`] if the request cannot be read.
pub(crate) async fn answer(shared: &Arc<Shared>, request: &[u8]) -> Result<Vec<u8>, WorkerError> {
    let done = |outcome: Result<(bool, Index), WorkerError>| match outcome {
        Ok((first, last)) => Reply::Done { first, last },
        Err(error) => error.into(),
    };
    let none = Index(0);
    let reply = match decode(request)? {
        Request::CompletePromise { worker, promise, data, completer } => {
            let completed =
                shared.complete_promise_here(&worker.into(), promise, data, completer).await;
            done(completed.map(|first| (first, none)))
        }
        Request::Update { worker, version, mode, requester } => {
            let updated = shared.update_here(&worker.into(), version, mode, requester).await;
            done(updated.map(|()| (true, none)))
        }
        Request::Delete { worker } => {
            done(shared.delete_here(&worker.into()).await.map(|()| (true, none)))
        }
        Request::Fork { source, heir, at } => {
            let forked = shared.fork_here(&source.into(), &heir.into(), at).await;
            done(forked.map(|last| (true, last)))
        }
        Request::Call { worker, parcel } => {
            match shared.call_here(&worker.into(), &parcel, None).await {
                Ok(outcome) => Reply::Called(outcome),
                Err(_) => Reply::Again,
            }
        }
        Request::TakeBack { worker, key } => {
            match shared.take_back_here(&worker.into(), &key).await {
                Ok(taken) => Reply::TakenBack(taken),
                Err(_) => Reply::Again,
            }
        }
        Request::End { worker, key, how } => {
            match shared.end_invocation_here(&worker.into(), &key, how).await {
                Ok(ended) => Reply::Ended(ended),
                Err(InvokeError::Worker(error)) => error.into(),
                Err(InvokeError::NotCancellable { .. }) => Reply::NotEnded,
                Err(InvokeError::NotFound { .. }) => Reply::NoInvocation,
                Err(_) => Reply::Again,
            }
        }
        Request::LetGo { worker } => {
            let sent = shared.deliver(&worker.into(), Message::LetGo).await;
            done(sent.map(|()| (true, none)))
        }
        Request::ComponentChanged { name } => {
            let refreshed = shared.catalog.refresh(&name).await;
            done(refreshed.map(|()| (true, none)).map_err(WorkerError::from))
        }
    };
    encode(&reply)
}

fn encode(value: &impl Encode) -> Result<Vec<u8>, WorkerError> {
    let encoded = bincode::encode_to_vec(value, bincode::config::standard());
    encoded.map_err(|error| WorkerError::Peer { detail: error.to_string() })
}

fn decode<T: Decode<()>>(bytes: &[u8]) -> Result<T, WorkerError> {
    let decoded = bincode::decode_from_slice(bytes, bincode::config::standard());
    decoded.map(|(value, _)| value).map_err(|error| WorkerError::Peer {
        detail: format!("another node says what this one does not understand: {error}"),
    })
}
