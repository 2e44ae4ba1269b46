//! `wasi:keyvalue/atomic`: numbers, which are decimal text in the bucket.

use std::sync::Arc;

use wasmtime::component::Resource;

use super::super::super::WorkerState;
use super::Answered;
use super::keyvalue::atomic::Host;
use crate::keyvalue::Bucket;

impl Host for WorkerState {
    async fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        delta: u64,
    ) -> Answered<u64> {
        let bucket = self.table.get(&bucket)?.clone();
        let function = "wasi:keyvalue/atomic.increment";
        let told = self.key_increment_unsigned(function, &bucket, &key, delta).await?;
        self.key_answer(told)
    }

    async fn compare_and_swap(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        old: u64,
        new: u64,
    ) -> Answered<bool> {
        let bucket = self.table.get(&bucket)?.clone();
        let data = Arc::clone(&self.environment.key_values);
        let function = "wasi:keyvalue/atomic.compare-and-swap";
        let request = (bucket.name(), key.as_str(), old, new);
        let live = data.exchange(&bucket, &key, old, new);
        let told = self.write_shared(function, &request, live).await?;
        self.key_answer(told)
    }
}
