//! Several nodes on one store: which of them owns which worker.
//!
//! Workers hash to [`SHARDS`] shards. A shard belongs to one node at a time, which alone may append to
//! the oplogs of its workers; the store refuses everybody else. Nodes hold a lease, and all of them
//! see the same [`View`] of who is there and who owns what; [`View::moves`] says what each of them is
//! to claim or to give away. An engine that can be shared implements [`Cluster`].

mod moves;
mod shard;
mod view;

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::watch;

pub use moves::Move;
pub use shard::{SHARDS, Shard};
pub use view::{Node, NodeState, SessionId, View};

use crate::StoreError;

/// What an engine offers that nodes share. One per process and store.
pub trait Cluster: Send + Sync + 'static {
    /// This node's session. Sessions are never used twice: a node that is started again, or that lost
    /// its lease, is another one.
    fn this(&self) -> SessionId;

    /// The last view, and every one that follows. The first is there from the beginning.
    fn views(&self) -> watch::Receiver<Arc<View>>;

    /// Whether this node was heard of by the store so lately that no other can have taken its shards.
    /// Read off the clock, so that it is cheap, and right also after the process was stopped for a
    /// while.
    fn holds_lease(&self) -> bool;

    /// Resolves when this session may never write again, and the node is to begin another one: others have declared it
    /// dead, or a replica without the last of its batches was promoted.
    fn lost(&self) -> BoxFuture<'_, ()>;

    /// What only nodes of this cluster know: they show it to each other.
    fn secret(&self) -> &str;

    /// Looks at the store now, and not only when it is time to.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Fenced`].
    fn look(&self) -> BoxFuture<'_, Result<Arc<View>, StoreError>>;

    /// Tells the others how far this node is.
    ///
    /// # Errors
    /// As [`Cluster::look`].
    fn enter(&self, state: NodeState) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Takes those of `shards` that nobody owns (any more).
    ///
    /// # Errors
    /// As [`Cluster::look`].
    fn claim(&self, shards: Vec<Shard>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Gives shards of this node to others, or to nobody where they are gone. Everything that was
    /// submitted for them must have been answered.
    ///
    /// # Errors
    /// As [`Cluster::look`].
    fn give(&self, shards: Vec<(Shard, SessionId)>) -> BoxFuture<'_, Result<(), StoreError>>;
}
