//! Clocks, random numbers, polls, and what a program is told and prints.

use std::time::Duration;

use everlog_oplog::PersistenceLevel;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::cli::{environment, exit, stdin, stdout};
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::bindings::random::{insecure_seed, random};
use wasmtime_wasi::p2::{DynPollable, StreamError};
use wasmtime_wasi_io::bindings::wasi::io::poll::{self, HostPollable};
use wasmtime_wasi_io::bindings::wasi::io::streams::{HostInputStream, HostOutputStream};

use super::super::WorkerState;
use super::super::state::again;
use super::{House, last_index, lines};
use crate::clock;
use crate::durable::Interruption;

const NANOS_PER_MILLISECOND: u64 = 1_000_000;
const HOUR: u64 = 3600 * 1000 * NANOS_PER_MILLISECOND;

fn timer(worker: &mut WorkerState, nanos: u64) -> Resource<DynPollable> {
    monotonic_clock::Host::subscribe_duration(worker, nanos).unwrap()
}

fn suspension(error: &wasmtime::Error) -> Option<u64> {
    match error.downcast_ref() {
        Some(Interruption::Suspend { until }) => until.map(|until| until.nanos()),
        other => panic!("{other:?}: {error:?}"),
    }
}

#[tokio::test]
async fn a_replay_reads_the_same_clocks_and_random_numbers() {
    fn observe(worker: &mut WorkerState) -> impl PartialEq + std::fmt::Debug + use<> {
        let wall = wall_clock::Host::now(worker).unwrap();
        let bytes = random::Host::get_random_bytes(worker, 40).unwrap();
        let number = random::Host::get_random_u64(worker).unwrap();
        let seed = insecure_seed::Host::insecure_seed(worker).unwrap();
        let elapsed = monotonic_clock::Host::now(worker).unwrap();
        (wall.seconds, wall.nanoseconds, bytes, number, seed, elapsed)
    }
    let mut house = House::new();
    let mut first = house.life();
    let observed = observe(&mut first);
    house.end(first).await;

    let mut second = house.life();
    assert_eq!(observe(&mut second), observed);
    assert_ne!(observe(&mut second), observed, "behind the end of the log it is live");
    house.end(second).await;
}

#[test]
fn too_many_random_bytes_trap_and_are_not_recorded() {
    let mut worker = House::new().life();
    let before = last_index(&worker);
    let error = random::Host::get_random_bytes(&mut worker, u64::MAX).unwrap_err();
    assert!(error.to_string().contains("at most 1048576"), "{error}");
    assert_eq!(last_index(&worker), before);
}

#[test]
fn the_monotonic_clock_stands_still_while_the_wall_clock_is_behind() {
    let house = House::new();
    let mut worker = house.life();
    worker.guest.monotonic_last = HOUR;
    assert_eq!(monotonic_clock::Host::now(&mut worker).unwrap(), HOUR);

    worker.guest.monotonic_last = 0;
    let elapsed = monotonic_clock::Host::now(&mut worker).unwrap();
    assert!(0 < elapsed && elapsed < HOUR, "{elapsed}");
    assert_eq!(worker.guest.monotonic_last, elapsed);
}

#[tokio::test]
async fn a_replay_waits_for_nothing_that_was_waited_for() {
    let mut house = House::new();
    let mut first = house.life();
    let (short, long) = (timer(&mut first, 20 * NANOS_PER_MILLISECOND), timer(&mut first, HOUR));
    assert!(!HostPollable::ready(&mut first, again(&short)).await.unwrap());
    let polled = vec![again(&long), again(&short)];
    assert_eq!(poll::Host::poll(&mut first, polled).await.unwrap(), [1]);
    HostPollable::block(&mut first, again(&short)).await.unwrap();
    assert!(HostPollable::ready(&mut first, again(&short)).await.unwrap());
    house.end(first).await;

    let mut second = house.life();
    let (short, long) = (timer(&mut second, 20 * NANOS_PER_MILLISECOND), timer(&mut second, HOUR));
    assert!(!HostPollable::ready(&mut second, again(&short)).await.unwrap(), "as it was then");
    let polled = vec![again(&long), again(&short)];
    assert_eq!(poll::Host::poll(&mut second, polled).await.unwrap(), [1]);
    HostPollable::block(&mut second, again(&short)).await.unwrap();
    assert!(HostPollable::ready(&mut second, again(&short)).await.unwrap());
    house.end(second).await;
}

