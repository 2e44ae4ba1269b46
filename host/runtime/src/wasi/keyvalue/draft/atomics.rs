//! `wasi:keyvalue/atomics@0.2.0-draft`: numbers, which are decimal text in the bucket.

use wasmtime::component::Resource;

use super::super::super::WorkerState;
use super::keyvalue::atomics::Host;
use super::{Answered, answer};
use crate::keyvalue::Bucket;

impl Host for WorkerState {
    async fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        delta: u64,
    ) -> Answered<u64> {
        let bucket = self.table.get(&bucket)?.clone();
        let function = "wasi:keyvalue/atomics.increment";
        answer(self.key_increment_unsigned(function, &bucket, &key, delta).await?)
    }
}
