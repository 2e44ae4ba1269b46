use std::fmt;

use super::{SHARDS, Shard};

/// One life of a node on the store, from joining to leaving or being declared dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// How far a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// It takes no shards yet.
    Joining,
    /// It takes its share.
    Serving,
    /// It gives all its shards away.
    Leaving,
}

impl NodeState {
    /// Its name, as the store and people see it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Serving => "serving",
            Self::Leaving => "leaving",
        }
    }

    /// The state with this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Joining, Self::Serving, Self::Leaving].into_iter().find(|state| state.name() == name)
    }
}

/// A node that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its present session.
    pub session: SessionId,
    /// Which node it is, for as long as it keeps its directory.
    pub number: String,
    /// Where other nodes reach it: `http://host:port`.
    pub address: String,
    /// How far it is.
    pub state: NodeState,
}

/// Who is there, and who owns what, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Grows with each change.
    pub version: u64,
    /// The nodes, in the order of their sessions.
    pub nodes: Vec<Node>,
    owners: Vec<Option<SessionId>>,
}

impl View {
    /// A view in which nobody owns anything.
    pub fn new(version: u64, nodes: Vec<Node>) -> Self {
        Self { version, nodes, owners: vec![None; usize::from(SHARDS)] }
    }

    /// Says who owns a shard.
    pub fn set_owner(&mut self, shard: Shard, owner: Option<SessionId>) {
        self.owners[shard.index()] = owner;
    }

    /// The owner of a shard, if it has one.
    pub fn owner(&self, shard: Shard) -> Option<SessionId> {
        self.owners[shard.index()]
    }

    /// The node in this session, if it is there.
    pub fn node(&self, session: SessionId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.session == session)
    }

    /// The shards of a node, or those of nobody.
    pub fn shards_of(&self, owner: Option<SessionId>) -> impl Iterator<Item = Shard> + '_ {
        Shard::all().filter(move |shard| self.owner(*shard) == owner)
    }
}
