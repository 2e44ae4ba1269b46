//! `wasi:keyvalue` in the three versions that guests are built with, over the same buckets.
//!
//! [`calls`] is what they have in common: each operation once, with what it records.

mod calls;
mod cursors;
mod draft;
mod draft2;
mod drafts;
pub(super) mod v0_1;

use wasmtime::component::Linker;

use super::WorkerState;

pub(crate) use calls::Written;
pub(crate) use cursors::KeyCursors;

/// Links the interfaces of `wasi:keyvalue`.
pub(super) fn add_to_linker(linker: &mut Linker<WorkerState>) -> wasmtime::Result<()> {
    v0_1::add_to_linker(linker)?;
    draft::add_to_linker(linker)?;
    draft2::add_to_linker(linker)
}
