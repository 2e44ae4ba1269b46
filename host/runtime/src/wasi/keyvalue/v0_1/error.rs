//! `wasi:keyvalue/wasi-keyvalue-error`.

use wasmtime::component::Resource;

use super::super::super::WorkerState;
use super::keyvalue::wasi_keyvalue_error::{Host, HostError};

/// Why an operation did not succeed.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct KeyValueError(pub(super) String);

impl Host for WorkerState {}

impl HostError for WorkerState {
    fn trace(&mut self, error: Resource<KeyValueError>) -> wasmtime::Result<String> {
        Ok(self.table.get(&error)?.0.clone())
    }

    fn drop(&mut self, error: Resource<KeyValueError>) -> wasmtime::Result<()> {
        self.delete(error)?;
        Ok(())
    }
}
