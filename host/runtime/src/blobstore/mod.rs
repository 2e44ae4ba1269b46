//! Objects that all workers of a server share, in containers by name: what `wasi:blobstore` stands on.
//!
//! Like [`keyvalue`](crate::keyvalue), of which it has names, values, locks and the [`Write`] that an operation returns.
//! A container has to be created; whoever writes into it keeps it from being deleted meanwhile.

mod record;

#[cfg(test)]
mod tests;

use std::ops::Bound;
use std::sync::Arc;

use everlog_oplog::Timestamp;
use everlog_store::{Change, Expectation, KeyRange, Order, Store};

pub(crate) use self::record::ContainerRecord;
use crate::clock;
use crate::entropy;
use crate::keyvalue::limits::{MAX_KEYS, MAX_OBJECT_BYTES};
use crate::keyvalue::{
    Claim, DataError, Held, Locks, Page, Record, Refusal, StoredValue, Write, check_count,
    check_key, check_name, record_key,
};
use crate::spaces::{CONTAINERS, OBJECTS};

/// What names are called in messages.
const CONTAINER: &str = "the name of a container";
const OBJECT: &str = "the name of an object";

/// An object by its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) container: String,
    pub(crate) object: String,
}

/// All containers of a server.
pub(crate) struct Containers {
    store: Arc<dyn Store>,
    locks: Arc<Locks>,
}

/// A container as it is stored.
struct Stored {
    record: ContainerRecord,
    bytes: Vec<u8>,
}

impl Containers {
    pub(crate) fn new(store: Arc<dyn Store>, locks: Arc<Locks>) -> Self {
        Self { store, locks }
    }

    /// The container, if there is one.
    pub(crate) async fn find(&self, name: &str) -> Result<Option<ContainerRecord>, DataError> {
        Ok(self.stored(name).await?.map(|stored| stored.record))
    }

    /// The container.
    pub(crate) async fn get(&self, name: &str) -> Result<ContainerRecord, DataError> {
        let found = self.find(name).await?;
        Ok(found.ok_or_else(|| Refusal::NoContainer { container: name.to_owned() })?)
    }

    /// Creates a container, of which there must be none.
    pub(crate) async fn create(&self, name: &str) -> Result<(ContainerRecord, Write), DataError> {
        check_name(CONTAINER, name)?;
        let held = self.locks.hold([(Claim::Change, CONTAINERS, name.as_bytes())]).await;
        if self.find(name).await?.is_some() {
            return Err(Refusal::ContainerExists { container: name.to_owned() }.into());
        }
        let record = ContainerRecord { id: entropy::number(), created_at: clock::now() };
        let changes = vec![record.put(name)];
        let expectations = vec![expect(name, None)];
        Ok((record, Write { expectations, changes, held }))
    }

    /// Deletes a container with its objects.
    pub(crate) async fn delete(&self, name: &str) -> Result<Write, DataError> {
        let mut write = self.clear(name).await?;
        write.changes.push(Change::Delete { space: CONTAINERS, key: name.as_bytes().to_vec() });
        Ok(write)
    }

    /// Deletes all objects of a container.
    pub(crate) async fn clear(&self, name: &str) -> Result<Write, DataError> {
        check_name(CONTAINER, name)?;
        let held = self.locks.hold([(Claim::Change, CONTAINERS, name.as_bytes())]).await;
        let Stored { record, bytes } = self.present(name).await?;
        let range = KeyRange::prefix(&object_key(&record, ""));
        let found = self.store.scan(OBJECTS, range, Order::Forward, MAX_KEYS + 1).await?;
        if found.len() > MAX_KEYS {
            return Err(Refusal::Crowded { container: name.to_owned() }.into());
        }
        let changes =
            found.into_iter().map(|(key, _)| Change::Delete { space: OBJECTS, key }).collect();
        Ok(Write { expectations: vec![expect(name, Some(bytes))], changes, held })
    }

    /// The object, if there is one.
    pub(crate) async fn find_object(&self, place: &Place) -> Result<Option<Record>, DataError> {
        check_key(OBJECT, &place.object)?;
        let container = self.get(&place.container).await?;
        self.object_in(&container, place).await
    }

    /// The object.
    pub(crate) async fn object(&self, place: &Place) -> Result<Record, DataError> {
        Ok(self.find_object(place).await?.ok_or_else(|| no_object(place))?)
    }

    /// Creates or replaces an object.
    pub(crate) async fn write(&self, place: &Place, bytes: Vec<u8>) -> Result<Write, DataError> {
        check_key(OBJECT, &place.object)?;
        if bytes.len() > MAX_OBJECT_BYTES {
            let (what, limit) = ("an object", MAX_OBJECT_BYTES);
            return Err(Refusal::Long { what, limit, found: bytes.len() }.into());
        }
        let value = StoredValue::keep(&*self.store, bytes).await?;
        let held = self.hold(&[place]).await;
        let Stored { record: container, bytes } = self.present(&place.container).await?;
        let record = Record::new(value, clock::now(), None);
        Ok(Write {
            expectations: vec![expect(&place.container, Some(bytes))],
            changes: vec![record.put(OBJECTS, object_key(&container, &place.object))],
            held,
        })
    }

