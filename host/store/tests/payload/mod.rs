//! Entries that tell where they belong, for tests that compare a store with what was written.

use everlog_store::{Append, Batch, Change, KeyRange, Order, Space, Store, StoreError, WorkerKey};

/// The name space of the records that go with the entries.
pub(crate) const HEADS: Space = Space::new(1);

/// The name space of the records that say in which order batches were handed over.
const PLACES: Space = Space::new(2);

/// Says that its batch is at this place.
pub(crate) fn at_place(place: u64) -> Change {
    Change::Put { space: PLACES, key: place.to_be_bytes().to_vec(), value: Vec::new() }
}

/// The places of all batches that are stored, in order.
pub(crate) async fn places(store: &impl Store) -> Result<Vec<u64>, StoreError> {
    let found = store.scan(PLACES, KeyRange::all(), Order::Forward, usize::MAX).await?;
    let place = |key: &Vec<u8>| key.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    Ok(found.iter().map(|(key, _)| place(key)).collect())
}

pub(crate) fn worker(number: u64) -> WorkerKey {
    WorkerKey::new(format!("worker-{number:03}").into_bytes()).expect("a short name")
}

/// The bytes of entries `first..=last`: recognisable, and of a length that depends on `first`.
pub(crate) fn entries(number: u64, first: u64, last: u64) -> Vec<u8> {
    let head = format!("<{number} {first}..={last}>").into_bytes();
    let mut state = number << 32 | first;
    let length = 20 + (first * 37 + number * 11) % 600;
    let noise = (0..length).map(|_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    head.into_iter().chain(noise).collect()
}

/// Entries `first..=last` of a worker.
pub(crate) fn append(number: u64, first: u64, last: u64) -> Append {
    Append::new(worker(number), first, last, entries(number, first, last))
}

/// How many entries the batch that starts at `first` has.
pub(crate) fn batch_length(number: u64, first: u64) -> u64 {
    1 + (number + first) % 4
}

/// The batch of `number` that starts at `first`: entries, and a record with the last index. The
/// same entries go to a twin, so that a batch that is torn shows.
pub(crate) fn batch(number: u64, first: u64) -> (Batch, u64) {
    let last = first + batch_length(number, first) - 1;
    let appends = [number, twin(number)]
        .map(|number| Append::new(worker(number), first, last, entries(number, first, last)));
    let key = worker(number).as_bytes().to_vec();
    let head = Change::Put { space: HEADS, key, value: last.to_be_bytes().to_vec() };
    (Batch { appends: appends.to_vec(), changes: vec![head], ..Batch::default() }, last)
}

/// The worker whose oplog grows in the same batches.
pub(crate) fn twin(number: u64) -> u64 {
    number + 500
}
