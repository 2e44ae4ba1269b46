//! Components, workers and oplog entries as JSON.

mod activity;
mod component;
mod entry;
mod http_call;
mod names;
mod worker;
mod worker_call;

pub(super) use activity::{activity_json, open_invocations};
pub(super) use component::ComponentJson;
pub(super) use entry::{ENTRY_TYPES, EntryJson, LogLine};
pub(super) use worker::{WorkerJson, state_name};
