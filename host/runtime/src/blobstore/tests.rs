//! Operations on containers, each stored as a worker would store it.

use std::sync::Arc;

use everlog_store::{Batch, EmbeddedOptions, EmbeddedStore, Store, commit};
use tempfile::TempDir;

use super::{Containers, Place};
use crate::keyvalue::limits::{MAX_INLINE_BYTES, MAX_OBJECT_BYTES};
use crate::keyvalue::{DataError, Locks, Write};

struct House {
    store: Arc<dyn Store>,
    containers: Containers,
    // Last, so that it is removed when nobody writes to it any more.
    _directory: TempDir,
}

fn house() -> House {
    let directory = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions::new(directory.path().join("store"));
    let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(&options).unwrap());
    let containers = Containers::new(Arc::clone(&store), Arc::new(Locks::new()));
    House { store, containers, _directory: directory }
}

fn place(container: &str, object: &str) -> Place {
    Place { container: container.to_owned(), object: object.to_owned() }
}

impl House {
    async fn store(&self, write: Result<Write, DataError>) {
        let Write { expectations, changes, held: _held } = write.unwrap();
        commit(&*self.store, Batch { expectations, changes, ..Batch::default() }).await.unwrap();
    }

    async fn create(&self, container: &str) {
        self.store(self.containers.create(container).await.map(|(_, write)| write)).await;
    }

    async fn write(&self, place: &Place, bytes: &[u8]) {
        self.store(self.containers.write(place, bytes.to_vec()).await).await;
    }

    async fn read(&self, place: &Place) -> Option<Vec<u8>> {
        let record = self.containers.find_object(place).await.unwrap()?;
        Some(record.value.load(&*self.store).await.unwrap())
    }

    async fn names(&self, container: &str) -> Vec<String> {
        self.containers.page(container, None, 100).await.unwrap().keys
    }
}

fn refusal<T>(result: Result<T, DataError>) -> String {
    match result.map(drop) {
        Err(DataError::Refused(refusal)) => refusal.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn objects_live_in_their_container_and_go_with_it() {
    let house = house();
    let object = place("c", "o");
    let refused = refusal(house.containers.write(&object, Vec::new()).await);
    assert_eq!(refused, "container \"c\" does not exist");
    house.create("c").await;
    house.create("cc").await;
    house.write(&object, b"one").await;
    house.write(&place("c", "p"), &vec![1; MAX_INLINE_BYTES + 1]).await;
    house.write(&place("cc", "o"), b"other").await;
    assert_eq!(house.read(&object).await.unwrap(), b"one");
    assert_eq!(house.names("c").await, ["o", "p"]);
    assert_eq!(refusal(house.containers.create("c").await), "container \"c\" exists already");

    house.store(house.containers.delete("c").await).await;
    assert!(house.containers.find("c").await.unwrap().is_none());
    house.create("c").await;
    assert!(house.names("c").await.is_empty());
    assert_eq!(house.read(&place("cc", "o")).await.unwrap(), b"other");
}

#[tokio::test]
async fn objects_are_copied_and_moved() {
    let house = house();
    house.create("a").await;
    house.create("b").await;
    let (from, to) = (place("a", "x"), place("b", "y"));
    house.write(&from, b"data").await;
    house.write(&to, b"former").await;
    house.store(house.containers.copy(&from, &to).await).await;
    assert_eq!(house.read(&to).await, house.read(&from).await);
    house.store(house.containers.rename(&from, &from).await).await;
    assert_eq!(house.read(&from).await.unwrap(), b"data", "moved onto itself");
    house.store(house.containers.rename(&from, &place("a", "z")).await).await;
    assert_eq!(house.names("a").await, ["z"]);
    let missing = refusal(house.containers.copy(&from, &to).await);
    assert_eq!(missing, "container \"a\" has no object \"x\"");
    let nowhere = house.containers.copy(&to, &place("nowhere", "y")).await;
    assert_eq!(refusal(nowhere), "container \"nowhere\" does not exist");
}

#[tokio::test]
async fn several_are_deleted_at_once_and_absent_ones_skipped() {
    let house = house();
    house.create("c").await;
    for name in ["a", "b", "c"] {
        house.write(&place("c", name), b"").await;
    }
    let names = ["a".to_owned(), "nothing".to_owned(), "c".to_owned()];
    house.store(house.containers.delete_objects("c", &names).await).await;
    assert_eq!(house.names("c").await, ["b"]);
    house.store(house.containers.clear("c").await).await;
    assert!(house.names("c").await.is_empty());
}

#[tokio::test]
async fn a_container_is_not_deleted_under_a_write() {
    let house = house();
    house.create("c").await;
    let write = house.containers.write(&place("c", "o"), b"x".to_vec()).await;
    let deletion = house.containers.delete("c");
    futures::pin_mut!(deletion);
    assert!(futures::poll!(deletion.as_mut()).is_pending());
    house.store(write).await;
    assert_eq!(deletion.await.unwrap().changes.len(), 2, "the object and the container");
}

#[tokio::test]
async fn limits_are_told() {
    let house = house();
    house.create("c").await;
    let large = vec![0; MAX_OBJECT_BYTES + 1];
    let refused = refusal(house.containers.write(&place("c", "o"), large).await);
    assert_eq!(refused, "an object has 67108865 bytes, but at most 67108864 are allowed");
    let long = refusal(house.containers.create(&"c".repeat(257)).await);
    assert_eq!(long, "the name of a container has 257 bytes, but at most 256 are allowed");
    let empty = refusal(house.containers.find_object(&place("c", "")).await);
    assert_eq!(empty, "the name of an object must not be empty");
}
