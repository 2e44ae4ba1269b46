//! A worker's life: one task that owns its store, fed by a mailbox.

mod controls;
mod desk;
mod ends;
mod execute;
mod front;
mod guest;
mod handles;
mod id;
mod load;
mod message;
mod metadata;
mod registry;
mod steps;
mod task;
mod timers;
pub(crate) mod unloaded;

pub use id::{MAX_WORKER_NAME_BYTES, WorkerId};
pub(crate) use message::{Call, Control, Message};
pub use message::{Invocation, InvocationResult, InvocationStatus, WorkerSettings};
pub use metadata::WorkerMetadata;
pub(crate) use registry::{Registry, SendError};
pub(crate) use timers::{Timers, run as run_timers};
