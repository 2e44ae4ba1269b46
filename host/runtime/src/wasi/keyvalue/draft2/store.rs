//! `wasi:keyvalue/store@0.2.0-draft2`.

use wasmtime::component::Resource;

use super::super::super::{Recipe, WorkerState};
use super::keyvalue::store::{Host, HostBucket, KeyResponse};
use super::{Answered, answer};
use crate::keyvalue::Bucket;

impl Host for WorkerState {
    fn open(&mut self, identifier: String) -> Answered<Resource<Bucket>> {
        match Self::open_bucket(identifier, Bucket::open_or_default) {
            Ok(bucket) => {
                let recipe = Recipe::Bucket { name: bucket.name().to_owned() };
                Ok(Ok(self.push(bucket, recipe)?))
            }
            Err(refused) => answer(Err(refused)),
        }
    }
}

impl HostBucket for WorkerState {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Answered<Option<Vec<u8>>> {
        answer(self.bucket_get(&bucket, &key).await?)
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Answered<()> {
        answer(self.bucket_set(&bucket, key, value).await?)
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Answered<()> {
        answer(self.bucket_delete(&bucket, key).await?)
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Answered<bool> {
        answer(self.bucket_exists(&bucket, &key).await?)
    }

    /// The cursor is the last key of the page before.
    async fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<String>,
    ) -> Answered<KeyResponse> {
        let page = self.bucket_page(&bucket, cursor.as_deref()).await?;
        answer(page.map(|page| KeyResponse { keys: page.keys, cursor: page.next }))
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.delete(bucket)?;
        Ok(())
    }
}
