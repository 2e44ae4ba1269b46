//! Requests that go nowhere: what of them is registered, recorded and replayed.

use wasmtime::component::Resource;
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::Host;
use wasmtime_wasi_http::p2::bindings::http::types::{
    ErrorCode, HostFields, HostFutureIncomingResponse, HostOutgoingBody, HostOutgoingRequest,
    Method, Scheme,
};
use wasmtime_wasi_http::p2::types;
use wasmtime_wasi_io::bindings::wasi::io::poll::HostPollable;
use wasmtime_wasi_io::bindings::wasi::io::streams::HostOutputStream;

use super::super::WorkerState;
use super::super::state::again;
use super::{House, last_index};

fn check(worker: &mut WorkerState, live: usize) {
    assert_eq!(worker.guest.resources.len(), live);
    assert!(worker.resources_agree());
}

/// A request to a port where nobody listens.
fn request(worker: &mut WorkerState) -> Resource<types::HostOutgoingRequest> {
    let fields = HostFields::new(worker).unwrap();
    let request = HostOutgoingRequest::new(worker, fields).unwrap();
    worker.set_scheme(again(&request), Some(Scheme::Http)).unwrap().unwrap();
    worker.set_authority(again(&request), Some("127.0.0.1:1".to_owned())).unwrap().unwrap();
    worker.set_path_with_query(again(&request), Some("/".to_owned())).unwrap().unwrap();
    request
}

#[tokio::test]
async fn every_resource_of_an_exchange_is_registered() {
    let house = House::new();
    let worker = &mut house.life();
    let request = request(worker);
    check(worker, 1);
    worker.set_method(again(&request), Method::Post).unwrap().unwrap();
    let body = HostOutgoingRequest::body(worker, again(&request)).unwrap().unwrap();
    assert!(HostOutgoingRequest::body(worker, again(&request)).unwrap().is_err(), "it is taken");
    let stream = HostOutgoingBody::write(worker, again(&body)).unwrap().unwrap();
    assert!(HostOutgoingBody::write(worker, again(&body)).unwrap().is_err(), "it is taken");
    check(worker, 3);
    let future = Host::handle(worker, request, None).unwrap();
    check(worker, 3);
    HostOutputStream::drop(worker, stream).await.unwrap();
    HostOutgoingBody::finish(worker, body, None).unwrap();
    check(worker, 1);
    let pollable = HostFutureIncomingResponse::subscribe(worker, again(&future)).unwrap();
    check(worker, 2);
    HostPollable::block(worker, again(&pollable)).await.unwrap();
    HostPollable::drop(worker, pollable).unwrap();
    let outcome = HostFutureIncomingResponse::get(worker, again(&future)).unwrap();
    assert!(matches!(outcome, Some(Ok(Err(ErrorCode::ConnectionRefused)))), "{outcome:?}");
    let taken = HostFutureIncomingResponse::get(worker, again(&future)).unwrap();
    assert!(matches!(taken, Some(Err(()))), "{taken:?}");
    HostFutureIncomingResponse::drop(worker, future).unwrap();
    check(worker, 0);
}

#[tokio::test]
async fn a_wait_records_the_outcome_that_it_reports_at_once() {
    async fn wait(worker: &mut WorkerState) -> Resource<types::HostFutureIncomingResponse> {
        let request = request(worker);
        let future = Host::handle(worker, request, None).unwrap();
        let pollable = HostFutureIncomingResponse::subscribe(worker, again(&future)).unwrap();
        HostPollable::block(worker, again(&pollable)).await.unwrap();
        HostPollable::drop(worker, pollable).unwrap();
        future
    }
    let mut house = House::new();
    let mut first = house.life();
    wait(&mut first).await;
    assert_eq!(last_index(&first), 4, "the begin, the wait and the outcome");
    house.end(first).await;

    let mut second = house.life();
    let future = wait(&mut second).await;
    let outcome = HostFutureIncomingResponse::get(&mut second, future).unwrap();
    assert!(matches!(outcome, Some(Ok(Err(ErrorCode::ConnectionRefused)))), "{outcome:?}");
    assert_eq!(last_index(&second), 4);
    house.end(second).await;
}

#[tokio::test]
async fn a_dropped_request_has_an_outcome() {
    let mut house = House::new();
    for _ in 0..2 {
        let mut life = house.life();
        let request = request(&mut life);
        let future = Host::handle(&mut life, request, None).unwrap();
        HostFutureIncomingResponse::drop(&mut life, future).unwrap();
        let open = life.recorder.with(|journal, _| journal.status().execution.open_writes.len());
        assert_eq!((open, last_index(&life)), (0, 3));
        house.end(life).await;
    }
}
