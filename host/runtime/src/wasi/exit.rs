//! `wasi:cli/exit`.

use wasmtime_wasi::p2::bindings::cli::exit::Host;

use super::WorkerState;
use crate::durable::Interruption;

impl Host for WorkerState {
    fn exit(&mut self, status: Result<(), ()>) -> wasmtime::Result<()> {
        self.exit_with_code(u8::from(status.is_err()))
    }

    fn exit_with_code(&mut self, code: u8) -> wasmtime::Result<()> {
        self.flush_partial_lines();
        Err(Interruption::Exit { code: u32::from(code) }.into())
    }
}
