//! Components, workers and oplog entries as JSON.

mod activity;
mod component;
mod entry;
mod http_call;
mod names;
mod worker;
mod worker_call;

pub(super) use activity::activity_json;
pub(crate) use activity::open_invocations;
pub(super) use component::ComponentJson;
pub(crate) use entry::entry_json;
pub(super) use entry::{ENTRY_TYPES, EntryJson, LogLine};
pub(super) use worker::WorkerJson;
pub(crate) use worker::state_name;
