//! `wasi:keyvalue/batch@0.2.0-draft2`. What one call writes is written all or not at all.

use wasmtime::component::Resource;

use super::super::super::WorkerState;
use super::keyvalue::batch::Host;
use super::{Answered, answer};
use crate::keyvalue::Bucket;

impl Host for WorkerState {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Answered<Vec<(String, Option<Vec<u8>>)>> {
        let found = self.bucket_get_many(&bucket, &keys).await?;
        answer(found.map(|values| keys.into_iter().zip(values).collect()))
    }

    async fn set_many(
        &mut self,
        bucket: Resource<Bucket>,
        key_values: Vec<(String, Vec<u8>)>,
    ) -> Answered<()> {
        answer(self.bucket_set_many(&bucket, key_values).await?)
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Answered<()> {
        answer(self.bucket_delete_many(&bucket, keys).await?)
    }
}
