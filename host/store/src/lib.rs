//! Where everlog keeps what must survive: oplogs, ordered records and blobs.
//!
//! The store knows bytes, never their meaning: what an entry says is `everlog-oplog`'s business. An
//! engine implements [`Store`]; everything that has to be true of every engine is in the
//! `conformance` module (feature `conformance`).
//!
//! - [`Batch`]: appends to oplogs, changes of records and deletions of oplogs, atomic as a whole,
//!   and what records must hold for it to be stored.
//! - [`Store::submit`]: hands a batch over; its callback runs once the batch is durable. Batches
//!   that wait together share one sync.
//! - [`EmbeddedStore`]: the engine inside the process, for one node.
//! - [`RedisStore`]: the engine on a Redis server, for one node or many.
//! - [`cluster`]: which of many nodes owns which worker.
//! - [`copy`]: moves what a store holds into another one.
//!
//! This crate owns the file system of the state directory; nothing else in the workspace opens
//! files there.

mod batch;
pub mod cluster;
mod digest;
mod error;
mod store;
mod worker_key;

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod copy;
pub mod embedded;
pub mod redis;

pub use batch::{Append, Batch, Change, Expectation, MAX_BATCH_BYTES, MAX_RECORD_KEY_BYTES, Space};
pub use digest::{Digest, ParseDigestError};
pub use embedded::{EmbeddedOptions, EmbeddedStore};
pub use error::StoreError;
pub use redis::{DEFAULT_LEASE, MAX_STORE_PREFIX_BYTES, RedisOptions, RedisStore};
pub use store::{
    Done, Health, KeyRange, KeyValue, LogRecord, MAX_BLOB_BYTES, Order, Replication, Store, commit,
};
pub use worker_key::{MAX_WORKER_KEY_BYTES, WorkerKey};
