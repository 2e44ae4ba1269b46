//! `wasi:keyvalue/types`.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

use super::super::super::values::{IncomingValue, OutgoingValue};
use super::super::super::{Recipe, WorkerState};
use super::Answered;
use super::keyvalue::types::{Host, HostBucket, HostIncomingValue, HostOutgoingValue};
use crate::keyvalue::Bucket;
use crate::keyvalue::limits::MAX_VALUE_BYTES;

impl Host for WorkerState {}

impl HostBucket for WorkerState {
    fn open_bucket(&mut self, name: String) -> Answered<Resource<Bucket>> {
        match Self::open_bucket(name, Bucket::open) {
            Ok(bucket) => {
                let recipe = Recipe::Bucket { name: bucket.name().to_owned() };
                Ok(Ok(self.push(bucket, recipe)?))
            }
            Err(refused) => self.key_answer(Err(refused)),
        }
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.delete(bucket)?;
        Ok(())
    }
}

impl HostOutgoingValue for WorkerState {
    fn new_outgoing_value(&mut self) -> wasmtime::Result<Resource<OutgoingValue>> {
        self.push_outgoing_value(MAX_VALUE_BYTES, None)
    }

    fn outgoing_value_write_body_async(
        &mut self,
        value: Resource<OutgoingValue>,
    ) -> Answered<Resource<DynOutputStream>> {
        Ok(Ok(self.push_value_output(&value)?))
    }

    fn outgoing_value_write_body_sync(
        &mut self,
        value: Resource<OutgoingValue>,
        bytes: Vec<u8>,
    ) -> Answered<()> {
        let written = self.table.get(&value)?.replace(&bytes);
        self.key_answer(written)
    }

    /// A value that fills a place in the cache goes there now.
    async fn drop(&mut self, value: Resource<OutgoingValue>) -> wasmtime::Result<()> {
        let value = self.delete(value)?;
        if let Some(vacancy) = value.vacancy.clone() {
            self.fill(vacancy, value.bytes()).await?;
        }
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
        let stream = self.push_value_input(&value).await?;
        self.key_answer(stream)
    }

    fn incoming_value_size(&mut self, value: Resource<IncomingValue>) -> Answered<u64> {
        Ok(Ok(self.table.get(&value)?.size()))
    }

    fn drop(&mut self, value: Resource<IncomingValue>) -> wasmtime::Result<()> {
        self.delete(value)?;
        Ok(())
    }
}
