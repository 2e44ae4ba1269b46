//! This node among those that share its store.
//!
//! The store says which node owns which shard of all workers, and lets nobody else write. Here is what follows from it:
//! `membership` knows whose a worker is, `balance` takes and gives shards and sees to it that a worker has left memory
//! before its shard is another's, and `errands` are what workers do to workers of other nodes. How nodes reach each
//! other is the server's business ([`Peers`]).

mod balance;
mod errands;
mod membership;

pub(crate) use balance::{leave, run as run_balance};
pub use errands::{PeerFailure, Peers};
pub(crate) use errands::{Reply, Request, answer};
pub use membership::{Membership, Place};
