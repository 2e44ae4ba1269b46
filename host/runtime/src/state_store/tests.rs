//! State stores on the embedded engine and in memory.

use everlog_store::{Batch, Change, EmbeddedOptions, EmbeddedStore, KeyRange, Order, commit};
use futures::future::join_all;
use tempfile::TempDir;

use super::*;
use crate::keyvalue::Claim;
use crate::spaces::{ENDS, KEY_VALUES};

struct House {
    store: Arc<dyn Store>,
    stores: StateStores,
    // Last, so that it is removed when nobody writes to it any more.
    _directory: TempDir,
}

fn configs() -> Vec<StateStoreConfig> {
    let own = StateStoreConfig::default_store();
    let named = |name: &str, key_prefix: &str| StateStoreConfig {
        name: name.to_owned(),
        key_prefix: key_prefix.to_owned(),
        ..own.clone()
    };
    let memory = StateStoreConfig { kind: StateStoreKind::Memory, ..named("memory", "") };
    vec![own.clone(), named("apart", "app||"), memory]
}

fn house() -> House {
    let directory = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions::new(directory.path().join("store"));
    let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(&options).unwrap());
    let stores = StateStores::new(&configs(), &store, &Arc::new(Locks::new()));
    House { store, stores, _directory: directory }
}

fn put(key: &str, value: &str) -> Operation {
    let value = Value { bytes: value.as_bytes().to_vec(), ttl_seconds: None };
    let concurrency = Concurrency::LastWrite;
    Operation { key: key.to_owned(), value: Some(value), etag: None, concurrency }
}

fn with_etag(operation: Operation, etag: &str) -> Operation {
    Operation { etag: Some(etag.to_owned()), ..operation }
}

fn delete(key: &str) -> Operation {
    Operation { value: None, ..put(key, "") }
}

async fn text(store: &StateStore, key: &str) -> Option<String> {
    let state = store.get(key).await.unwrap()?;
    Some(String::from_utf8(state.bytes).unwrap())
}

async fn etag(store: &StateStore, key: &str) -> String {
    store.get(key).await.unwrap().unwrap().etag
}

#[tokio::test]
async fn an_etag_never_comes_back() {
    let house = house();
    for store in house.stores.all() {
        store.apply_each(&[put("k", "1")]).await.unwrap();
        let first = etag(store, "k").await;
        store.apply_each(&[delete("k")]).await.unwrap();
        store.apply_each(&[put("k", "1")]).await.unwrap();
        let told = store.apply_each(&[with_etag(put("k", "2"), &first)]).await.unwrap();
        assert_eq!(told, [Err(Rejection::EtagMismatch)], "{:?}", store.config());
        assert_eq!(text(store, "k").await.as_deref(), Some("1"));
    }
}

#[tokio::test]
async fn of_many_with_one_etag_one_wins() {
    let house = house();
    for store in house.stores.all() {
        store.apply_each(&[put("k", "0")]).await.unwrap();
        for round in 0..20 {
            let seen = etag(store, "k").await;
            let writers = (0..64).map(|writer| {
                let operation = with_etag(put("k", &format!("{round}-{writer}")), &seen);
                async move { store.apply_each(&[operation]).await.unwrap().remove(0).is_ok() }
            });
            let won: Vec<bool> = join_all(writers).await;
            assert_eq!(won.iter().filter(|won| **won).count(), 1, "{:?}", store.config());
        }
    }
}

/// Two nodes share records, but no locks.
#[tokio::test]
async fn of_two_nodes_one_wins() {
    let house = house();
    let other = StateStores::new(&configs(), &house.store, &Arc::new(Locks::new()));
    let nodes = [&house.stores, &other].map(|stores| stores.find("statestore").unwrap());
    nodes[0].apply_each(&[put("k", "0")]).await.unwrap();
    for _ in 0..50 {
        let seen = etag(nodes[0], "k").await;
        let writers = (0..8).map(|writer| {
            let operation = with_etag(put("k", "x"), &seen);
            async move { nodes[writer % 2].apply_each(&[operation]).await.unwrap().remove(0) }
        });
        let told = join_all(writers).await;
        assert_eq!(told.iter().filter(|told| told.is_ok()).count(), 1, "{told:?}");
    }
}

#[tokio::test]
async fn a_transaction_is_whole_or_nothing() {
    let house = house();
    for store in house.stores.all() {
        store.apply_each(&[put("a", "1"), put("b", "1")]).await.unwrap();
        let good = etag(store, "a").await;
        let refused = [put("c", "2"), with_etag(put("a", "2"), &good), with_etag(delete("b"), "7")];
        let told = store.transact(&refused).await.unwrap();
        assert_eq!(told, [Ok(()), Ok(()), Err(Rejection::EtagMismatch)]);
        assert_eq!(text(store, "a").await.as_deref(), Some("1"));
        assert_eq!(text(store, "c").await, None);
        let taken = [put("c", "2"), with_etag(put("a", "2"), &good), delete("b"), delete("c")];
        store.transact(&taken).await.unwrap();
        assert_eq!(text(store, "a").await.as_deref(), Some("2"));
        assert_eq!((text(store, "b").await, text(store, "c").await), (None, None));
    }
}

