//! A worker's life: one task that owns its store, fed by a mailbox.

mod acceptance;
mod ask;
mod beside;
mod controls;
mod copies;
mod desk;
mod ending;
mod ends;
mod execute;
mod front;
mod guest;
mod handles;
mod id;
mod listing;
mod load;
mod message;
mod metadata;
mod promises;
mod reading;
mod registry;
mod revert;
mod steps;
mod task;
mod timers;
pub(crate) mod unloaded;
pub(crate) mod update;
mod withdrawals;

pub use id::{MAX_WORKER_NAME_BYTES, WorkerId};
pub(crate) use listing::{Listing, Precision, described};
pub(crate) use load::read_log;
pub(crate) use message::{Call, Control, Message, NewState};
pub use message::{
    Ended, Ending, Invocation, InvocationResult, InvocationStatus, PromiseState, RevertTo,
    WorkerSettings,
};
pub use metadata::WorkerMetadata;
pub use promises::MAX_PROMISE_BYTES;
pub(crate) use promises::{check_size, not_found};
pub(crate) use reading::Readers;
pub(crate) use registry::{Registry, SendError};
pub(crate) use timers::{Timers, run as run_timers};
pub use update::{Fit, Versions};
