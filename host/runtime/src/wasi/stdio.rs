//! `wasi:cli`'s `stdin`, `stdout`, `stderr` and the terminals that they are not.

use std::io;

use bytes::Bytes;
use wasmtime::component::Resource;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::cli::{
    stderr, stdin, stdout, terminal_input, terminal_output, terminal_stderr, terminal_stdin,
    terminal_stdout,
};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, InputStream, Pollable, StreamError, StreamResult,
};

use super::{Recipe, WorkerState};

/// A worker lives longer than any terminal, so nobody is there to type.
struct NoInput;

#[async_trait]
impl Pollable for NoInput {
    async fn ready(&mut self) {}
}

impl InputStream for NoInput {
    fn read(&mut self, _size: usize) -> StreamResult<Bytes> {
        let error =
            io::Error::other("a durable worker has no standard input; pass arguments instead");
        Err(StreamError::LastOperationFailed(error.into()))
    }
}

impl stdin::Host for WorkerState {
    fn get_stdin(&mut self) -> wasmtime::Result<Resource<DynInputStream>> {
        let stream: DynInputStream = Box::new(NoInput);
        Ok(self.push(stream, Recipe::Stdin)?)
    }
}

impl stdout::Host for WorkerState {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        let stream: DynOutputStream = Box::new(self.stdout());
        Ok(self.push(stream, Recipe::Stdout)?)
    }
}

impl stderr::Host for WorkerState {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        let stream: DynOutputStream = Box::new(self.stderr());
        Ok(self.push(stream, Recipe::Stderr)?)
    }
}

impl terminal_input::Host for WorkerState {}

impl terminal_input::HostTerminalInput for WorkerState {
    fn drop(&mut self, terminal: Resource<terminal_input::TerminalInput>) -> wasmtime::Result<()> {
        self.delete(terminal)?;
        Ok(())
    }
}

impl terminal_output::Host for WorkerState {}

impl terminal_output::HostTerminalOutput for WorkerState {
    fn drop(
        &mut self,
        terminal: Resource<terminal_output::TerminalOutput>,
    ) -> wasmtime::Result<()> {
        self.delete(terminal)?;
        Ok(())
    }
}

impl terminal_stdin::Host for WorkerState {
    fn get_terminal_stdin(
        &mut self,
    ) -> wasmtime::Result<Option<Resource<terminal_input::TerminalInput>>> {
        Ok(None)
    }
}

impl terminal_stdout::Host for WorkerState {
    fn get_terminal_stdout(
        &mut self,
    ) -> wasmtime::Result<Option<Resource<terminal_output::TerminalOutput>>> {
        Ok(None)
    }
}

impl terminal_stderr::Host for WorkerState {
    fn get_terminal_stderr(
        &mut self,
    ) -> wasmtime::Result<Option<Resource<terminal_output::TerminalOutput>>> {
        Ok(None)
    }
}
