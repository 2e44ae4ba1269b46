//! A replay that asks for something other than what is recorded stops, says what and where, and
//! writes nothing.

mod common;

use common::{Bench, call, fold, inline, line};
use everlog_oplog::{Call, Category, Divergence, Index, Payload, WorkerState};

/// A recovered worker whose invocation read the clock, wrote, and completed.
fn replaying() -> Bench {
    let mut bench = Bench::started();
    bench.read(b"12");
    bench.call(Category::WriteRemote, b"cart=\"full\"", b"done");
    bench.complete(b"42");
    bench.recover_into_invocation();
    bench
}

fn check(divergence: &Divergence, expected: &str) {
    assert_eq!(divergence.to_string(), expected);
}

#[test]
fn another_function() {
    let mut bench = replaying();
    let other = Call { function: "wasi:random/random.get", ..call(Category::ReadLocal, b"\x08") };
    check(
        &bench.call_of(&other, b"").divergence(),
        "replay diverged at entry 3: recorded is a call of `wasi:clocks/wall-clock.now` (request \
         5b1b5e6a178a92ae), but the component asks for a call of `wasi:random/random.get` (request \
         c24383658f8e1e42, \"\\x08\"). Nothing was lost or written. Update the worker to a component \
         version that fits its log, revert it to an entry before 3, or fork it there",
    );
}

#[test]
fn another_request() {
    let mut bench = replaying();
    bench.read(b"");
    let request = "x".repeat(5000);
    let divergence = bench.call(Category::WriteRemote, request.as_bytes(), b"").divergence();
    assert_eq!(divergence.index, Index(4));
    assert_eq!(
        divergence.recorded,
        "a call of `wasi:keyvalue/store.set` (request 623556579a638961, \"cart=\\\"full\\\"\")"
    );
    let shown = "x".repeat(120);
    let asked = divergence.asked.split_once(", ").unwrap().1;
    assert_eq!(asked, format!("\"{shown}\" and 4880 bytes more)"));
}

#[test]
fn another_result() {
    let mut bench = replaying();
    bench.read(b"");
    bench.call(Category::WriteRemote, b"cart=\"full\"", b"");
    let now = bench.now();
    let result = Payload::Blob { digest: [0xAB; 32], size: 70_000 };
    let divergence = bench.journal.complete(result, 1, now).unwrap_err();
    assert_eq!(divergence.recorded, "the end of the invocation with result \"42\"");
    assert_eq!(
        divergence.asked,
        "the end of the invocation with result of 70000 bytes (SHA-256 abababab…)"
    );
}

#[test]
fn the_end_too_early_and_a_call_too_many() {
    let mut bench = replaying();
    let now = bench.now();
    let divergence = bench.journal.complete(inline(b"42"), 1, now).unwrap_err();
    assert_eq!(divergence.index, Index(3));

    let mut bench = replaying();
    bench.read(b"");
    bench.call(Category::WriteRemote, b"cart=\"full\"", b"");
    let divergence = bench.read(b"").divergence();
    assert_eq!(divergence.index, Index(5));
    assert_eq!(divergence.recorded, "the end of the invocation with result \"42\"");
}

#[test]
fn steering_that_is_not_recorded() {
    let mut bench = replaying();
    let now = bench.now();
    let divergence = bench.journal.mark(now).unwrap_err();
    assert_eq!(divergence.asked, "a mark (`get-oplog-index`)");

    let mut bench = replaying();
    let error = bench.journal.jump(Index(2), now).unwrap_err();
    assert!(error.to_string().contains("but the component asks for a jump back to entry 2"));
}

#[test]
fn calls_between_invocations_and_a_start_before_the_end_of_replay() {
    let mut bench = Bench::started();
    bench.complete(b"1");
    bench.read(b"on its own");
    bench.recover_into_invocation();
    bench.complete(b"1");
    let divergence = bench.journal.next_recorded().unwrap_err();
    assert_eq!(divergence.asked, "nothing before the next invocation");

    let mut bench = replaying();
    let now = bench.now();
    let divergence = bench.journal.start(common::start("key-2"), now).unwrap_err();
    assert!(divergence.asked.starts_with("the start of invocation `key-2`"));
}

#[test]
fn a_diverged_journal_answers_nothing_and_writes_only_that_it_stalled() {
    let mut bench = replaying();
    let now = bench.now();
    let divergence = bench.journal.mark(now).unwrap_err();
    // Also what would have been right.
    assert_eq!(bench.read(b"").divergence(), divergence);
    assert_eq!(bench.journal.begin_atomic(now), Err(divergence.clone()));
    assert!(!bench.journal.log(line("lost"), now));
    assert!(!bench.journal.has_tail());

    bench.journal.stall(&divergence, now);
    assert_eq!(bench.names().last().unwrap(), "6 stalled");
    let status = fold(&bench.entries());
    assert_eq!(status.state, WorkerState::Stalled);
    assert_eq!(status.stalled.as_ref().unwrap().entry, Index(3));

    bench.journal.resume(now);
    let status = fold(&bench.entries());
    assert_eq!((status.state, status.stalled), (WorkerState::Idle, None));
}
