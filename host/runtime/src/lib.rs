//! Executes WebAssembly components durably.
//!
//! A [`Runtime`] holds components and their workers. A worker is one instance of a component with a name and an oplog;
//! whatever the instance learns of the world goes through the worker's journal, so that it can be dropped at any time
//! and brought back by replay.
//!
//! In reading order: [`config`], `durable` (from a host call to an entry and back), `wasi` and `golem` (the host
//! functions, one interface a file), `component` (what is deployed), `worker` (a worker's life), [`Runtime`] (the face).

mod belongings;
mod blob_names;
mod blobstore;
mod calls;
pub mod clock;
mod cluster;
mod component;
pub mod config;
mod drill;
mod durable;
mod entropy;
mod error;
mod everlog_api;
mod exchange;
pub mod exports;
mod files;
pub mod filter;
mod follower;
mod golem;
mod keyvalue;
pub mod network;
mod records;
mod runtime;
pub mod schedules;
mod shared;
mod spaces;
mod spans;
pub mod state_store;
mod statistics;
pub mod value;
mod wasi;
mod worker;

pub use belongings::{BelongingsError, inspect_log, worker_belongings, worker_name};
pub use calls::clients::{ClientError, ClientWit, client_wit};
pub use calls::{CallSummary, CallUnderWay};
pub use cluster::{Membership, PeerFailure, Peers, Place};
pub use component::{ComponentSettings, ComponentVersion, ConcurrencyLimit, Deployed};
pub use config::RuntimeConfig;
pub use drill::Drill;
pub use durable::{Waits, WaitsFor};
pub use entropy::uuid as random_uuid;
pub use error::{ComponentError, InvokeError, RuntimeError, WorkerError};
pub use everlog_oplog::{
    Category, Entry, EntryKind, Index, LogLevel, LogStream, Payload, RetryPolicy, Status,
    Timestamp, TraceContext, WorkerState,
};
pub use exchange::{Headers, HttpRequest, HttpResponse, MAX_RESPONSE_BYTES};
pub use follower::Follower;
pub use golem::Outcome;
pub use keyvalue::Standing;
pub use network::SocketAccess;
pub use runtime::{
    Activity, CheckedWorker, EndedInvocation, EndedPage, Export, Import, MAX_KEY_BYTES, Runtime,
    StateEntry, StatePage,
};
pub use spans::{Span, SpanKind, SpanSink};
pub use statistics::Statistics;
pub use wasi::HttpSummary;
pub use worker::{
    Ended, Ending, Fit, Invocation, InvocationResult, InvocationStatus, MAX_PROMISE_BYTES,
    MAX_WORKER_NAME_BYTES, PromiseState, RevertTo, Versions, WorkerId, WorkerMetadata,
    WorkerSettings,
};
