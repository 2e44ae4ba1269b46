//! What the two drafts of version 0.2.0 have in common: buckets whose values are plain lists of bytes.

use wasmtime::component::Resource;

use super::super::WorkerState;
use crate::durable::Reply;
use crate::keyvalue::{Bucket, Page};

impl WorkerState {
    pub(super) async fn bucket_get(
        &mut self,
        bucket: &Resource<Bucket>,
        key: &str,
    ) -> wasmtime::Result<Reply<Option<Vec<u8>>>> {
        let bucket = self.table.get(bucket)?.clone();
        match self.key_get("wasi:keyvalue/store.bucket.get", &bucket, key).await? {
            Ok(Some(value)) => Ok(Ok(Some(self.stored_bytes(value).await?))),
            Ok(None) => Ok(Ok(None)),
            Err(refused) => Ok(Err(refused)),
        }
    }

    pub(super) async fn bucket_set(
        &mut self,
        bucket: &Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Reply<()>> {
        let bucket = self.table.get(bucket)?.clone();
        let values = vec![(key, Some(value))];
        self.key_replace("wasi:keyvalue/store.bucket.set", &bucket, values).await
    }

    pub(super) async fn bucket_delete(
        &mut self,
        bucket: &Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Reply<()>> {
        let bucket = self.table.get(bucket)?.clone();
        self.key_replace("wasi:keyvalue/store.bucket.delete", &bucket, vec![(key, None)]).await
    }

    pub(super) async fn bucket_exists(
        &mut self,
        bucket: &Resource<Bucket>,
        key: &str,
    ) -> wasmtime::Result<Reply<bool>> {
        let bucket = self.table.get(bucket)?.clone();
        self.key_exists("wasi:keyvalue/store.bucket.exists", &bucket, key).await
    }

    pub(super) async fn bucket_page(
        &mut self,
        bucket: &Resource<Bucket>,
        after: Option<&str>,
    ) -> wasmtime::Result<Reply<Page>> {
        let bucket = self.table.get(bucket)?.clone();
        self.key_page("wasi:keyvalue/store.bucket.list-keys", &bucket, after).await
    }

    /// The values of `keys`, in their order.
    pub(super) async fn bucket_get_many(
        &mut self,
        bucket: &Resource<Bucket>,
        keys: &[String],
    ) -> wasmtime::Result<Reply<Vec<Option<Vec<u8>>>>> {
        let bucket = self.table.get(bucket)?.clone();
        let found = match self.key_get_many("wasi:keyvalue/batch.get-many", &bucket, keys).await? {
            Ok(found) => found,
            Err(refused) => return Ok(Err(refused)),
        };
        let mut values = Vec::with_capacity(found.len());
        for value in found {
            values.push(match value {
                Some(value) => Some(self.stored_bytes(value).await?),
                None => None,
            });
        }
        Ok(Ok(values))
    }

    pub(super) async fn bucket_set_many(
        &mut self,
        bucket: &Resource<Bucket>,
        key_values: Vec<(String, Vec<u8>)>,
    ) -> wasmtime::Result<Reply<()>> {
        let bucket = self.table.get(bucket)?.clone();
        let values = key_values.into_iter().map(|(key, value)| (key, Some(value))).collect();
        self.key_replace("wasi:keyvalue/batch.set-many", &bucket, values).await
    }

    pub(super) async fn bucket_delete_many(
        &mut self,
        bucket: &Resource<Bucket>,
        keys: Vec<String>,
    ) -> wasmtime::Result<Reply<()>> {
        let bucket = self.table.get(bucket)?.clone();
        let values = keys.into_iter().map(|key| (key, None)).collect();
        self.key_replace("wasi:keyvalue/batch.delete-many", &bucket, values).await
    }
}
