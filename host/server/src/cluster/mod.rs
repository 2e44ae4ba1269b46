//! Several servers on one store: any of them takes any request, and passes it on to the one that has the worker.
//!
//! `forward` decides, for each request about a worker, who answers it; `kept` is a request that can be sent again;
//! `wire` is how servers reach each other; `address` is where this one is reached.

mod address;
mod forward;
mod kept;
mod wire;

pub(crate) use address::advertised;
pub(crate) use forward::{AGAIN, forward};
pub(crate) use wire::{MESSAGES_PATH, SECRET, Wire};
