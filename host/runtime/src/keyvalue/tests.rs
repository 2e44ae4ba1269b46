//! Operations on buckets, each stored as a worker would store it.

use std::sync::Arc;

use everlog_oplog::Timestamp;
use everlog_store::{Batch, EmbeddedOptions, EmbeddedStore, Store, StoreError, commit};
use tempfile::TempDir;

use super::error::DataError;
use super::limits::{MAX_BATCH_KEYS, MAX_INLINE_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES};
use super::{Bucket, KeyPrefixes, KeyValues, Locks, NewValue, StoredValue, Write};

struct House {
    store: Arc<dyn Store>,
    data: KeyValues,
    bucket: Bucket,
    // Last, so that it is removed when nobody writes to it any more.
    _directory: TempDir,
}

fn house() -> House {
    let directory = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions::new(directory.path().join("store"));
    let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(&options).unwrap());
    let data = KeyValues::new(Arc::clone(&store), Arc::new(Locks::new()), KeyPrefixes::default());
    let bucket = Bucket::open("b".to_owned()).unwrap();
    House { store, data, bucket, _directory: directory }
}

impl House {
    async fn store(&self, write: Write) {
        let Write { expectations, changes, held: _held } = write;
        commit(&*self.store, Batch { expectations, changes, ..Batch::default() }).await.unwrap();
    }

    async fn set(&self, key: &str, bytes: &[u8]) {
        let value = NewValue::lasting(bytes.to_vec());
        let write = self.data.set(&self.bucket, key.to_owned(), value).await.unwrap();
        self.store(write).await;
    }

    async fn get(&self, key: &str) -> Option<Vec<u8>> {
        let value = self.data.read(&self.bucket, key).await.unwrap()?.value;
        Some(self.data.load(value).await.unwrap())
    }

    async fn add(&self, key: &str, delta: i128) -> Result<i128, String> {
        let range = 0..=i128::from(u64::MAX);
        let sum = self.data.increment(&self.bucket, key, delta, range).await;
        let (sum, write) = sum.map_err(|error| error.to_string())?;
        self.store(write).await;
        Ok(sum)
    }
}

