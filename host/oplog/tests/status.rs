//! What is true of a worker is a fold over its entries: queue, promises, resources, updates, and
//! its bounds.

mod common;

use common::{Bench, fold, inline, samples};
use everlog_oplog::codec::Decoded;
use everlog_oplog::status::{MARKS_KEPT_MAX, RegionSet, UPDATES_KEPT_MAX};
use everlog_oplog::{
    Caller, ComponentId, Index, JumpError, NewInvocation, Position, PromiseError, Region, Start,
    Timestamp, UpdateMode, WorkerId, WorkerState,
};
use proptest::prelude::*;
use uuid::Uuid;

fn invocation(key: &str) -> NewInvocation {
    let Start { key, request, function, fingerprint, trace, .. } = common::start(key);
    NewInvocation { key, function, request, fingerprint, trace }
}

fn queued(bench: &Bench) -> Vec<&str> {
    bench.journal.status().accepted.values().map(|accepted| accepted.key.as_str()).collect()
}

fn start_queued(bench: &mut Bench, accepted: Index) {
    let now = bench.now();
    let queued = bench.journal.accepted_request(accepted).expect("it is queued").clone();
    let NewInvocation { key, function, request, fingerprint, trace } = queued;
    let start = Start { key, accepted: Some(accepted), request, function, fingerprint, trace };
    bench.journal.start(start, now).unwrap();
}

#[test]
fn queued_invocations_survive_and_are_found_with_their_request() {
    let mut bench = Bench::new();
    let now = bench.now();
    let first = bench.journal.accept(invocation("a"), None, now);
    bench.journal.accept(invocation("b"), Some(Timestamp(900)), now);
    bench.journal.accept(invocation("c"), None, now);
    bench.journal.cancel("b", "by its caller", now);
    bench.recover();
    assert_eq!(bench.journal.next_recorded(), Ok(None));
    assert_eq!(queued(&bench), ["a", "c"]);
    start_queued(&mut bench, first);
    assert_eq!(queued(&bench), ["c"]);
    assert_eq!(bench.journal.accepted_request(first), None);
    bench.read(b"1");
    bench.recover();
    let recorded = bench.journal.next_recorded().unwrap().unwrap();
    assert_eq!((recorded.key.as_str(), recorded.request), ("a", inline(b"[]")));
    assert_eq!(queued(&bench), ["c"]);
}

#[test]
fn what_is_accepted_in_a_region_that_is_cut_off_stays_accepted() {
    let mut bench = Bench::started();
    let now = bench.now();
    bench.journal.begin_atomic(now).unwrap();
    bench.read(b"1");
    let accepted = bench.journal.accept(invocation("b"), None, now);
    bench.recover_into_invocation();
    assert!(bench.journal.status().deleted.contains(accepted));
    assert_eq!(queued(&bench), ["b"]);
    bench.journal.begin_atomic(now).unwrap();
    bench.read(b"2");
    bench.complete(b"");
    start_queued(&mut bench, accepted);
    bench.complete(b"");
    bench.recover_into_invocation();
}

#[test]
fn a_reverted_invocation_does_not_start_again_from_the_queue() {
    let mut bench = Bench::new();
    let now = bench.now();
    let first = bench.journal.accept(invocation("a"), None, now);
    bench.journal.accept(invocation("b"), None, now);
    start_queued(&mut bench, first);
    bench.journal.revert(Index(3), now).unwrap();
    bench.recover();
    assert_eq!(bench.journal.next_recorded(), Ok(None));
    assert_eq!(queued(&bench), ["b"]);
    assert_eq!(bench.journal.accepted_request(first), None);
    assert_eq!(bench.journal.status().state, WorkerState::Idle);
}

