//! Keys and values that all workers of a server share, in buckets by name: what `wasi:keyvalue` stands on.
//!
//! Pure of WASI: names and keys come in, records go out. An operation that changes something does not store it; it
//! returns a [`Write`], which whoever called stores in one batch with the entry that says so.

mod ended;
pub(crate) mod error;
mod kept;
pub(crate) mod limits;
mod locks;
pub(crate) mod names;
mod numbers;
mod record;
mod stores;
mod swap;
mod unstored;
mod value;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bincode::{Decode, Encode};
use everlog_oplog::Timestamp;
use everlog_store::{Change, Expectation, Order, Store, StoreError};

pub(crate) use error::{DataError, Refusal};
pub(crate) use kept::Changed;
pub use kept::Standing;
pub(crate) use locks::{Claim, Held, Locks};
pub(crate) use names::{Bucket, check_key, check_name, key_of, record_key, record_range};
pub(crate) use record::Record;
pub(crate) use stores::KeyPrefixes;
pub(crate) use swap::Seen;
pub(crate) use unstored::{OwnValue, Unstored};
pub(crate) use value::StoredValue;

use self::limits::{MAX_BATCH_BYTES, MAX_BATCH_KEYS, MAX_KEYS, MAX_OBJECT_BYTES, MAX_VALUE_BYTES};
use crate::clock;
use crate::spaces::KEY_VALUES;

/// What a key is called in messages.
const KEY: &str = "a key";

/// Changes that were decided on, and what they stand on.
///
/// The locks keep the workers of this server apart; they are to be let go of when the changes are durable, or have
/// failed. What must still be stored then keeps servers apart that share a store.
pub(crate) struct Write {
    pub(crate) expectations: Vec<Expectation>,
    pub(crate) changes: Vec<Change>,
    pub(crate) held: Held,
}

/// One page of a listing.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Page {
    /// In order.
    pub(crate) keys: Vec<String>,
    /// Where the next page begins: behind this key; `None` on the last page.
    pub(crate) next: Option<String>,
}

/// What is to be kept under a key.
pub(crate) struct NewValue {
    pub(crate) bytes: Vec<u8>,
    pub(crate) expires_at: Option<Timestamp>,
}

impl NewValue {
    /// One that stays.
    pub(crate) fn lasting(bytes: Vec<u8>) -> Self {
        Self { bytes, expires_at: None }
    }
}

/// What [`KeyValues::update`] is to do.
pub(crate) struct Decision<T> {
    /// What the caller is told.
    pub(crate) outcome: T,
    /// What takes the place of the present value; `None` leaves it.
    pub(crate) value: Option<NewValue>,
}

/// All buckets of a server.
pub(crate) struct KeyValues {
    store: Arc<dyn Store>,
    locks: Arc<Locks>,
    prefixes: KeyPrefixes,
}

impl KeyValues {
    pub(crate) fn new(store: Arc<dyn Store>, locks: Arc<Locks>, prefixes: KeyPrefixes) -> Self {
        Self { store, locks, prefixes }
    }

    /// What is under `key` now.
    pub(crate) async fn read(
        &self,
        bucket: &Bucket,
        key: &str,
    ) -> Result<Option<Record>, DataError> {
        check_key(KEY, key)?;
        let stored = self.store.get(KEY_VALUES, &self.place(bucket, key)?).await?;
        Ok(alive(bucket, key, stored.as_deref())?)
    }

    /// What is under each of `keys`, in their order. Not of one moment.
    pub(crate) async fn read_many(
        &self,
        bucket: &Bucket,
        keys: &[String],
    ) -> Result<Vec<Option<StoredValue>>, DataError> {
        check_count(keys.len())?;
        let mut values = Vec::with_capacity(keys.len());
        let mut sizes = Sizes::default();
        for key in keys {
            let value = self.read(bucket, key).await?.map(|record| record.value);
            if let Some(value) = &value {
                sizes.add(value)?;
            }
            values.push(value);
        }
        Ok(values)
    }

