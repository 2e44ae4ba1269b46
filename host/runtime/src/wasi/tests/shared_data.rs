//! `wasi:keyvalue` and `wasi:blobstore`: changed once, read again from the log, and listed while a guest holds them.

use everlog_oplog::{EntryKind, Index};
use wasmtime::component::Resource;
use wasmtime_wasi_io::bindings::wasi::io::streams::{HostInputStream, HostOutputStream};

use super::super::WorkerState;
use super::super::keyvalue::v0_1::bindings::wasi::keyvalue::{
    atomic, cache, eventual, eventual_batch, types, wasi_keyvalue_error,
};
use super::super::state::again;
use super::{House, last_index};
use crate::golem::bindings::golem::api::host::{Host, PersistenceLevel};
use crate::keyvalue::names::Bucket;

fn bucket(worker: &mut WorkerState) -> Resource<Bucket> {
    types::HostBucket::open_bucket(worker, "b".to_owned()).unwrap().ok().unwrap()
}

async fn add(worker: &mut WorkerState, delta: u64) -> u64 {
    let bucket = bucket(worker);
    let same = again(&bucket);
    let sum = atomic::Host::increment(worker, same, "n".to_owned(), delta).await.unwrap();
    types::HostBucket::drop(worker, bucket).unwrap();
    sum.ok().unwrap()
}

async fn get(worker: &mut WorkerState, key: &str) -> Option<Vec<u8>> {
    let bucket = bucket(worker);
    let same = again(&bucket);
    let found = eventual::Host::get(worker, same, key.to_owned()).await.unwrap().ok().unwrap();
    types::HostBucket::drop(worker, bucket).unwrap();
    let value = found?;
    let borrowed = again(&value);
    let bytes = types::HostIncomingValue::incoming_value_consume_sync(worker, borrowed).await;
    types::HostIncomingValue::drop(worker, value).unwrap();
    Some(bytes.unwrap().ok().unwrap())
}

/// The kinds of the entries of a finished life, without creation.
fn kinds(house: &House) -> Vec<&'static str> {
    let worker = crate::worker::WorkerId::new(uuid::Uuid::nil(), "mary").unwrap();
    let codec = everlog_oplog::Codec::new(worker.key().unwrap().as_bytes());
    let decoded = house.log.iter().flat_map(|batch| codec.decode(batch.first, &batch.bytes));
    let kinds = decoded.map(|frame| frame.unwrap().entry.kind);
    kinds.filter(|kind| !matches!(kind, EntryKind::Create(_))).map(|kind| kind.name()).collect()
}

#[tokio::test]
async fn an_increment_happens_once_in_however_many_lives() {
    let mut house = House::new();
    for _life in 0..3 {
        let mut worker = house.life();
        assert_eq!(add(&mut worker, 5).await, 5);
        assert_eq!(add(&mut worker, 1).await, 6);
        assert_eq!(get(&mut worker, "n").await.unwrap(), b"6");
        house.end(worker).await;
    }
    assert_eq!(kinds(&house), ["host-call"; 3]);
}

#[tokio::test]
async fn also_where_writes_must_not_be_repeated_there_is_no_begin() {
    let mut house = House::new();
    for _life in 0..2 {
        let mut worker = house.life();
        Host::set_idempotence_mode(&mut worker, false).unwrap();
        assert_eq!(add(&mut worker, 5).await, 5);
        assert_eq!(worker.recorder.durable(), Index(last_index(&worker)));
        house.end(worker).await;
    }
    assert_eq!(kinds(&house), ["set-idempotence", "host-call"]);
}

#[tokio::test]
async fn what_is_not_recorded_is_written_in_each_life_and_read_at_once() {
    let mut house = House::new();
    let mut sums = Vec::new();
    for _life in 0..2 {
        let mut worker = house.life();
        let nothing = PersistenceLevel::PersistNothing;
        Host::set_oplog_persistence_level(&mut worker, nothing).await.unwrap();
        sums.push(add(&mut worker, 5).await);
        let read = get(&mut worker, "n").await.unwrap();
        assert_eq!(read, sums[sums.len() - 1].to_string().into_bytes());
        Host::set_oplog_persistence_level(&mut worker, PersistenceLevel::Smart).await.unwrap();
        house.end(worker).await;
    }
    assert_eq!(sums, [5, 10]);
}