#[test]
fn the_first_completion_of_a_promise_counts() {
    let mut bench = Bench::started();
    let now = bench.now();
    let promise = bench.journal.create_promise(now).unwrap();
    assert_eq!(bench.journal.promise_completed(promise, inline(b"1"), now), Ok(true));
    assert_eq!(bench.journal.promise_completed(promise, inline(b"2"), now), Ok(false));
    let unknown = PromiseError::Unknown { promise: Index(1) };
    assert_eq!(bench.journal.promise_completed(Index(1), inline(b""), now), Err(unknown));
    bench.recover_into_invocation();
    let known = bench.journal.status().promises[&promise].clone();
    assert_eq!(known.completed, Some((Index(4), inline(b"1"))));
    assert_eq!(bench.journal.create_promise(now), Ok(promise));
    bench.journal.delete_promise(promise, now).unwrap();
    let error = bench.journal.delete_promise(promise, now).unwrap_err();
    assert_eq!(error, PromiseError::Unknown { promise });
    assert!(bench.journal.status().promises.is_empty());
}

#[test]
fn a_promise_completed_while_its_region_is_cut_off_stays_completed() {
    let mut bench = Bench::started();
    let now = bench.now();
    let promise = bench.journal.create_promise(now).unwrap();
    bench.journal.begin_atomic(now).unwrap();
    bench.read(b"1");
    let lost = bench.journal.create_promise(now).unwrap();
    bench.journal.promise_completed(promise, inline(b"1"), now).unwrap();
    bench.journal.promise_completed(lost, inline(b"1"), now).unwrap();
    bench.recover();
    let promises = &bench.journal.status().promises;
    assert!(promises[&promise].completed.is_some());
    assert!(!promises.contains_key(&lost), "it was never made");
}

#[test]
fn resources_are_those_of_the_history() {
    let mut bench = Bench::started();
    let now = bench.now();
    bench.journal.resource_created(1, "demo/cart".into(), "(\"mary\")".into(), now);
    bench.journal.resource_created(2, "demo/cart".into(), "()".into(), now);
    bench.journal.resource_dropped(2, now);
    bench.journal.resource_dropped(7, now);
    bench.journal.begin_atomic(now).unwrap();
    bench.read(b"1");
    bench.journal.resource_created(3, "demo/cart".into(), "()".into(), now);
    bench.journal.resource_dropped(1, now);
    bench.recover_into_invocation();
    let owned: Vec<_> = bench.journal.status().resources.keys().copied().collect();
    assert_eq!(owned, [1], "the region runs again and makes its own");
    bench.journal.resource_created(1, "demo/cart".into(), "(\"mary\")".into(), now);
    assert_eq!(bench.names().len(), 10, "what replay makes again is in the log already");
}

#[test]
fn updates_are_pending_until_they_are_done_or_failed() {
    let mut bench = Bench::new();
    let now = bench.now();
    for version in [4, 5, 6] {
        bench.journal.update_requested(version, UpdateMode::Automatic, now);
    }
    bench.journal.update_done(4, now);
    bench.journal.update_failed(5, "entry 3 differs".into(), now);
    let status = bench.journal.status();
    assert_eq!(status.component_version, 4);
    assert_eq!(status.updates.successful, [4]);
    assert_eq!(status.updates.failed[0].details, "entry 3 differs");
    assert_eq!(status.updates.pending.len(), 1);
    assert_eq!(status.updates.pending[0].version, 6);
}

#[test]
fn an_update_that_a_worker_asks_for_again_is_the_same() {
    let mut bench = Bench::new();
    let now = bench.now();
    let mode = UpdateMode::Automatic;
    assert!(bench.journal.update_requested_by(4, mode, completer(4), now));
    assert!(!bench.journal.update_requested_by(4, mode, completer(4), now), "the same call");
    bench.journal.update_done(4, now);
    bench.recover();
    let mut again =
        |version, mode, call| bench.journal.update_requested_by(version, mode, call, Timestamp(0));
    assert!(!again(4, mode, completer(4)), "also when it is done");
    assert!(again(5, mode, completer(4)), "without entries between them, calls differ otherwise");
    assert!(again(5, UpdateMode::Snapshot, completer(4)));
    assert!(again(4, mode, completer(5)), "another call");
    let pending = &bench.journal.status().updates.pending;
    assert_eq!(pending.iter().map(|update| update.version).collect::<Vec<_>>(), [5, 5, 4]);
    assert_eq!(bench.journal.status().requesters.len(), 1, "a worker repeats its last call only");
}

