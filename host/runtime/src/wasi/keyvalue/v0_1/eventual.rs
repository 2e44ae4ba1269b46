//! `wasi:keyvalue/eventual`.

use wasmtime::component::Resource;

use super::super::super::WorkerState;
use super::super::super::values::{IncomingValue, OutgoingValue};
use super::Answered;
use super::keyvalue::eventual::Host;
use crate::keyvalue::Bucket;

impl Host for WorkerState {
    async fn get(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Answered<Option<Resource<IncomingValue>>> {
        let bucket = self.table.get(&bucket)?.clone();
        let found = self.key_get("wasi:keyvalue/eventual.get", &bucket, &key).await?;
        let value = match found {
            Ok(Some(value)) => self.push_incoming_value(value)?.map(Some),
            Ok(None) => Ok(None),
            Err(refused) => Err(refused),
        };
        self.key_answer(value)
    }

    async fn set(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        value: Resource<OutgoingValue>,
    ) -> Answered<()> {
        let bucket = self.table.get(&bucket)?.clone();
        let values = vec![(key, Some(self.table.get(&value)?.bytes()))];
        let told = self.key_replace("wasi:keyvalue/eventual.set", &bucket, values).await?;
        self.key_answer(told)
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Answered<()> {
        let bucket = self.table.get(&bucket)?.clone();
        let values = vec![(key, None)];
        let told = self.key_replace("wasi:keyvalue/eventual.delete", &bucket, values).await?;
        self.key_answer(told)
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Answered<bool> {
        let bucket = self.table.get(&bucket)?.clone();
        let told = self.key_exists("wasi:keyvalue/eventual.exists", &bucket, &key).await?;
        self.key_answer(told)
    }
}
