//! Components, workers and oplog entries as JSON.

mod component;
mod entry;
mod names;
mod worker;

pub(super) use component::component_json;
pub(super) use entry::{ENTRY_TYPES, LogLine, entry_json};
pub(super) use worker::{state_name, worker_json};
