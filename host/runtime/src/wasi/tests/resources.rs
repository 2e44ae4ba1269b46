//! The registry of live resources agrees with the resource table, whatever a guest does.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::cli::{stderr, stdin, stdout};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, HostDescriptor, HostDirectoryEntryStream, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::bindings::sockets::instance_network;
use wasmtime_wasi::p2::bindings::sockets::network::HostNetwork;
use wasmtime_wasi_io::bindings::wasi::io::error::HostError;
use wasmtime_wasi_io::bindings::wasi::io::poll::HostPollable;
use wasmtime_wasi_io::bindings::wasi::io::streams::{
    self, HostInputStream, HostOutputStream, StreamError,
};

use super::super::state::again;
use super::super::{Recipe, WorkerState};
use super::House;

fn check(worker: &mut WorkerState, live: usize) {
    assert_eq!(worker.guest.resources.len(), live);
    assert!(worker.resources_agree());
}

#[tokio::test]
async fn streams_timers_and_the_network() {
    let house = House::new();
    let worker = &mut house.life();
    let input = stdin::Host::get_stdin(worker).unwrap();
    let output = stdout::Host::get_stdout(worker).unwrap();
    let errors = stderr::Host::get_stderr(worker).unwrap();
    let network = instance_network::Host::instance_network(worker).unwrap();
    let readable = HostInputStream::subscribe(worker, again(&input)).unwrap();
    let writable = HostOutputStream::subscribe(worker, again(&output)).unwrap();
    check(worker, 6);
    let timer = monotonic_clock::Host::subscribe_duration(worker, 1).unwrap();
    check(worker, 8);

    let failure = HostInputStream::blocking_read(worker, again(&input), 1).await.unwrap_err();
    let failure = streams::Host::convert_stream_error(worker, failure).unwrap();
    let StreamError::LastOperationFailed(failure) = failure else { panic!("{failure:?}") };
    check(worker, 9);
    let message = HostError::to_debug_string(worker, again(&failure)).unwrap();
    assert_eq!(message, "a durable worker has no standard input; pass arguments instead");

    HostError::drop(worker, failure).unwrap();
    HostPollable::drop(worker, timer).unwrap();
    check(worker, 6);
    HostPollable::drop(worker, readable).unwrap();
    HostPollable::drop(worker, writable).unwrap();
    HostNetwork::drop(worker, network).unwrap();
    HostInputStream::drop(worker, input).await.unwrap();
    HostOutputStream::drop(worker, output).await.unwrap();
    HostOutputStream::drop(worker, errors).await.unwrap();
    check(worker, 0);
}

#[tokio::test]
async fn a_stream_with_a_pollable_stays_registered() {
    let house = House::new();
    let worker = &mut house.life();
    let output = stdout::Host::get_stdout(worker).unwrap();
    let _writable = HostOutputStream::subscribe(worker, again(&output)).unwrap();
    HostOutputStream::drop(worker, output).await.unwrap_err();
    check(worker, 2);
}

#[tokio::test]
async fn files_and_where_their_streams_are() {
    let house = House::new();
    let worker = &mut house.life();
    let (root, _) = preopens::Host::get_directories(worker).unwrap().remove(0);
    let mode = DescriptorFlags::READ | DescriptorFlags::WRITE;
    let flags = PathFlags::empty();
    let file =
        worker.open_at(again(&root), flags, "a".to_owned(), OpenFlags::CREATE, mode).await.unwrap();
    let output = worker.write_via_stream(again(&file), 0).unwrap();
    let print = b"hello".to_vec();
    HostOutputStream::blocking_write_and_flush(worker, again(&output), print).await.unwrap();
    let appending = worker.append_via_stream(again(&file)).unwrap();
    HostOutputStream::write(worker, again(&appending), b" you".to_vec()).unwrap();
    let input = worker.read_via_stream(again(&file), 1).unwrap();
    let read = HostInputStream::blocking_read(worker, again(&input), 6).await.unwrap();
    assert_eq!(read, b"ello y");
    let listing = worker.read_directory(again(&root)).await.unwrap();
    check(worker, 6);
    assert_eq!(position(worker, output.rep()), Some(5));
    assert_eq!(position(worker, input.rep()), Some(7));
    assert_eq!(position(worker, appending.rep()), None);

    HostDirectoryEntryStream::drop(worker, listing).unwrap();
    assert!(worker.guest.resources.opaque().is_none());
    HostInputStream::drop(worker, input).await.unwrap();
    HostOutputStream::drop(worker, output).await.unwrap();
    HostOutputStream::drop(worker, appending).await.unwrap();
    HostDescriptor::drop(worker, file).unwrap();
    HostDescriptor::drop(worker, root).unwrap();
    check(worker, 0);
}

#[tokio::test]
async fn a_handle_of_another_kind_is_refused() {
    let house = House::new();
    let worker = &mut house.life();
    let output = stdout::Host::get_stdout(worker).unwrap();
    let wrong = Resource::new_borrow(output.rep());
    assert!(HostInputStream::blocking_read(worker, wrong, 1).await.is_err());
    check(worker, 1);
}

fn position(worker: &WorkerState, stream: u32) -> Option<u64> {
    match worker.guest.resources.get(stream)? {
        Recipe::FileInput { position, .. } => Some(position.get()),
        Recipe::FileOutput { position, .. } => Some(position.as_ref()?.get()),
        _ => None,
    }
}
