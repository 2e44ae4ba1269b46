//! This node among the others: what it knows of them, and what it tells them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use redis::{FromRedisValue as _, Value};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

use super::link::{Link, Trouble};
use super::reader::Reader;
use super::session::Session;
use super::state::State;
use crate::StoreError;
use crate::cluster::{Cluster, Node, NodeState, SessionId, Shard, View};

/// What is left of a lease is not counted on to its last moment: clocks run differently.
const LEASE_MARGIN: u32 = 8;

/// The node on a Redis that it may share.
#[derive(Debug)]
pub(super) struct Members {
    link: Link,
    session: Session,
    state: Arc<State>,
    reader: Arc<Reader>,
    views: watch::Sender<Arc<View>>,
    /// Until when the lease holds for sure, by the clock that goes on while the machine sleeps.
    leased_until: Mutex<Duration>,
}

impl Members {
    pub(super) fn new(
        link: Link,
        session: Session,
        state: Arc<State>,
        reader: Arc<Reader>,
    ) -> Self {
        let views = watch::Sender::new(Arc::new(View::new(0, Vec::new())));
        let leased_until = Mutex::new(Duration::ZERO);
        Self { link, session, state, reader, views, leased_until }
    }

    /// Keeps the lease, and learns what changed; returns how far the session came.
    pub(super) async fn renew(&self) -> Result<u64, Trouble> {
        let asked = now();
        let known = self.views.borrow().version;
        let answer = self.reader.ask_once(&self.session.look(known)).await?;
        let look = Look::parse(answer)
            .ok_or_else(|| Trouble::Passing("the lease was not renewed".to_owned()))?;
        match look {
            Look::Fenced { holder } => {
                let error = self.session.fenced(&self.link, &holder);
                let reason = error.to_string();
                self.state.poison(error);
                Err(Trouble::Lasting(reason))
            }
            Look::At { last, view } => {
                let lease = self.session.lease - self.session.lease / LEASE_MARGIN;
                *self.leased_until.lock().unwrap_or_else(PoisonError::into_inner) = asked + lease;
                if let Some(view) = view {
                    // Two looks may overtake each other.
                    self.views.send_if_modified(|current| {
                        let is_newer = view.version > current.version;
                        if is_newer {
                            *current = Arc::new(view);
                        }
                        is_newer
                    });
                }
                Ok(last)
            }
        }
    }

    /// Changes something, and sees what comes of it.
    async fn change(&self, state: &str, shards: Vec<(Shard, u64)>) -> Result<(), StoreError> {
        self.state.check()?;
        let answer = self.reader.ask(self.session.change(state, &shards)).await?;
        match self.session.reached(answer) {
            Ok(_) => self.look().await.map(drop),
            Err(Some(holder)) => {
                let error = self.session.fenced(&self.link, &holder);
                self.state.poison(error.clone());
                Err(error)
            }
            Err(None) => Err(self.link.unavailable("Redis does not say what came of a change")),
        }
    }
}

impl Cluster for Members {
    fn this(&self) -> SessionId {
        SessionId(self.session.number)
    }

    fn views(&self) -> watch::Receiver<Arc<View>> {
        self.views.subscribe()
    }

    fn holds_lease(&self) -> bool {
        now() < *self.leased_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lost(&self) -> BoxFuture<'_, ()> {
        async move { self.state.over().await }.boxed()
    }

    fn secret(&self) -> &str {
        &self.session.secret
    }

    fn look(&self) -> BoxFuture<'_, Result<Arc<View>, StoreError>> {
        async move {
            match self.renew().await {
                Ok(_) => Ok(Arc::clone(&self.views.borrow())),
                Err(Trouble::Passing(reason) | Trouble::Lasting(reason)) => {
                    self.state.check()?;
                    Err(self.link.unavailable(reason))
                }
            }
        }
        .boxed()
    }

    fn enter(&self, state: NodeState) -> BoxFuture<'_, Result<(), StoreError>> {
        self.change(state.name(), Vec::new()).boxed()
    }

    fn claim(&self, shards: Vec<Shard>) -> BoxFuture<'_, Result<(), StoreError>> {
        let shards = shards.into_iter().map(|shard| (shard, self.session.number)).collect();
        self.change("", shards).boxed()
    }

    fn give(&self, shards: Vec<(Shard, SessionId)>) -> BoxFuture<'_, Result<(), StoreError>> {
        let shards = shards.into_iter().map(|(shard, to)| (shard, to.0)).collect();
        self.change("", shards).boxed()
    }
}

/// The answer to a look.
enum Look {
    Fenced { holder: String },
    At { last: u64, view: Option<View> },
}

impl Look {
    fn parse(answer: Value) -> Option<Self> {
        let Value::Array(items) = answer else { return None };
        let mut items = items.into_iter();
        let mut text = || String::from_redis_value(items.next()?).ok();
        match &*text()? {
            "fenced" => Some(Self::Fenced { holder: text()? }),
            "at" => {
                let (last, version) = (text()?.parse().ok()?, text()?.parse().ok()?);
                let view = match (items.next(), items.next()) {
                    (Some(members), Some(owners)) => Some(view(version, members, owners)?),
                    _ => None,
                };
                Some(Self::At { last, view })
            }
            _ => None,
        }
    }
}

fn view(version: u64, members: Value, owners: Value) -> Option<View> {
    let members = Vec::<(u64, String)>::from_redis_value(members).ok()?;
    let mut nodes: Vec<Node> = members.into_iter().filter_map(|(s, text)| node(s, &text)).collect();
    nodes.sort_by_key(|node| node.session);
    let mut view = View::new(version, nodes);
    for (shard, owner) in Vec::<(u16, u64)>::from_redis_value(owners).ok()? {
        view.set_owner(Shard::new(shard)?, Some(SessionId(owner)));
    }
    Some(view)
}

/// A node from `state number address`. A state that this version does not know takes no shards.
fn node(session: u64, text: &str) -> Option<Node> {
    let mut parts = text.splitn(3, ' ');
    let (state, number, address) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Node {
        session: SessionId(session),
        number: number.to_owned(),
        address: address.to_owned(),
        state: NodeState::parse(state).unwrap_or(NodeState::Joining),
    })
}

/// The time since the machine was started, its sleep included.
fn now() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    // Neither is negative.
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