#[tokio::test]
async fn pages_hold_the_keys_of_one_store_without_their_prefix() {
    let house = house();
    for store in house.stores.all() {
        let all: Vec<Operation> = (0..25).map(|number| put(&format!("{number:02}"), "v")).collect();
        store.apply_each(&all).await.unwrap();
        let (mut keys, mut after) = (Vec::new(), None);
        loop {
            let (page, next) = store.page(after.as_deref(), 10).await.unwrap();
            keys.extend(page.into_iter().map(|(key, _)| key));
            let Some(next) = next else { break };
            after = Some(next);
        }
        let expected: Vec<String> = (0..25).map(|number| format!("{number:02}")).collect();
        assert_eq!(keys, expected, "{:?}", store.config());
    }
}

#[tokio::test]
async fn what_has_ended_is_removed_unless_it_was_written_anew() {
    let house = house();
    let store = house.stores.find("statestore").unwrap();
    let ending = |key: &str| {
        let mut operation = put(key, "v");
        operation.value.as_mut().unwrap().ttl_seconds = Some(0);
        operation
    };
    store.apply_each(&[ending("a"), ending("b"), put("c", "v")]).await.unwrap();
    store.apply_each(&[put("b", "again")]).await.unwrap();
    assert_eq!(text(store, "a").await, None);
    // They are removed at the next full second.
    let next = crate::clock::now().0 / 1_000_000_000 + 1;
    crate::clock::wait_until(Timestamp(next * 1_000_000_000)).await;
    assert_eq!(house.stores.remove_ended(&*house.store).await.unwrap(), 1);
    assert_eq!(text(store, "b").await.as_deref(), Some("again"));
    let count = async |space| {
        house.store.scan(space, KeyRange::all(), Order::Forward, 10).await.unwrap().len()
    };
    assert_eq!((count(KEY_VALUES).await, count(ENDS).await), (2, 0));
}

/// Whoever has decided on a value that has ended, and not stored yet what takes its place, is not got
/// in the way of.
#[tokio::test]
async fn what_has_ended_is_not_removed_while_somebody_writes_it() {
    let house = house();
    let store = house.stores.find("statestore").unwrap();
    let mut ending = put("a", "v");
    ending.value.as_mut().unwrap().ttl_seconds = Some(0);
    store.apply_each(&[ending]).await.unwrap();
    let next = crate::clock::now().0 / 1_000_000_000 + 1;
    crate::clock::wait_until(Timestamp(next * 1_000_000_000)).await;
    let key = b"statestore\0a".to_vec();
    assert!(house.store.get(KEY_VALUES, &key).await.unwrap().is_some(), "it is under this key");
    let writer = house.stores.locks.hold([(Claim::Change, KEY_VALUES, key.as_slice())]).await;
    let mut removing = std::pin::pin!(house.stores.remove_ended(&*house.store));
    tokio::select! {
        removed = &mut removing => panic!("{removed:?} values were removed"),
        () = crate::clock::pause(Duration::from_millis(200)) => {}
    }
    drop(writer);
    assert_eq!(removing.await.unwrap(), 1);
}

#[tokio::test]
async fn what_is_too_much_is_refused() {
    let house = house();
    let store = house.stores.find("statestore").unwrap();
    let refused =
        async |operation: Operation| store.apply_each(&[operation]).await.unwrap_err().to_string();
    assert_eq!(refused(put("", "v")).await, "a key must not be empty");
    assert!(refused(put(&"k".repeat(1_025), "v")).await.contains("at most 1024"));
    assert!(refused(put("k", &"v".repeat(MAX_STATE_BYTES))).await.contains("bytes of values"));
    let many = vec![delete("k"); MAX_TRANSACTION_OPERATIONS + 1];
    assert!(store.transact(&many).await.unwrap_err().is_callers_fault());
}

#[tokio::test]
async fn a_damaged_record_is_told_to_whoever_reads_it() {
    let house = house();
    let key = b"statestore\0k".to_vec();
    let changes = vec![Change::Put { space: KEY_VALUES, key, value: vec![9] }];
    commit(&*house.store, Batch { changes, ..Batch::default() }).await.unwrap();
    let store = house.stores.find("statestore").unwrap();
    let told = store.get("k").await.unwrap_err().to_string();
    assert!(told.contains("key \"k\" of state store \"statestore\""), "{told}");
    store.apply_each(&[put("k", "new")]).await.unwrap();
    assert_eq!(text(store, "k").await.as_deref(), Some("new"));
}