    /// At most `limit` keys of `bucket` behind `after`, in order.
    pub(crate) async fn page(
        &self,
        bucket: &Bucket,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, DataError> {
        let prefix = self.prefixes.prefix(bucket)?;
        let range = record_range(bucket.name(), prefix, after);
        let mut found = self.store.scan(KEY_VALUES, range, Order::Forward, limit + 1).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let key_of = |record_key: &[u8]| key_of(bucket.name(), prefix, record_key);
        let last = found.last().and_then(|(record_key, _)| key_of(record_key));
        let now = clock::now();
        let mut keys = Vec::with_capacity(found.len());
        for (record_key, bytes) in found {
            let Some(key) = key_of(&record_key) else { continue };
            if decode(bucket, &key, &bytes)?.is_alive(now) {
                keys.push(key);
            }
        }
        Ok(Page { keys, next: last.filter(|_| more) })
    }

    /// All keys of `bucket`, in order.
    pub(crate) async fn keys(&self, bucket: &Bucket) -> Result<Vec<String>, DataError> {
        let refused = || Refusal::NoPages { place: format!("bucket {:?}", bucket.name()) };
        let mut keys: Vec<String> = Vec::new();
        let mut after = None;
        loop {
            let page = self.page(bucket, after.as_deref(), limits::PAGE_KEYS).await?;
            keys.extend(page.keys);
            let bytes: usize = keys.iter().map(String::len).sum();
            if keys.len() > MAX_KEYS || bytes > MAX_BATCH_BYTES {
                return Err(refused().into());
            }
            if page.next.is_none() {
                return Ok(keys);
            }
            after = page.next;
        }
    }

    /// Puts each value under its key, in place of what is there; without a value, removes what is there.
    pub(crate) async fn replace(
        &self,
        bucket: &Bucket,
        values: Vec<(String, Option<NewValue>)>,
    ) -> Result<Write, DataError> {
        check_count(values.len())?;
        for (key, value) in &values {
            check_key(KEY, key)?;
            check_value(value.as_ref())?;
        }
        let mut sizes = Sizes::default();
        let mut changes = Vec::with_capacity(values.len());
        for (key, value) in values {
            let record_key = self.place(bucket, &key)?;
            changes.push(match value {
                Some(value) => {
                    let record = self.record(value).await?;
                    sizes.add(&record.value)?;
                    record.put(KEY_VALUES, record_key)
                }
                None => Change::Delete { space: KEY_VALUES, key: record_key },
            });
        }
        let held = self.locks.hold(changes.iter().map(claim)).await;
        Ok(Write { expectations: Vec::new(), changes, held })
    }

    /// As [`KeyValues::replace`], for one key.
    pub(crate) async fn set(
        &self,
        bucket: &Bucket,
        key: String,
        value: NewValue,
    ) -> Result<Write, DataError> {
        self.replace(bucket, vec![(key, Some(value))]).await
    }

    /// Looks at what is under `key` and lets `decide` say what is to be there instead, if anything else, and what that
    /// means to the caller. Nobody changes it in between.
    pub(crate) async fn update<T>(
        &self,
        bucket: &Bucket,
        key: &str,
        decide: impl FnOnce(Option<&Record>) -> Result<Decision<T>, Refusal> + Send,
    ) -> Result<(T, Write), DataError> {
        check_key(KEY, key)?;
        let record_key = self.place(bucket, key)?;
        let held = self.locks.hold([(Claim::Change, KEY_VALUES, record_key.as_slice())]).await;
        let stored = self.store.get(KEY_VALUES, &record_key).await?;
        let found = alive(bucket, key, stored.as_deref())?;
        let Decision { outcome, value } = decide(found.as_ref())?;
        check_value(value.as_ref())?;
        let expected = Expectation { space: KEY_VALUES, key: record_key.clone(), value: stored };
        let changes = match value {
            Some(value) => vec![self.record(value).await?.put(KEY_VALUES, record_key)],
            None => Vec::new(),
        };
        Ok((outcome, Write { expectations: vec![expected], changes, held }))
    }

    /// The bytes of a value.
    pub(crate) async fn load(&self, value: StoredValue) -> Result<Vec<u8>, StoreError> {
        value.load(&*self.store).await
    }

    /// Where the record of a key is.
    fn place(&self, bucket: &Bucket, key: &str) -> Result<Vec<u8>, Refusal> {
        let prefix = self.prefixes.prefix(bucket)?;
        Ok(record_key(bucket.name(), &[prefix, key].concat()))
    }

    async fn record(&self, value: NewValue) -> Result<Record, DataError> {
        let NewValue { bytes, expires_at } = value;
        let value = StoredValue::keep(&*self.store, bytes).await?;
        Ok(Record::new(value, clock::now(), expires_at))
    }
}

/// How much one call carries.
#[derive(Default)]
pub(crate) struct Sizes {
    inline: usize,
    total: u64,
}

impl Sizes {
    /// Counts one more value.
    pub(crate) fn add(&mut self, value: &StoredValue) -> Result<(), Refusal> {
        self.inline += value.inline_bytes();
        self.total += value.size();
        let total = usize::try_from(self.total).unwrap_or(usize::MAX);
        check_bytes("bytes of small values", MAX_BATCH_BYTES, self.inline)?;
        check_bytes("bytes of values", MAX_OBJECT_BYTES, total)
    }
}

fn check_bytes(what: &'static str, limit: usize, found: usize) -> Result<(), Refusal> {
    if found > limit { Err(Refusal::Many { what, limit, found }) } else { Ok(()) }
}

/// Refuses more values, or bytes of them, than one call may name.
pub(crate) fn check_total(count: usize, bytes: usize) -> Result<(), Refusal> {
    check_count(count)?;
    check_bytes("bytes of values", MAX_OBJECT_BYTES, bytes)
}

/// Refuses more keys than one call may name.
pub(crate) fn check_count(found: usize) -> Result<(), Refusal> {
    check_bytes("keys", MAX_BATCH_KEYS, found)
}

fn check_value(value: Option<&NewValue>) -> Result<(), Refusal> {
    match value.map_or(0, |value| value.bytes.len()) {
        found if found > MAX_VALUE_BYTES => {
            Err(Refusal::Long { what: "a value", limit: MAX_VALUE_BYTES, found })
        }
        _ => Ok(()),
    }
}

/// The claim of whoever makes this change.
pub(crate) fn claim(change: &Change) -> (Claim, everlog_store::Space, &[u8]) {
    let (space, key) = change.target();
    (Claim::Change, space, key)
}

/// What is stored under a key, if it still counts.
fn alive(bucket: &Bucket, key: &str, stored: Option<&[u8]>) -> Result<Option<Record>, StoreError> {
    let Some(bytes) = stored else { return Ok(None) };
    let record = decode(bucket, key, bytes)?;
    Ok(Some(record).filter(|record| record.is_alive(clock::now())))
}

fn decode(bucket: &Bucket, key: &str, bytes: &[u8]) -> Result<Record, StoreError> {
    Record::decode(bytes, || format!("key {key:?} of bucket {:?}", bucket.name()))
}