fn refusal<T>(result: Result<T, DataError>) -> String {
    match result.map(drop) {
        Err(DataError::Refused(refusal)) => refusal.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn what_was_put_is_read_until_it_is_removed() {
    let house = house();
    assert_eq!(house.get("k").await, None);
    house.set("k", b"one").await;
    let large = vec![7; MAX_INLINE_BYTES + 1];
    house.set("large", &large).await;
    assert_eq!(house.get("k").await.unwrap(), b"one");
    assert_eq!(house.get("large").await.unwrap(), large);
    let record = house.data.read(&house.bucket, "large").await.unwrap().unwrap();
    assert!(matches!(record.value, StoredValue::Blob { size, .. } if size == large.len() as u64));

    let removed = vec![("k".to_owned(), None), ("absent".to_owned(), None)];
    house.store(house.data.replace(&house.bucket, removed).await.unwrap()).await;
    assert_eq!(house.get("k").await, None);
}

#[tokio::test]
async fn a_value_ends_at_its_time_and_is_not_listed_then() {
    let house = house();
    let value = NewValue { bytes: b"old".to_vec(), expires_at: Some(Timestamp(1)) };
    house.store(house.data.set(&house.bucket, "a".to_owned(), value).await.unwrap()).await;
    house.set("b", b"new").await;
    assert_eq!(house.get("a").await, None);
    assert_eq!(house.data.keys(&house.bucket).await.unwrap(), ["b"]);
    let page = house.data.page(&house.bucket, None, 1).await.unwrap();
    assert_eq!((page.keys.len(), page.next.as_deref()), (0, Some("a")), "an empty page goes on");
    assert_eq!(house.add("a", 3).await, Ok(3), "an ended value is none");
}

#[tokio::test]
async fn what_has_ended_is_removed_and_nothing_else() {
    let house = house();
    let ends = |at| NewValue { bytes: b"old".to_vec(), expires_at: Some(at) };
    for number in 0..100 {
        let write = house.data.set(&house.bucket, format!("old-{number}"), ends(Timestamp(1)));
        house.store(write.await.unwrap()).await;
    }
    let later = house.data.set(&house.bucket, "z".to_owned(), ends(Timestamp(u64::MAX))).await;
    house.store(later.unwrap()).await;
    house.set("a", b"lasting").await;
    assert_eq!(house.data.remove_ended(&house.bucket).await.unwrap(), 100);
    assert_eq!(house.data.remove_ended(&house.bucket).await.unwrap(), 0);
    let page = house.data.page(&house.bucket, None, 100).await.unwrap();
    assert_eq!((page.keys, page.next), (vec!["a".to_owned(), "z".to_owned()], None));
}

#[tokio::test]
async fn pages_follow_each_other_in_order() {
    let house = house();
    for key in ["b", "a", "c", "d"] {
        house.set(key, b"").await;
    }
    let other = Bucket::open("bb".to_owned()).unwrap();
    let write = house.data.set(&other, "x".to_owned(), NewValue::lasting(Vec::new())).await;
    house.store(write.unwrap()).await;
    let mut after = None;
    let mut pages = Vec::new();
    loop {
        let page = house.data.page(&house.bucket, after.as_deref(), 3).await.unwrap();
        pages.push(page.keys);
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(pages, [vec!["a", "b", "c"], vec!["d"]]);
}

#[tokio::test]
async fn numbers_are_decimal_text() {
    let house = house();
    assert_eq!(house.add("n", 5).await, Ok(5));
    assert_eq!(house.add("n", 37).await, Ok(42));
    assert_eq!(house.get("n").await.unwrap(), b"42");
    house.set("n", b"x1").await;
    let refused = house.add("n", 1).await.unwrap_err();
    assert_eq!(
        refused,
        "the value of key \"n\" in bucket \"b\" is no decimal number, but 2 bytes that begin with \"x1\""
    );
    house.set("n", u64::MAX.to_string().as_bytes()).await;
    assert!(house.add("n", 1).await.unwrap_err().contains("would overflow"));
    assert!(house.add("n", -1).await.is_ok());

    for (old, fits) in [(1, false), (u64::MAX - 1, true), (u64::MAX - 1, false), (3, true)] {
        let (swapped, write) = house.data.exchange(&house.bucket, "n", old, 3).await.unwrap();
        house.store(write).await;
        assert_eq!(swapped, fits, "{old}");
    }
    assert!(!house.data.exchange(&house.bucket, "absent", 0, 1).await.unwrap().0);
}

#[tokio::test]
async fn a_swap_takes_the_place_of_what_was_seen_only() {
    let house = house();
    let swap = async |seen, value: &[u8]| {
        let value = NewValue::lasting(value.to_vec());
        let (outcome, write) = house.data.swap(&house.bucket, "k", seen, value).await.unwrap();
        house.store(write).await;
        outcome
    };
    assert_eq!(swap(None, b"first").await, Ok(()));
    let first = house.data.look(&house.bucket, "k").await.unwrap().unwrap();
    assert_eq!(swap(None, b"late").await, Err(Some(first.clone())));
    assert_eq!(swap(Some(first.version), b"second").await, Ok(()));
    // The same value as before is not the same record.
    house.set("k", b"first").await;
    let again = swap(Some(first.version), b"third").await.unwrap_err().unwrap();
    assert_eq!(again.value, first.value);
    house
        .store(house.data.replace(&house.bucket, vec![("k".to_owned(), None)]).await.unwrap())
        .await;
    assert_eq!(swap(Some(again.version), b"fourth").await, Err(None));
}

#[tokio::test]
async fn whoever_changes_a_key_waits_for_who_did_before() {
    let house = house();
    let (_, first) =
        house.data.increment(&house.bucket, "n", 1, 0..=i128::from(u64::MAX)).await.unwrap();
    let second = house.add("n", 1);
    futures::pin_mut!(second);
    assert!(futures::poll!(second.as_mut()).is_pending(), "the first is not stored");
    house.store(first).await;
    assert_eq!(second.await, Ok(2));
}

#[tokio::test]
async fn another_server_on_the_same_store_comes_in_between_and_the_batch_is_refused() {
    let house = house();
    let other =
        KeyValues::new(Arc::clone(&house.store), Arc::new(Locks::new()), KeyPrefixes::default());
    house.set("n", b"1").await;
    let range = || 0..=i128::from(u64::MAX);
    let (_, mine) = house.data.increment(&house.bucket, "n", 1, range()).await.unwrap();
    let (_, theirs) = other.increment(&house.bucket, "n", 1, range()).await.unwrap();
    house.store(theirs).await;
    let Write { expectations, changes, .. } = mine;
    let batch = Batch { expectations, changes, ..Batch::default() };
    let refused = commit(&*house.store, batch).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unexpected { .. }), "{refused}");
    assert_eq!(house.get("n").await.unwrap(), b"2");
}

#[tokio::test]
async fn limits_are_told() {
    let house = house();
    let data = &house.data;
    let bucket = &house.bucket;
    assert_eq!(refusal(data.read(bucket, "").await), "a key must not be empty");
    let long = "k".repeat(MAX_KEY_BYTES + 1);
    assert!(refusal(data.read(bucket, &long).await).contains("at most 1024 are allowed"));
    let value = NewValue::lasting(vec![0; MAX_VALUE_BYTES + 1]);
    let refused = refusal(data.set(bucket, "k".to_owned(), value).await);
    assert_eq!(refused, "a value has 16777217 bytes, but at most 16777216 are allowed");
    let keys = vec!["k".to_owned(); MAX_BATCH_KEYS + 1];
    assert!(refusal(data.read_many(bucket, &keys).await).contains("1001 keys in one call"));

    house.set("k", &vec![0; MAX_INLINE_BYTES]).await;
    let keys = vec!["k".to_owned(); 17];
    assert!(refusal(data.read_many(bucket, &keys).await).contains("bytes of small values"));
    assert!(data.read_many(bucket, &keys[1..]).await.is_ok());
}

#[tokio::test]
async fn a_damaged_record_is_named_and_does_not_stop_the_worker() {
    let house = house();
    let change = everlog_store::Change::Put {
        space: crate::spaces::KEY_VALUES,
        key: super::record_key("b", "k"),
        value: vec![1, 2],
    };
    commit(&*house.store, Batch { changes: vec![change], ..Batch::default() }).await.unwrap();
    let told = house.data.read(&house.bucket, "k").await.unwrap_err().into_told().unwrap();
    assert!(told.contains("key \"k\" of bucket \"b\""), "{told}");
}