#[tokio::test]
async fn a_long_sleep_leaves_memory_and_keeps_its_deadline() {
    let mut house = House::new();
    let mut first = house.life();
    let before = clock::now().nanos();
    let sleep = timer(&mut first, HOUR);
    let deadline = suspension(&HostPollable::block(&mut first, sleep).await.unwrap_err()).unwrap();
    assert!((before + HOUR..=clock::now().nanos() + HOUR).contains(&deadline));
    house.end(first).await;

    let mut second = house.life();
    let sleep = timer(&mut second, HOUR);
    let error = poll::Host::poll(&mut second, vec![sleep]).await.unwrap_err();
    assert_eq!(suspension(&error), Some(deadline));
    house.end(second).await;
}

#[tokio::test]
async fn a_wait_without_end_and_one_for_a_stream_beside() {
    let house = House::new();
    let mut worker = house.life();
    let never = timer(&mut worker, u64::MAX);
    let error = HostPollable::block(&mut worker, again(&never)).await.unwrap_err();
    assert_eq!(suspension(&error), None);

    let stream = stdout::Host::get_stdout(&mut worker).unwrap();
    let writable = HostOutputStream::subscribe(&mut worker, stream).unwrap();
    assert_eq!(poll::Host::poll(&mut worker, vec![never, writable]).await.unwrap(), [1]);
}

#[tokio::test]
async fn a_sleep_that_is_not_recorded_stays_in_memory() {
    let house = House::new();
    let mut worker = house.life();
    let set = |worker: &mut WorkerState, level| {
        worker.recorder.with(|journal, now| journal.set_persistence_level(level, now)).unwrap();
    };
    set(&mut worker, PersistenceLevel::PersistNothing);
    let sleep = timer(&mut worker, HOUR);
    set(&mut worker, PersistenceLevel::Smart);
    let wait =
        tokio::time::timeout(Duration::from_millis(20), HostPollable::block(&mut worker, sleep));
    assert!(wait.await.is_err(), "it would start anew in each replay, and never end");
}

#[tokio::test]
async fn polling_nothing_traps() {
    let house = House::new();
    let mut worker = house.life();
    let error = poll::Host::poll(&mut worker, Vec::new()).await.unwrap_err();
    assert!(error.to_string().contains("empty list"), "{error}");
}

#[test]
fn a_worker_knows_its_name_whatever_its_variables_say() {
    let house = House::new();
    let mut worker = house.life();
    let variables = environment::Host::get_environment(&mut worker).unwrap();
    let variables: Vec<_> =
        variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        variables,
        [
            "GOLEM_WORKER_NAME=mary",
            "GOLEM_COMPONENT_ID=00000000-0000-0000-0000-000000000000",
            "GOLEM_COMPONENT_VERSION=3",
        ]
    );
    assert_eq!(environment::Host::get_arguments(&mut worker).unwrap(), ["first"]);
}

#[tokio::test]
async fn lines_are_printed_once_and_the_rest_when_the_worker_exits() {
    async fn run(worker: &mut WorkerState) {
        let stream = stdout::Host::get_stdout(worker).unwrap();
        let print = b"one\ntwo".to_vec();
        HostOutputStream::blocking_write_and_flush(worker, stream, print).await.unwrap();
        wall_clock::Host::now(worker).unwrap();
        let error = exit::Host::exit(worker, Err(())).unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(Interruption::Exit { code: 1 })));
    }
    let mut house = House::new();
    for _life in 0..3 {
        let mut worker = house.life();
        run(&mut worker).await;
        house.end(worker).await;
        assert_eq!(lines(&house), ["one", "two"]);
    }
}

#[tokio::test]
async fn there_is_no_input() {
    let mut house = House::new();
    let mut worker = house.life();
    let stream = stdin::Host::get_stdin(&mut worker).unwrap();
    let error = HostInputStream::blocking_read(&mut worker, stream, 1).await.unwrap_err();
    assert!(matches!(error, StreamError::LastOperationFailed(_)), "{error:?}");
    house.end(worker).await;
}
