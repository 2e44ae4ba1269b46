//! What in a store belongs to a worker, for copies of stores: only the runtime knows.

use std::collections::{BTreeMap, BTreeSet};

use everlog_oplog::{Codec, Index};
use everlog_store::copy::Parts;
use everlog_store::{Digest, KeyRange, LogRecord, Order, Space, Store, StoreError, WorkerKey};
use uuid::Uuid;

use crate::blob_names::named_by;
use crate::component::{ComponentRecord, ComponentSettings};
use crate::error::WorkerError;
use crate::keyvalue::{Bucket, Record, record_range};
use crate::records::parse_wake_key;
use crate::spaces;
use crate::worker::WorkerId;

/// Records that are read at once.
const PAGE_RECORDS: usize = 1_000;
/// Records with values that are read at once.
const PAGE_VALUES: usize = 64;

/// Why workers cannot be copied one by one.
#[derive(Debug, thiserror::Error)]
pub enum BelongingsError {
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The name is none.
    #[error(transparent)]
    Name(#[from] WorkerError),
    /// Not a component and a worker.
    #[error("expected component/worker, found `{text}`")]
    Form {
        /// What was given.
        text: String,
    },
    /// No such component, by name or UUID.
    #[error("the source has no component `{name}`")]
    NoComponent {
        /// What was given.
        name: String,
    },
    /// The component has no such worker.
    #[error("the source has no worker `{name}`")]
    NoWorker {
        /// What was given.
        name: String,
    },
    /// The target has something else under the component's name.
    #[error(
        "component {name} of the target {detail}, so the workers would not fit there; take \
         `everlog worker export` and `import`, or copy into another place. Nothing was copied"
    )]
    ComponentDiffers {
        /// The component's name.
        name: String,
        /// What is different.
        detail: String,
    },
}

/// Checks every entry in a record of an oplog, and tells which blobs they name, and perhaps some
/// that there are not.
///
/// # Errors
/// What is damaged, in a sentence.
pub fn inspect_log(worker: &WorkerKey, record: &LogRecord) -> Result<Vec<Digest>, String> {
    let codec = Codec::new(worker.as_bytes());
    let mut named = Vec::new();
    let mut next = record.first;
    for decoded in codec.decode(Index(record.first), &record.bytes) {
        let decoded = decoded.map_err(|error| error.to_string())?;
        named.extend(named_by(&decoded.entry));
        next += 1;
    }
    if next != record.last + 1 {
        return Err(format!("entries end with {}", next - 1));
    }
    Ok(named)
}

/// What people call the worker with this key.
pub fn worker_name(key: &WorkerKey) -> String {
    WorkerId::from_key(key.as_bytes()).map_or_else(|| key.to_string(), |worker| worker.to_string())
}

/// What belongs to these workers, each `component/worker`, and what of their components `target` lacks.
/// Data that workers share belongs to none.
///
/// # Errors
/// A worker that is not there, and a component that is another in the target.
pub async fn worker_belongings(
    source: &dyn Store,
    target: &dyn Store,
    workers: &[String],
) -> Result<Parts, BelongingsError> {
    let mut parts = Parts::default();
    let mut components = BTreeMap::new();
    let mut names = BTreeSet::new();
    let mut keys = BTreeSet::new();
    for text in workers {
        let form = || BelongingsError::Form { text: text.clone() };
        let (component, name) = text.split_once('/').ok_or_else(form)?;
        let (component, record) = find(source, component).await?;
        let worker = WorkerId::new(record.uuid(), name)?;
        let key = worker.key()?;
        let name = format!("{component}/{name}");
        if source.last_index(&key).await?.is_none() {
            return Err(BelongingsError::NoWorker { name });
        }
        components.insert(component, record);
        names.insert(name);
        if keys.insert(key.clone()) {
            parts.records.push((spaces::WORKERS, KeyRange::only(key.as_bytes())));
            parts.records.push((spaces::INVOCATIONS, KeyRange::prefix(key.as_bytes())));
            parts.logs.push(key);
            let state = record_range(Bucket::of_worker(&worker).name(), "", None);
            parts.blobs.extend(state_blobs(source, state.clone()).await?);
            parts.records.push((spaces::KEY_VALUES, state));
        }
    }
    let names: Vec<String> = names.into_iter().collect();
    parts.name = format!("worker {}", names.join(", "));
    parts.records.extend(wakes(source, &keys).await?);
    for (name, record) in components {
        let there = target.get(spaces::COMPONENTS, name.as_bytes()).await?;
        let there = there.map(|bytes| ComponentRecord::decode(&name, &bytes)).transpose()?;
        if is_needed(&name, &record, there.as_ref())? {
            let digests = record.versions.iter().map(|version| version.digest);
            parts.blobs.extend(digests.map(Digest::from_bytes));
            for version in 0..=record.newest() {
                let key = ComponentSettings::key(record.uuid(), version);
                if source.get(spaces::DEPLOYMENTS, &key).await?.is_some() {
                    parts.shared.push((spaces::DEPLOYMENTS, key));
                }
            }
            parts.shared.push((spaces::COMPONENTS, name.into_bytes()));
        }
    }
    Ok(parts)
}