#[test]
fn replay_starts_from_the_guests_own_snapshot() {
    let mut bench = Bench::started();
    let now = bench.now();
    bench.journal.set_idempotence(false, now).unwrap();
    bench.read(b"1");
    bench.complete(b"1");
    bench.journal.update_requested(4, UpdateMode::Snapshot, now);
    let base = bench.journal.snapshot_loaded(4, inline(b"saved"), now);
    bench.journal.update_done(4, now);
    bench.start("key-2");
    bench.read(b"2");
    bench.recover();
    let status = bench.journal.status();
    assert_eq!(status.base.as_ref().map(|known| known.index), Some(base));
    let recorded = bench.journal.next_recorded().unwrap().unwrap();
    assert_eq!(recorded.key, "key-2");
    assert!(!bench.journal.idempotence(), "modes are kept");
    assert_eq!(bench.read(b""), common::replayed(b"2"));

    // A revert to before it has the old history replayed, on the old version.
    bench.journal.revert(Index(5), now).unwrap();
    bench.recover();
    let status = bench.journal.status();
    assert_eq!((status.component_version, &status.base), (3, &None));
    assert_eq!(bench.journal.next_recorded().unwrap().unwrap().key, "key-1");
}

#[test]
fn a_stopped_worker_stays_stopped_until_it_is_resumed_or_called() {
    let mut bench = Bench::started();
    let now = bench.now();
    bench.journal.interrupt(now);
    bench.read(b"what was in flight");
    assert_eq!(bench.journal.status().state, WorkerState::Interrupted);
    bench.complete(b"");
    assert_eq!(bench.journal.status().state, WorkerState::Interrupted);
    bench.start("key-2");
    assert_eq!(bench.journal.status().state, WorkerState::Running);
    bench.journal.interrupt(now);
    bench.journal.resume(now);
    assert_eq!(bench.journal.status().state, WorkerState::Running);
}

#[test]
fn a_status_does_not_grow_with_history() {
    let mut bench = Bench::started();
    let now = bench.now();
    for _ in 0..2 * MARKS_KEPT_MAX {
        let begin = bench.journal.begin_atomic(now).unwrap();
        bench.journal.mark(now).unwrap();
        bench.print("line");
        bench.journal.end_atomic(begin, now).unwrap();
        let promise = bench.journal.create_promise(now).unwrap();
        bench.journal.delete_promise(promise, now).unwrap();
    }
    for version in 0..2 * UPDATES_KEPT_MAX as u64 {
        bench.journal.update_done(version, now);
    }
    let size = |bench: &Bench| {
        bincode::encode_to_vec(bench.journal.status(), bincode::config::standard()).unwrap().len()
    };
    assert!(size(&bench) < 6000, "{} bytes", size(&bench));
    bench.complete(b"");
    assert!(size(&bench) < 600, "{} bytes", size(&bench));
}

#[test]
fn a_status_is_read_as_it_was_written() {
    let log: Vec<_> = samples();
    let numbered = (1..).map(Index).zip(log);
    let entries: Vec<_> =
        numbered.map(|(index, entry)| Decoded { index, entry, frame_bytes: 10 }).collect();
    let status = fold(&entries);
    let bytes = bincode::encode_to_vec(&status, bincode::config::standard()).unwrap();
    let (read, _) = bincode::decode_from_slice(&bytes, bincode::config::standard()).unwrap();
    assert_eq!(status, read);
}

proptest! {
    #[test]
    fn region_sets_hold_what_was_put_in(regions in prop::collection::vec((1..60_u64, 0..12_u64), 0..20)) {
        let mut set = RegionSet::default();
        for (start, length) in &regions {
            set.insert(Region { start: Index(*start), end: Index(start + length) });
        }
        for index in 0..80 {
            let expected = regions.iter().any(|(start, length)| (*start..=start + length).contains(&index));
            prop_assert_eq!(set.contains(Index(index)), expected);
        }
        let apart = set.regions().windows(2).all(|pair| pair[0].end.next() < pair[1].start);
        prop_assert!(apart, "regions that touch are one: {:?}", set);
    }
}