#[tokio::test]
async fn a_write_shows_to_others_once_it_is_durable() {
    let house = House::new();
    let mut worker = house.life();
    let last = last_index(&worker);
    add(&mut worker, 5).await;
    assert_eq!(last_index(&worker), last + 1);
    // The next read waits for what this worker wrote.
    assert_eq!(get(&mut worker, "n").await.unwrap(), b"5");
    assert!(worker.recorder.durable() > Index(last));
}

#[tokio::test]
async fn a_refusal_is_recorded_as_an_answer() {
    let mut house = House::new();
    for _life in 0..2 {
        let mut worker = house.life();
        let bucket = bucket(&mut worker);
        let same = again(&bucket);
        let refused = eventual::Host::exists(&mut worker, same, String::new()).await.unwrap();
        let error = refused.err().unwrap();
        let borrowed = again(&error);
        let trace = wasi_keyvalue_error::HostError::trace(&mut worker, borrowed).unwrap();
        assert_eq!(trace, "a key must not be empty");
        wasi_keyvalue_error::HostError::drop(&mut worker, error).unwrap();
        types::HostBucket::drop(&mut worker, bucket).unwrap();
        assert!(worker.resources_agree());
        house.end(worker).await;
    }
}

#[tokio::test]
async fn resources_are_listed_as_long_as_they_live() {
    let house = House::new();
    let mut worker = house.life();
    let worker = &mut worker;
    let bucket = bucket(worker);
    let value = types::HostOutgoingValue::new_outgoing_value(worker).unwrap();
    let borrowed = || again(&value);
    let output = types::HostOutgoingValue::outgoing_value_write_body_async(worker, borrowed());
    let output = output.unwrap().ok().unwrap();
    let to = again(&output);
    HostOutputStream::write(worker, to, b"hello".to_vec()).unwrap();
    let to = again(&bucket);
    let pair = vec![("k".to_owned(), borrowed())];
    eventual_batch::Host::set_many(worker, to, pair).await.unwrap().ok().unwrap();
    let from = again(&bucket);
    let keys = vec!["k".to_owned()];
    let found = eventual_batch::Host::get_many(worker, from, keys).await.unwrap().ok().unwrap();
    let incoming = found.into_iter().next().unwrap().unwrap();
    let borrowed_incoming = again(&incoming);
    let input =
        types::HostIncomingValue::incoming_value_consume_async(worker, borrowed_incoming).await;
    let input = input.unwrap().ok().unwrap();
    let from = again(&input);
    assert_eq!(HostInputStream::read(worker, from, 100).unwrap(), b"hello");
    let future = cache::Host::get(worker, "k".to_owned()).await.unwrap();
    let on = again(&future);
    let pollable = cache::HostFutureGetResult::listen_to_future_get_result(worker, on).unwrap();
    assert!(worker.resources_agree());
    assert_eq!(worker.guest.open_bytes.get(), 10, "once going out, once coming in");

    wasmtime_wasi_io::bindings::wasi::io::poll::HostPollable::drop(worker, pollable).unwrap();
    cache::HostFutureGetResult::drop(worker, future).unwrap();
    HostInputStream::drop(worker, input).await.unwrap();
    types::HostIncomingValue::drop(worker, incoming).unwrap();
    types::HostOutgoingValue::drop(worker, value).await.unwrap();
    HostOutputStream::drop(worker, output).await.unwrap();
    types::HostBucket::drop(worker, bucket).unwrap();
    assert!(worker.resources_agree());
    assert_eq!((worker.guest.resources.len(), worker.guest.open_bytes.get()), (0, 0));
}