/// The component with this name or UUID.
async fn find(
    source: &dyn Store,
    name_or_id: &str,
) -> Result<(String, ComponentRecord), BelongingsError> {
    let not_found = || BelongingsError::NoComponent { name: name_or_id.to_owned() };
    if let Some(bytes) = source.get(spaces::COMPONENTS, name_or_id.as_bytes()).await? {
        return Ok((name_or_id.to_owned(), ComponentRecord::decode(name_or_id, &bytes)?));
    }
    let id = Uuid::try_parse(name_or_id).map_err(|_| not_found())?;
    let all = source.scan(spaces::COMPONENTS, KeyRange::all(), Order::Forward, usize::MAX).await?;
    for (name, bytes) in all {
        let name = String::from_utf8_lossy(&name).into_owned();
        let record = ComponentRecord::decode(&name, &bytes)?;
        if record.uuid() == id {
            return Ok((name, record));
        }
    }
    Err(not_found())
}

/// The records that wake one of `workers`.
async fn wakes(
    source: &dyn Store,
    workers: &BTreeSet<WorkerKey>,
) -> Result<Vec<(Space, KeyRange)>, StoreError> {
    let mut found = Vec::new();
    let mut rest = KeyRange::all();
    loop {
        let page = source.scan(spaces::WAKES, rest.clone(), Order::Forward, PAGE_RECORDS).await?;
        for (key, _) in &page {
            let worker = parse_wake_key(key).and_then(|(_, worker)| WorkerKey::new(worker).ok());
            if worker.is_some_and(|worker| workers.contains(&worker)) {
                found.push((spaces::WAKES, KeyRange::only(key)));
            }
        }
        match page.into_iter().last() {
            Some((last, _)) => rest.start = std::ops::Bound::Excluded(last),
            None => return Ok(found),
        }
    }
}

/// The blobs in which the large values of a worker's state are.
async fn state_blobs(source: &dyn Store, mut rest: KeyRange) -> Result<Vec<Digest>, StoreError> {
    let mut found = Vec::new();
    loop {
        let page =
            source.scan(spaces::KEY_VALUES, rest.clone(), Order::Forward, PAGE_VALUES).await?;
        for (key, bytes) in &page {
            let place = || format!("the record under {key:?}");
            found.extend(Record::decode(bytes, place)?.value.blob());
        }
        match page.into_iter().last() {
            Some((last, _)) => rest.start = std::ops::Bound::Excluded(last),
            None => return Ok(found),
        }
    }
}

/// Whether the target needs the source's record of a component.
fn is_needed(
    name: &str,
    source: &ComponentRecord,
    target: Option<&ComponentRecord>,
) -> Result<bool, BelongingsError> {
    let Some(target) = target else { return Ok(true) };
    let differs = |detail: String| {
        let name = name.to_owned();
        Err(BelongingsError::ComponentDiffers { name, detail })
    };
    if source.id != target.id {
        return differs(format!("has the UUID {}, not {}", target.uuid(), source.uuid()));
    }
    let pairs = source.versions.iter().zip(&target.versions);
    let same = pairs.take_while(|(source, target)| source.digest == target.digest).count();
    if same == source.versions.len() {
        return Ok(false);
    }
    if same == target.versions.len() {
        return Ok(true);
    }
    differs(format!("has another version {same}"))
}

#[cfg(test)]
mod tests {
    use everlog_oplog::{Entry, EntryKind, Payload, Timestamp};

    use super::*;
    use crate::component::VersionRecord;

    fn component(id: u8, versions: &[u8]) -> ComponentRecord {
        let version = |byte: &u8| VersionRecord {
            digest: [*byte; 32],
            size: 1,
            created_at: Timestamp(u64::from(id)),
        };
        ComponentRecord { id: [id; 16], versions: versions.iter().map(version).collect() }
    }

    #[test]
    fn every_entry_of_a_record_is_looked_at() {
        let worker = WorkerKey::new(*b"mary").unwrap();
        let codec = Codec::new(worker.as_bytes());
        let digest = [7; 32];
        let entry = |kind| Entry { timestamp: Timestamp(1), kind };
        let large = Payload::Blob { digest, size: 1 << 20 };
        let mut bytes = Vec::new();
        codec.encode(Index(4), &entry(EntryKind::NoOp), &mut bytes);
        codec.encode(
            Index(5),
            &entry(EntryKind::InvocationCompleted { result: large, memory_bytes: 0 }),
            &mut bytes,
        );
        let record = |last| LogRecord { first: 4, last, bytes: bytes.clone() };
        assert_eq!(inspect_log(&worker, &record(5)), Ok(vec![Digest::from_bytes(digest)]));
        assert!(inspect_log(&worker, &record(6)).unwrap_err().contains("entries end with 5"));
        let other = WorkerKey::new(*b"john").unwrap();
        assert!(inspect_log(&other, &record(5)).unwrap_err().contains("entry 4"));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = record(5);
            damaged.bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(inspect_log(&worker, &damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_component_is_copied_where_versions_are_missing() {
        let needed = |source: &[u8], target: &[u8]| {
            is_needed("c", &component(1, source), Some(&component(1, target)))
        };
        assert!(is_needed("c", &component(1, &[1]), None).unwrap());
        assert!(needed(&[1, 2], &[1]).unwrap());
        assert!(!needed(&[1], &[1]).unwrap());
        assert!(!needed(&[1], &[1, 2]).unwrap());
        assert!(needed(&[1, 2], &[1, 3]).unwrap_err().to_string().contains("another version 1"));
        let other = is_needed("c", &component(1, &[1]), Some(&component(2, &[1])));
        assert!(other.unwrap_err().to_string().contains("has the UUID 02"));
    }
}