fn completer(entries: u64) -> Caller {
    let worker = WorkerId { component: ComponentId(Uuid::from_u128(9)), name: "bob".into() };
    Caller { worker, position: Position { returns: 0, entries } }
}

#[test]
fn a_completion_that_is_made_again_gets_the_same_answer() {
    let mut bench = Bench::started();
    let now = bench.now();
    let promise = bench.journal.create_promise(now).unwrap();
    for _ in 0..2 {
        let first =
            bench.journal.promise_completed_by(promise, inline(b"1"), completer(4), now).unwrap();
        assert!(first, "it is the call that completed it");
        bench.recover_into_invocation();
    }
    let later =
        bench.journal.promise_completed_by(promise, inline(b"2"), completer(5), now).unwrap();
    assert!(!later, "it is another call");
    assert!(!bench.journal.promise_completed(promise, inline(b"3"), now).unwrap());
    let known = &bench.journal.status().promises[&promise];
    assert_eq!(known.completed.as_ref().map(|(_, data)| data.clone()), Some(inline(b"1")));
}

#[test]
fn a_completed_promise_wakes_who_waits_for_no_time() {
    let mut bench = Bench::started();
    let now = bench.now();
    bench.journal.begin_atomic(now).unwrap();
    let promise = bench.journal.create_promise(now).unwrap();
    bench.journal.suspend(None, now);
    bench.recover();
    assert_eq!(bench.journal.status().suspended_until, None);
    bench.journal.promise_completed(promise, inline(b"1"), now).unwrap();
    assert_eq!(bench.journal.status().suspended_until, Some(Timestamp(0)));
    bench.recover();
    let status = bench.journal.status();
    assert_eq!(status.state, WorkerState::Suspended);
    assert!(status.promises.contains_key(&promise), "its region was not cut off meanwhile");
}

#[test]
fn a_promise_wakes_only_who_waits_for_it() {
    let mut bench = Bench::started();
    let now = bench.now();
    let [other, awaited] = [(); 2].map(|()| bench.journal.create_promise(now).unwrap());
    bench.journal.will_await(awaited);
    bench.journal.suspend(None, now);
    bench.journal.promise_completed(other, inline(b"1"), now).unwrap();
    bench.recover();
    let status = bench.journal.status();
    assert_eq!((status.state, status.suspended_until), (WorkerState::Suspended, None));
    bench.journal.promise_completed(awaited, inline(b"2"), now).unwrap();
    assert_eq!(bench.journal.status().suspended_until, Some(Timestamp(0)));
    // It was completed while the worker was about to leave.
    bench.journal.will_await(awaited);
    bench.journal.suspend(None, now);
    assert_eq!(bench.journal.status().suspended_until, Some(Timestamp(0)));
    bench.recover();
    assert_eq!(bench.journal.status().suspended_until, Some(Timestamp(0)));
}

#[test]
fn nobody_goes_back_into_a_load() {
    let mut bench = Bench::started();
    bench.complete(b"1");
    let now = bench.now();
    let before = bench.journal.update_requested(4, UpdateMode::Snapshot, now);
    let load = bench.journal.snapshot_loaded(4, inline(b"saved"), now);
    let done = bench.journal.update_done(4, now);
    let status = bench.journal.status();
    assert_eq!(status.check_history(load), Err(JumpError::InsideLoad { to: load, before }));
    assert_eq!(status.check_history(before), Ok(()));
    assert_eq!(status.check_history(done), Ok(()));
    bench.journal.revert(before, now).unwrap();
    bench.recover();
    let status = bench.journal.status();
    assert_eq!((status.component_version, status.base.is_none()), (3, true));
    assert!(status.loads.is_empty(), "what was taken back was no load");
}
