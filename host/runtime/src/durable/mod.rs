//! From a host call to an entry and back: the only way by which a guest learns anything of the world.

mod call;
mod cancellation;
mod interruption;
mod recorder;
mod shared_data;

pub(crate) use call::{Entered, Raw, Told, decode_bytes, encode};
pub(crate) use cancellation::Cancellation;
pub(crate) use interruption::Interruption;
pub(crate) use recorder::{Durable, Flushed, Recorder};
pub use recorder::{Waits, WaitsFor};
pub(crate) use shared_data::Reply;
