//! `everlog:api/state`: the worker's own bucket, which no other guest can open.
//!
//! Requests name keys only, not the worker: a fork makes the same ones.

use std::sync::Arc;

use everlog_store::StoreError;

use super::bindings::everlog::api::state::{Host, Page as GuestPage};
use crate::durable::Reply;
use crate::keyvalue::limits::PAGE_KEYS;
use crate::keyvalue::{Bucket, Page, StoredValue};
use crate::wasi::{WorkerState, Written};

impl Host for WorkerState {
    async fn get(&mut self, key: String) -> wasmtime::Result<Reply<Option<Vec<u8>>>> {
        let (data, bucket) = (Arc::clone(&self.environment.key_values), self.own_bucket());
        self.unstored.forget(self.recorder.durable());
        let unstored = self.unstored.get(&key);
        let live = async {
            match unstored {
                Some(value) => Ok(value),
                None => Ok(data.read(&bucket, &key).await?.map(|record| record.value)),
            }
        };
        let found: Reply<Option<StoredValue>> =
            self.read_own("everlog:api/state.get", &key, live).await?;
        match found {
            Ok(Some(value)) => Ok(Ok(Some(self.stored_bytes(value).await?))),
            Ok(None) => Ok(Ok(None)),
            Err(refused) => Ok(Err(refused)),
        }
    }

    async fn set(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Reply<()>> {
        let (data, bucket) = (Arc::clone(&self.environment.key_values), self.own_bucket());
        let request = (&key, Written::of(&value));
        let request = bincode::encode_to_vec(request, bincode::config::standard())?;
        let live = data.put_own(&bucket, key, Some(value));
        self.write_own("everlog:api/state.set", &request, live).await
    }

    async fn clear(&mut self, key: String) -> wasmtime::Result<Reply<()>> {
        let (data, bucket) = (Arc::clone(&self.environment.key_values), self.own_bucket());
        let live = data.put_own(&bucket, key.clone(), None);
        self.write_own("everlog:api/state.clear", &key, live).await
    }

    async fn clear_all(&mut self) -> wasmtime::Result<Reply<()>> {
        let (data, bucket) = (Arc::clone(&self.environment.key_values), self.own_bucket());
        let recorder = Arc::clone(&self.recorder);
        let live = async {
            // The store is asked what there is to be removed, so it has to have what was set before.
            let stored = recorder.gate().await;
            stored.map_err(|_| recorder.failure().unwrap_or(StoreError::Closed))?;
            Ok(((), data.remove_all(&bucket).await?))
        };
        let told = self.write_shared("everlog:api/state.clear-all", &(), live).await?;
        if !self.recorder.is_replaying() {
            // And what is read next is asked of the store.
            self.recorder.gate().await?;
        }
        Ok(told)
    }

    async fn keys(
        &mut self,
        prefix: String,
        after: Option<String>,
    ) -> wasmtime::Result<Reply<GuestPage>> {
        let (data, bucket) = (Arc::clone(&self.environment.key_values), self.own_bucket());
        let live = data.keys_from(&bucket, &prefix, after.as_deref(), PAGE_KEYS);
        let request = (&prefix, &after);
        let page: Reply<Page> = self.read_shared("everlog:api/state.keys", &request, live).await?;
        Ok(page.map(|Page { keys, next }| GuestPage { keys, next }))
    }
}

impl WorkerState {
    fn own_bucket(&self) -> Bucket {
        Bucket::of_worker(&self.environment.worker)
    }
}
