//! `wasi:io/error`.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::IoError;
use wasmtime_wasi_io::bindings::wasi::io::error::{Host, HostError};

use super::WorkerState;

impl Host for WorkerState {}

impl HostError for WorkerState {
    /// The message alone: a backtrace of the host would differ in each replay.
    fn to_debug_string(&mut self, error: Resource<IoError>) -> wasmtime::Result<String> {
        Ok(format!("{:#}", self.table.get(&error)?))
    }

    fn drop(&mut self, error: Resource<IoError>) -> wasmtime::Result<()> {
        self.delete(error)?;
        Ok(())
    }
}
