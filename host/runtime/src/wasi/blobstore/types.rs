//! `wasi:blobstore/types`.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

use super::super::WorkerState;
use super::super::values::{IncomingValue, OutgoingValue};
use super::Answered;
use super::type_interface::{Host, HostIncomingValue, HostOutgoingValue};
use crate::keyvalue::limits::MAX_OBJECT_BYTES;

impl Host for WorkerState {}

impl HostOutgoingValue for WorkerState {
    fn new_outgoing_value(&mut self) -> wasmtime::Result<Resource<OutgoingValue>> {
        self.push_outgoing_value(MAX_OBJECT_BYTES, None)
    }

    fn outgoing_value_write_body(
        &mut self,
        value: Resource<OutgoingValue>,
    ) -> wasmtime::Result<Result<Resource<DynOutputStream>, ()>> {
        Ok(Ok(self.push_value_output(&value)?))
    }

    fn drop(&mut self, value: Resource<OutgoingValue>) -> wasmtime::Result<()> {
        self.delete(value)?;
        Ok(())
    }
}

impl HostIncomingValue for WorkerState {
    async fn incoming_value_consume_sync(
        &mut self,
        value: Resource<IncomingValue>,
    ) -> Answered<Vec<u8>> {
        let value = self.table.get(&value)?.clone();
        Ok(Ok(self.value_bytes(&value).await?))
    }

    async fn incoming_value_consume_async(
        &mut self,
        value: Resource<IncomingValue>,
    ) -> Answered<Resource<DynInputStream>> {
        let value = self.table.get(&value)?.clone();
        self.push_value_input(&value).await
    }

    fn size(&mut self, value: Resource<IncomingValue>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&value)?.size())
    }

    fn drop(&mut self, value: Resource<IncomingValue>) -> wasmtime::Result<()> {
        self.delete(value)?;
        Ok(())
    }
}
