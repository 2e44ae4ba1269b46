//! What the versions of `wasi:keyvalue` have in common: each operation on a bucket as a durable call.
//!
//! Reads are recorded with what they found; writes are stored together with the entry that says so. Values are recorded
//! as records hold them, so large ones by their digest.

use std::ops::RangeInclusive;
use std::sync::Arc;

use bincode::Encode;
use xxhash_rust::xxh3::xxh3_64;

use super::super::WorkerState;
use crate::durable::Reply;
use crate::keyvalue::limits::PAGE_KEYS;
use crate::keyvalue::{Bucket, NewValue, Page, Refusal, Seen, StoredValue};

/// How much of a value the log shows of whoever writes it, in bytes.
const SHOWN_BYTES: usize = 128;

/// A value as the request of a write has it: enough to tell it from another.
#[derive(Encode)]
pub(crate) struct Written<'a> {
    beginning: &'a [u8],
    size: u64,
    hash: u64,
}

impl<'a> Written<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        let beginning = &bytes[..bytes.len().min(SHOWN_BYTES)];
        Self { beginning, size: bytes.len() as u64, hash: xxh3_64(bytes) }
    }
}

/// What is to be under a key; nothing where it is to be removed.
pub(super) type Replacement = (String, Option<Vec<u8>>);

impl WorkerState {
    pub(super) async fn key_get(
        &mut self,
        function: &'static str,
        bucket: &Bucket,
        key: &str,
    ) -> wasmtime::Result<Reply<Option<StoredValue>>> {
        let data = Arc::clone(&self.environment.key_values);
        let live = async { Ok(data.read(bucket, key).await?.map(|record| record.value)) };
        self.read_shared(function, &(bucket.name(), key), live).await
    }

    pub(super) async fn key_exists(
        &mut self,
        function: &'static str,
        bucket: &Bucket,
        key: &str,
    ) -> wasmtime::Result<Reply<bool>> {
        let data = Arc::clone(&self.environment.key_values);
        let live = async { Ok(data.read(bucket, key).await?.is_some()) };
        self.read_shared(function, &(bucket.name(), key), live).await
    }

    pub(super) async fn key_get_many(
        &mut self,
        function: &'static str,
        bucket: &Bucket,
        keys: &[String],
    ) -> wasmtime::Result<Reply<Vec<Option<StoredValue>>>> {
        let data = Arc::clone(&self.environment.key_values);
        let live = data.read_many(bucket, keys);
        self.read_shared(function, &(bucket.name(), keys), live).await
    }

    /// All keys.
    pub(super) async fn key_list(
        &mut self,
        function: &'static str,
        bucket: &Bucket,
    ) -> wasmtime::Result<Reply<Vec<String>>> {
        let data = Arc::clone(&self.environment.key_values);
        self.read_shared(function, &bucket.name(), data.keys(bucket)).await
    }

    /// One page of the keys behind `after`.
    pub(super) async fn key_page(
        &mut self,
        function: &'static str,
        bucket: &Bucket,
        after: Option<&str>,
    ) -> wasmtime::Result<Reply<Page>> {
        let data = Arc::clone(&self.environment.key_values);
        let live = data.page(bucket, after, PAGE_KEYS);
        self.read_shared(function, &(bucket.name(), after), live).await
    }

    /// Puts and removes values.
    pub(super) async fn key_replace(
        &mut self,
        function: &'static str,
        bucket: &Bucket,
        values: Vec<Replacement>,
    ) -> wasmtime::Result<Reply<()>> {
        let data = Arc::clone(&self.environment.key_values);
        let written: Vec<(String, Option<Written<'_>>)> = values
            .iter()
            .map(|(key, value)| (key.clone(), value.as_deref().map(Written::of)))
            .collect();
        let request =
            bincode::encode_to_vec((bucket.name(), written), bincode::config::standard())?;
        let values =
            values.into_iter().map(|(key, value)| (key, value.map(NewValue::lasting))).collect();
        let live = async { Ok(((), data.replace(bucket, values).await?)) };
        self.write_shared(function, &request, live).await
    }

    pub(super) async fn key_increment(
        &mut self,
        function: &'static str,
        bucket: &Bucket,
        key: &str,
        delta: i128,
        range: RangeInclusive<i128>,
    ) -> wasmtime::Result<Reply<i128>> {
        let data = Arc::clone(&self.environment.key_values);
        let live = data.increment(bucket, key, delta, range);
        self.write_shared(function, &(bucket.name(), key, delta), live).await
    }

    /// Where numbers are not negative.
    pub(super) async fn key_increment_unsigned(
        &mut self,
        function: &'static str,
        bucket: &Bucket,
        key: &str,
        delta: u64,
    ) -> wasmtime::Result<Reply<u64>> {
        let range = 0..=i128::from(u64::MAX);
        let told = self.key_increment(function, bucket, key, i128::from(delta), range).await?;
        Ok(match told {
            Ok(sum) => Ok(u64::try_from(sum)?),
            Err(refused) => Err(refused),
        })
    }

    /// Looks at a value that may then be swapped.
    pub(super) async fn key_look(
        &mut self,
        function: &'static str,
        bucket: &Bucket,
        key: &str,
    ) -> wasmtime::Result<Reply<Option<Seen>>> {
        let data = Arc::clone(&self.environment.key_values);
        self.read_shared(function, &(bucket.name(), key), data.look(bucket, key)).await
    }

    /// Puts a value in place of the one with version `seen`; returns what is there instead.
    pub(super) async fn key_swap(
        &mut self,
        function: &'static str,
        bucket: &Bucket,
        key: &str,
        seen: Option<u64>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Reply<Result<(), Option<Seen>>>> {
        let data = Arc::clone(&self.environment.key_values);
        let request = (bucket.name(), key, seen, Written::of(&value));
        let request = bincode::encode_to_vec(request, bincode::config::standard())?;
        let live = data.swap(bucket, key, seen, NewValue::lasting(value));
        self.write_shared(function, &request, live).await
    }

    /// The bucket of a name, or why there can't be one.
    pub(super) fn open_bucket(
        name: String,
        open: fn(String) -> Result<Bucket, Refusal>,
    ) -> Result<Bucket, String> {
        open(name).map_err(|refused| refused.to_string())
    }
}