    /// Deletes those objects that are there.
    pub(crate) async fn delete_objects(
        &self,
        container: &str,
        objects: &[String],
    ) -> Result<Write, DataError> {
        check_count(objects.len())?;
        objects.iter().try_for_each(|object| check_key(OBJECT, object))?;
        let place =
            |object: &String| Place { container: container.to_owned(), object: object.clone() };
        let places: Vec<Place> = objects.iter().map(place).collect();
        let held = self.hold(&places.iter().collect::<Vec<_>>()).await;
        let Stored { record, bytes } = self.present(container).await?;
        let delete =
            |object: &String| Change::Delete { space: OBJECTS, key: object_key(&record, object) };
        Ok(Write {
            expectations: vec![expect(container, Some(bytes))],
            changes: objects.iter().map(delete).collect(),
            held,
        })
    }

    /// Copies an object over another one, or over none.
    pub(crate) async fn copy(&self, from: &Place, to: &Place) -> Result<Write, DataError> {
        self.transfer(from, to, false).await
    }

    /// Moves an object over another one, or over none. Onto itself it stays.
    pub(crate) async fn rename(&self, from: &Place, to: &Place) -> Result<Write, DataError> {
        self.transfer(from, to, from != to).await
    }

    /// At most `limit` names of objects behind `after`, in order.
    pub(crate) async fn page(
        &self,
        container: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, DataError> {
        let container = self.get(container).await?;
        let mut range = KeyRange::prefix(&object_key(&container, ""));
        if let Some(after) = after {
            range.start = Bound::Excluded(object_key(&container, after));
        }
        let mut found = self.store.scan(OBJECTS, range, Order::Forward, limit + 1).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let keys: Vec<_> = found.iter().filter_map(|(key, _)| object_of(key)).collect();
        let next = if more { keys.last().cloned() } else { None };
        Ok(Page { keys, next })
    }

    async fn transfer(&self, from: &Place, to: &Place, takes: bool) -> Result<Write, DataError> {
        check_key(OBJECT, &to.object)?;
        check_key(OBJECT, &from.object)?;
        let held = self.hold(&[from, to]).await;
        let source = self.present(&from.container).await?;
        let target = self.present(&to.container).await?;
        let record = self.object_in(&source.record, from).await?.ok_or_else(|| no_object(from))?;
        let copy = Record::new(record.value, clock::now(), None);
        let mut changes = vec![copy.put(OBJECTS, object_key(&target.record, &to.object))];
        if takes {
            let key = object_key(&source.record, &from.object);
            changes.push(Change::Delete { space: OBJECTS, key });
        }
        let expectations = vec![
            expect(&from.container, Some(source.bytes)),
            expect(&to.container, Some(target.bytes)),
        ];
        Ok(Write { expectations, changes, held })
    }

    async fn stored(&self, name: &str) -> Result<Option<Stored>, DataError> {
        check_name(CONTAINER, name)?;
        let Some(bytes) = self.store.get(CONTAINERS, name.as_bytes()).await? else {
            return Ok(None);
        };
        let record = ContainerRecord::decode(name, &bytes)?;
        Ok(Some(Stored { record, bytes }))
    }

    async fn present(&self, name: &str) -> Result<Stored, DataError> {
        let stored = self.stored(name).await?;
        Ok(stored.ok_or_else(|| Refusal::NoContainer { container: name.to_owned() })?)
    }

    async fn object_in(
        &self,
        container: &ContainerRecord,
        place: &Place,
    ) -> Result<Option<Record>, DataError> {
        let stored = self.store.get(OBJECTS, &object_key(container, &place.object)).await?;
        let name = || format!("object {:?} of container {:?}", place.object, place.container);
        Ok(stored.map(|bytes| Record::decode(&bytes, name)).transpose()?)
    }

    /// Objects are locked by their names, since the record of the container tells only later where they are.
    async fn hold(&self, places: &[&Place]) -> Held {
        let names: Vec<Vec<u8>> =
            places.iter().map(|place| record_key(&place.container, &place.object)).collect();
        let objects = names.iter().map(|name| (Claim::Change, OBJECTS, name.as_slice()));
        let containers =
            places.iter().map(|place| (Claim::Keep, CONTAINERS, place.container.as_bytes()));
        self.locks.hold(objects.chain(containers)).await
    }
}

/// Where an object's record is.
fn object_key(container: &ContainerRecord, object: &str) -> Vec<u8> {
    [&container.id.to_be_bytes(), object.as_bytes()].concat()
}

/// The name of the object whose record is there; `None` where it is none.
fn object_of(key: &[u8]) -> Option<String> {
    let (_, name) = key.split_first_chunk::<8>()?;
    String::from_utf8(name.to_vec()).ok()
}

fn expect(container: &str, value: Option<Vec<u8>>) -> Expectation {
    Expectation { space: CONTAINERS, key: container.as_bytes().to_vec(), value }
}

fn no_object(place: &Place) -> Refusal {
    Refusal::NoObject { container: place.container.clone(), object: place.object.clone() }
}

/// A point in time as `wasi:blobstore` counts it: milliseconds since 1970.
pub(crate) fn milliseconds(time: Timestamp) -> u64 {
    time.0 / 1_000_000
}
