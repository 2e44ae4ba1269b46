//! `wasi:keyvalue/atomics@0.2.0-draft2`: numbers, which are decimal text in the bucket, and compare-and-swap.

use wasmtime::component::Resource;

use super::super::super::values::IncomingValue;
use super::super::super::{Recipe, WorkerState};
use super::keyvalue::atomics::{CasError, Host, HostCas};
use super::keyvalue::store::Error;
use super::{Answered, answer};
use crate::keyvalue::{Bucket, Seen};

/// The right to put a value in place of the one that was seen.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Swap {
    bucket: Bucket,
    key: String,
    /// Of the record that was seen, if there was one.
    version: Option<u64>,
    /// What it held.
    value: Option<IncomingValue>,
}

impl Host for WorkerState {
    async fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        delta: i64,
    ) -> Answered<i64> {
        let bucket = self.table.get(&bucket)?.clone();
        let function = "wasi:keyvalue/atomics.increment";
        let range = i128::from(i64::MIN)..=i128::from(i64::MAX);
        let told = self.key_increment(function, &bucket, &key, i128::from(delta), range).await?;
        answer(match told {
            Ok(sum) => Ok(i64::try_from(sum)?),
            Err(refused) => Err(refused),
        })
    }

    async fn swap(
        &mut self,
        swap: Resource<Swap>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), CasError>> {
        let Swap { bucket, key, version, value: _ } = self.delete(swap)?;
        let function = "wasi:keyvalue/atomics.swap";
        let told = match self.key_swap(function, &bucket, &key, version, value).await? {
            Ok(Ok(())) => return Ok(Ok(())),
            Ok(Err(seen)) => self.push_swap(bucket, key, seen)?,
            Err(refused) => Err(refused),
        };
        Ok(Err(match told {
            Ok(again) => CasError::CasFailed(again),
            Err(refused) => CasError::StoreError(Error::Other(refused)),
        }))
    }
}

impl HostCas for WorkerState {
    async fn new(&mut self, bucket: Resource<Bucket>, key: String) -> Answered<Resource<Swap>> {
        let bucket = self.table.get(&bucket)?.clone();
        match self.key_look("wasi:keyvalue/atomics.cas.new", &bucket, &key).await? {
            Ok(seen) => answer(self.push_swap(bucket, key, seen)?),
            Err(refused) => answer(Err(refused)),
        }
    }

    /// What was seen when the handle was made: a swap would replace that and nothing later.
    async fn current(&mut self, swap: Resource<Swap>) -> Answered<Option<Vec<u8>>> {
        match self.table.get(&swap)?.value.clone() {
            Some(value) => Ok(Ok(Some(self.value_bytes(&value).await?))),
            None => Ok(Ok(None)),
        }
    }

    fn drop(&mut self, swap: Resource<Swap>) -> wasmtime::Result<()> {
        self.delete(swap)?;
        Ok(())
    }
}

impl WorkerState {
    /// Adds the right to swap what was `seen`, unless the guest holds too much.
    fn push_swap(
        &mut self,
        bucket: Bucket,
        key: String,
        seen: Option<Seen>,
    ) -> wasmtime::Result<Result<Resource<Swap>, String>> {
        let (version, value) = seen.map(|seen| (seen.version, seen.value)).unzip();
        let value = match value.map(|value| self.incoming_value(value)).transpose() {
            Ok(value) => value,
            Err(refused) => return Ok(Err(refused)),
        };
        let recipe = Recipe::Swap {
            bucket: bucket.name().to_owned(),
            key: key.clone(),
            version,
            value: value.as_ref().map(IncomingValue::recipe),
        };
        Ok(Ok(self.push(Swap { bucket, key, version, value }, recipe)?))
    }
}
