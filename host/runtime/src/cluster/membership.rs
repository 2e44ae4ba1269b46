//! Whose a worker is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use everlog_store::cluster::{Cluster, Node, SHARDS, SessionId, Shard, View};
use tokio::sync::watch;

use super::Peers;
use crate::clock;
use crate::worker::WorkerId;

/// Where a worker is at home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On this node.
    Here,
    /// On another one.
    There(Node),
    /// Between two nodes: it is about to be taken over.
    Between,
}

/// This node's part in the cluster.
pub struct Membership {
    cluster: Arc<dyn Cluster>,
    views: watch::Receiver<Arc<View>>,
    /// Which shards' workers may be in memory here. A shard is owned before it is served, and no longer served when it
    /// is given away.
    served: Box<[AtomicBool]>,
    peers: OnceLock<Arc<dyn Peers>>,
}

impl Membership {
    pub(crate) fn new(cluster: Arc<dyn Cluster>) -> Self {
        let served = (0..SHARDS).map(|_| AtomicBool::new(false)).collect();
        Self { views: cluster.views(), cluster, served, peers: OnceLock::new() }
    }

    /// This node's session.
    #[must_use]
    pub fn this(&self) -> SessionId {
        self.cluster.this()
    }

    /// Who is there and who owns what, as was seen last.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.views.borrow())
    }

    /// Where a worker is at home.
    #[must_use]
    pub fn place_of(&self, worker: &WorkerId) -> Place {
        // A name that makes no key is refused by whoever looks closer.
        let Ok(key) = worker.key() else { return Place::Here };
        let shard = Shard::of(&key);
        if self.serves(shard) {
            return Place::Here;
        }
        let view = self.views.borrow();
        match view.owner(shard).and_then(|owner| view.node(owner)) {
            Some(node) if node.session != self.this() => Place::There(node.clone()),
            _ => Place::Between,
        }
    }

    /// Looks at the store for what has changed, or waits a moment where that is not possible.
    pub async fn look(&self, wait: Duration) {
        if let Err(error) = self.cluster.look().await {
            tracing::debug!(%error, "cannot look at the cluster");
        }
        clock::pause(wait).await;
    }

    /// Resolves when the node in this session is not there any more.
    pub async fn gone(&self, session: SessionId) {
        let mut views = self.views.clone();
        if views.wait_for(|view| view.node(session).is_none()).await.is_err() {
            // The store is closed, and nothing will be known any more.
            std::future::pending::<()>().await;
        }
    }

    /// Whether no other node can have taken over what this one owns; cheap.
    #[must_use]
    pub fn holds_lease(&self) -> bool {
        self.cluster.holds_lease()
    }

    /// Resolves when another node has declared this one dead.
    pub async fn lost(&self) {
        self.cluster.lost().await;
    }

    /// What only nodes of this cluster know.
    #[must_use]
    pub fn secret(&self) -> &str {
        self.cluster.secret()
    }

    pub(super) fn cluster(&self) -> &dyn Cluster {
        &*self.cluster
    }

    pub(super) fn views(&self) -> watch::Receiver<Arc<View>> {
        self.views.clone()
    }

    /// The other nodes, and the way to them; nothing before the node has joined.
    pub(super) fn others(&self) -> Option<(&Arc<dyn Peers>, Vec<Node>)> {
        let peers = self.peers.get()?;
        let mut nodes = self.view().nodes.clone();
        nodes.retain(|node| node.session != self.this());
        Some((peers, nodes))
    }

    pub(super) fn peers(&self) -> Option<&Arc<dyn Peers>> {
        self.peers.get()
    }

    /// Says how other nodes are reached; the first word counts.
    pub(crate) fn introduce(&self, peers: Arc<dyn Peers>) {
        // A second introduction would be the same.
        let _ = self.peers.set(peers);
    }

    pub(crate) fn serves(&self, shard: Shard) -> bool {
        self.served[shard.index()].load(Ordering::SeqCst)
    }

    pub(super) fn set_served(&self, shard: Shard, served: bool) {
        self.served[shard.index()].store(served, Ordering::SeqCst);
    }
}
