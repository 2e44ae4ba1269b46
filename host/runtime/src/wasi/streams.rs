//! `wasi:io/streams`: wasmtime-wasi's semantics over streams of our own, all of which act at once.
//!
//! What a stream brings is recorded by the stream, where it comes from outside at all; here only the list of live
//! resources is kept.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, StreamError, StreamResult, subscribe,
};
use wasmtime_wasi_io::bindings::wasi::io::streams::{
    Host, HostInputStream, HostOutputStream, StreamError as GuestStreamError,
};

use super::{Recipe, WorkerState};

impl Host for WorkerState {
    fn convert_stream_error(&mut self, error: StreamError) -> wasmtime::Result<GuestStreamError> {
        match error {
            StreamError::Closed => Ok(GuestStreamError::Closed),
            StreamError::LastOperationFailed(error) => {
                let recipe = Recipe::of_error(&error);
                Ok(GuestStreamError::LastOperationFailed(self.push(error, recipe)?))
            }
            StreamError::Trap(error) => Err(error),
        }
    }
}

impl HostInputStream for WorkerState {
    async fn drop(&mut self, stream: Resource<DynInputStream>) -> wasmtime::Result<()> {
        self.delete(stream)?.cancel().await;
        Ok(())
    }

    fn read(&mut self, stream: Resource<DynInputStream>, length: u64) -> StreamResult<Vec<u8>> {
        HostInputStream::read(&mut self.table, stream, length)
    }

    async fn blocking_read(
        &mut self,
        stream: Resource<DynInputStream>,
        length: u64,
    ) -> StreamResult<Vec<u8>> {
        HostInputStream::blocking_read(&mut self.table, stream, length).await
    }

    fn skip(&mut self, stream: Resource<DynInputStream>, length: u64) -> StreamResult<u64> {
        HostInputStream::skip(&mut self.table, stream, length)
    }

    async fn blocking_skip(
        &mut self,
        stream: Resource<DynInputStream>,
        length: u64,
    ) -> StreamResult<u64> {
        HostInputStream::blocking_skip(&mut self.table, stream, length).await
    }

    fn subscribe(
        &mut self,
        stream: Resource<DynInputStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        let source = stream.rep();
        let pollable = subscribe(&mut self.table, stream)?;
        self.adopt(&pollable, Recipe::PollOf(source));
        Ok(pollable)
    }
}

impl HostOutputStream for WorkerState {
    async fn drop(&mut self, stream: Resource<DynOutputStream>) -> wasmtime::Result<()> {
        self.delete(stream)?.cancel().await;
        Ok(())
    }

    fn check_write(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<u64> {
        self.may_write(&stream)?;
        HostOutputStream::check_write(&mut self.table, stream)
    }

    fn write(&mut self, stream: Resource<DynOutputStream>, bytes: Vec<u8>) -> StreamResult<()> {
        self.may_write(&stream)?;
        HostOutputStream::write(&mut self.table, stream, bytes)
    }

    async fn blocking_write_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        bytes: Vec<u8>,
    ) -> StreamResult<()> {
        self.may_write(&stream)?;
        HostOutputStream::blocking_write_and_flush(&mut self.table, stream, bytes).await
    }

    fn flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        HostOutputStream::flush(&mut self.table, stream)
    }

    async fn blocking_flush(&mut self, stream: Resource<DynOutputStream>) -> StreamResult<()> {
        HostOutputStream::blocking_flush(&mut self.table, stream).await
    }

    fn subscribe(
        &mut self,
        stream: Resource<DynOutputStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        let source = stream.rep();
        let pollable = subscribe(&mut self.table, stream)?;
        self.adopt(&pollable, Recipe::PollOf(source));
        Ok(pollable)
    }

    fn write_zeroes(&mut self, stream: Resource<DynOutputStream>, count: u64) -> StreamResult<()> {
        self.may_write(&stream)?;
        HostOutputStream::write_zeroes(&mut self.table, stream, count)
    }

    async fn blocking_write_zeroes_and_flush(
        &mut self,
        stream: Resource<DynOutputStream>,
        count: u64,
    ) -> StreamResult<()> {
        self.may_write(&stream)?;
        HostOutputStream::blocking_write_zeroes_and_flush(&mut self.table, stream, count).await
    }

    fn splice(
        &mut self,
        to: Resource<DynOutputStream>,
        from: Resource<DynInputStream>,
        length: u64,
    ) -> StreamResult<u64> {
        self.may_write(&to)?;
        HostOutputStream::splice(&mut self.table, to, from, length)
    }

    async fn blocking_splice(
        &mut self,
        to: Resource<DynOutputStream>,
        from: Resource<DynInputStream>,
        length: u64,
    ) -> StreamResult<u64> {
        self.may_write(&to)?;
        HostOutputStream::blocking_splice(&mut self.table, to, from, length).await
    }
}

impl WorkerState {
    /// Refuses to change a file inside of an action.
    fn may_write(&self, stream: &Resource<DynOutputStream>) -> StreamResult<()> {
        let Some(action) = self.open_action() else { return Ok(()) };
        match self.guest.resources.get(stream.rep()) {
            Some(Recipe::FileOutput { .. }) => Err(StreamError::trap(&format!(
                "a file is written inside of action {action:?}; files can only be changed outside of actions"
            ))),
            _ => Ok(()),
        }
    }
}
