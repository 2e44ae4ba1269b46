//! Marks, jumps, atomic regions, modes, and which keys they draw.

mod common;

use common::{Answer, Bench, fold, inline, replayed};
use everlog_oplog::{
    AtomicError, Category, Durability, Index, JumpError, PersistenceLevel, Position, WorkerState,
};
use uuid::Uuid;

const LOCAL: Answer = Answer::Live { gate: false, durability: Durability::Lazy };

fn jump(bench: &mut Bench, to: u64) -> Result<(), JumpError> {
    let now = bench.now();
    bench.journal.jump(Index(to), now)
}

fn mark(bench: &mut Bench) -> Index {
    let now = bench.now();
    bench.journal.mark(now).unwrap()
}

#[test]
fn a_jump_goes_on_right_after_the_mark() {
    let mut bench = Bench::started();
    assert_eq!(mark(&mut bench), Index(3));
    bench.read(b"1");
    jump(&mut bench, 3).unwrap();
    assert!(bench.read(b"").divergence().to_string().contains("without a recovery"));
    bench.recover_into_invocation();
    assert_eq!(mark(&mut bench), Index(3));
    assert!(bench.read(b"2").is_live());
    assert_eq!(
        bench.names(),
        ["1 create", "2 invocation-started", "3 no-op", "4 host-call", "5 jump", "6 host-call"]
    );
    bench.recover_into_invocation();
    mark(&mut bench);
    assert_eq!(bench.read(b""), replayed(b"2"), "what was deleted is not replayed");
    assert!(!bench.journal.is_replaying());
}

#[test]
fn jumps_that_cannot_be_say_why() {
    let mut bench = Bench::started();
    bench.read(b"1");
    bench.complete(b"");
    bench.start("key-2");
    mark(&mut bench);
    bench.read(b"1");
    let expect = |bench: &mut Bench, to, text: &str| {
        assert_eq!(jump(bench, to).unwrap_err().to_string(), text);
    };
    expect(&mut bench, 8, "cannot go back to entry 8: it is in the future, the last entry is 7");
    expect(
        &mut bench,
        3,
        "cannot go back to entry 3: it is before entry 5, where the running invocation started, \
         and answers already given cannot be taken back",
    );
    expect(
        &mut bench,
        7,
        "cannot go back to entry 7: it is neither a mark (`get-oplog-index`) nor the begin of an \
         atomic region",
    );
    jump(&mut bench, 6).unwrap();
    bench.recover_into_invocation();
    bench.read(b"");
    bench.complete(b"");
    bench.journal.next_recorded().unwrap();
    mark(&mut bench);
    expect(&mut bench, 7, "cannot go back to entry 7: it was deleted by an earlier jump or revert");
    expect(&mut bench, 0, "cannot go back to entry 0: it was deleted by an earlier jump or revert");
    assert_eq!(bench.names().len(), 8, "a jump that cannot be leaves no entry");
}

#[test]
fn a_region_that_was_cut_off_runs_again_as_a_whole() {
    let mut bench = Bench::started();
    let now = bench.now();
    let begin = bench.journal.begin_atomic(now).unwrap();
    bench.read(b"1");
    let inner = bench.journal.begin_atomic(now).unwrap();
    bench.read(b"2");
    bench.journal.end_atomic(inner, now).unwrap();
    bench.recover_into_invocation();
    assert_eq!(bench.names().last().unwrap(), "8 jump");
    assert_eq!(bench.journal.begin_atomic(now), Ok(begin));
    assert!(bench.read(b"3").is_live());
    bench.journal.end_atomic(begin, now).unwrap();
    assert_eq!(bench.names()[8..], ["9 host-call", "10 atomic-end"]);

    bench.recover_into_invocation();
    assert_eq!(bench.names().len(), 10, "a region with its end is left alone");
}

#[test]
fn recovering_twice_deletes_once() {
    let mut bench = Bench::started();
    let now = bench.now();
    bench.journal.begin_atomic(now).unwrap();
    bench.recover();
    assert_eq!(bench.names().len(), 3, "nothing happened in the region yet");
    bench.recover_into_invocation();
    bench.journal.begin_atomic(now).unwrap();
    bench.read(b"1");
    bench.recover();
    bench.recover();
    assert_eq!(bench.names()[3..], ["4 host-call", "5 jump"]);
}

#[test]
fn a_worker_that_left_memory_while_it_slept_is_not_cut_off() {
    let mut bench = Bench::started();
    let now = bench.now();
    bench.journal.begin_atomic(now).unwrap();
    bench.read(b"1");
    bench.journal.suspend(Some(now.after(50)), now);
    bench.recover_into_invocation();
    assert_eq!(bench.journal.status().state, WorkerState::Suspended);
    bench.journal.begin_atomic(now).unwrap();
    assert_eq!(bench.read(b""), replayed(b"1"));
    assert!(bench.read(b"2").is_live());
    assert_eq!(bench.names()[4..], ["5 suspended", "6 woken", "7 host-call"]);
    // From here on a crash is one within the region again.
    bench.recover();
    assert_eq!(bench.names().last().unwrap(), "8 jump");
}

#[test]
fn a_sleeper_that_woke_is_cut_off_whatever_little_it_did() {
    let mut bench = Bench::started();
    let now = bench.now();
    bench.journal.begin_atomic(now).unwrap();
    bench.read(b"1");
    bench.journal.suspend(None, now);
    bench.recover_into_invocation();
    bench.journal.begin_atomic(now).unwrap();
    bench.read(b"");
    assert!(bench.print("awake"));
    bench.recover();
    assert_eq!(bench.names()[5..], ["6 woken", "7 log", "8 jump"]);
}

#[test]
fn an_operator_who_stops_a_sleeper_does_not_cut_it_off() {
    let mut bench = Bench::started();
    let now = bench.now();
    bench.journal.begin_atomic(now).unwrap();
    bench.read(b"1");
    bench.journal.suspend(None, now);
    bench.journal.interrupt(now);
    bench.recover();
    assert_eq!(bench.journal.status().state, WorkerState::Interrupted);
    bench.journal.resume(now);
    bench.recover();
    assert!(!bench.names().iter().any(|name| name.ends_with("jump")));
    assert_eq!(bench.journal.status().state, WorkerState::Running);
}

#[test]
fn a_jump_within_a_region_goes_to_its_mark_and_not_to_the_begin() {
    let mut bench = Bench::started();
    let now = bench.now();
    bench.journal.begin_atomic(now).unwrap();
    bench.read(b"1");
    let to = mark(&mut bench);
    bench.read(b"2");
    jump(&mut bench, to.get()).unwrap();
    bench.recover_into_invocation();
    bench.journal.begin_atomic(now).unwrap();
    assert_eq!(bench.read(b""), replayed(b"1"));
    mark(&mut bench);
    assert!(bench.read(b"3").is_live());
    // A crash deletes all of it.
    bench.recover_into_invocation();
    bench.journal.begin_atomic(now).unwrap();
    assert!(bench.read(b"4").is_live());
}

#[test]
fn regions_end_once_and_only_where_they_began() {
    let mut bench = Bench::started();
    let now = bench.now();
    let outer = bench.journal.begin_atomic(now).unwrap();
    let inner = bench.journal.begin_atomic(now).unwrap();
    bench.journal.end_atomic(outer, now).unwrap();
    bench.journal.end_atomic(inner, now).unwrap();
    bench.journal.end_atomic(outer, now).unwrap();
    assert_eq!(bench.names()[2..], ["3 atomic-begin", "4 atomic-begin", "5 atomic-end"]);
    for unknown in [Index(2), Index(5), Index(99)] {
        let error = bench.journal.end_atomic(unknown, now).unwrap_err();
        assert_eq!(error, AtomicError::Unknown { begin: unknown });
    }
    bench.complete(b"");
    bench.start("key-2");
    let foreign = bench.journal.end_atomic(outer, now);
    assert!(foreign.is_err(), "it belongs to another invocation");
}

#[test]
fn an_answer_that_was_given_is_not_deleted_with_a_region_left_open() {
    let mut bench = Bench::started();
    let now = bench.now();
    bench.journal.begin_atomic(now).unwrap();
    bench.read(b"1");
    bench.complete(b"42");
    bench.recover();
    assert_eq!(bench.names().last().unwrap(), "5 invocation-completed");
}

#[test]
fn modes_are_entries_and_come_back() {
    let mut bench = Bench::started();
    let now = bench.now();
    let level = PersistenceLevel::PersistRemoteSideEffects;
    let steered = bench.journal.set_persistence_level(level, now).unwrap();
    assert!(steered.gate);
    assert!(!bench.journal.set_idempotence(false, now).unwrap().gate);
    bench.recover_into_invocation();
    assert_eq!(bench.journal.persistence_level(), PersistenceLevel::Smart);
    assert!(
        !bench.journal.set_persistence_level(level, now).unwrap().gate,
        "replay waits for nobody"
    );
    assert!(bench.journal.idempotence());
    bench.journal.set_idempotence(false, now).unwrap();
    assert_eq!((bench.journal.persistence_level(), bench.journal.idempotence()), (level, false));
}

#[test]
fn nothing_is_recorded_where_the_guest_says_so() {
    let mut bench = Bench::started();
    let now = bench.now();
    bench.journal.set_persistence_level(PersistenceLevel::PersistNothing, now).unwrap();
    let remote = Answer::Live { gate: true, durability: Durability::Lazy };
    assert_eq!(bench.read(b"1"), LOCAL);
    assert_eq!(bench.call(Category::WriteRemote, b"x", b""), remote);
    let begun = bench.journal.begin_write(&common::call(Category::WriteRemote, b"y"), now).unwrap();
    assert_eq!((begun.index, begun.gate), (None, true));
    bench.journal.set_persistence_level(PersistenceLevel::Smart, now).unwrap();
    bench.read(b"2");
    assert_eq!(bench.names().len(), 5);

    bench.recover_into_invocation();
    bench.journal.set_persistence_level(PersistenceLevel::PersistNothing, now).unwrap();
    // Made again in every replay, and the cursor stays where it is.
    assert_eq!(bench.read(b"3"), LOCAL);
    assert_eq!(bench.call(Category::WriteRemote, b"z", b""), LOCAL, "no gate: nothing is new");
    bench.journal.set_persistence_level(PersistenceLevel::Smart, now).unwrap();
    assert_eq!(bench.read(b""), replayed(b"2"));
}

#[test]
fn a_crash_draws_the_same_key_and_a_return_another() {
    let namespace = Uuid::from_u128(5);
    let mut bench = Bench::started();
    let now = bench.now();
    let to = mark(&mut bench);
    bench.journal.begin_atomic(now).unwrap();
    let key = bench.journal.idempotency_key(namespace);
    bench.read(b"1");
    assert_ne!(bench.journal.idempotency_key(namespace), key, "another position");
    bench.recover_into_invocation();
    mark(&mut bench);
    bench.journal.begin_atomic(now).unwrap();
    assert_eq!(bench.journal.idempotency_key(namespace), key, "the region runs again");
    let other = bench.journal.idempotency_key(namespace);
    assert_ne!(other, key, "two that are not recorded between entries");
    bench.read(b"1");
    let later = bench.journal.idempotency_key(namespace);

    jump(&mut bench, to.get()).unwrap();
    bench.recover_into_invocation();
    mark(&mut bench);
    let mut drawn = vec![key, other, later];
    // Positions after a return are those of no attempt before it, also where the numbers of entries
    // are equal.
    for _ in 0..4 {
        let key = bench.journal.idempotency_key(namespace);
        assert!(!drawn.contains(&key));
        drawn.push(key);
        bench.read(b"1");
    }
}

#[test]
fn positions_count_history_and_returns() {
    let mut bench = Bench::started();
    let now = bench.now();
    let position = |bench: &Bench| bench.journal.logical_position();
    assert_eq!(position(&bench), Position { returns: 0, entries: 2 });
    let to = mark(&mut bench);
    bench.print("hints do not count");
    bench.read(b"1");
    assert_eq!(position(&bench), Position { returns: 0, entries: 4 });
    jump(&mut bench, to.get()).unwrap();
    bench.recover_into_invocation();
    assert_eq!(position(&bench), Position { returns: 0, entries: 2 }, "not there yet");
    mark(&mut bench);
    assert_eq!(position(&bench), Position { returns: 1, entries: 3 });
    // A return within an attempt that is given up goes with it.
    bench.journal.begin_atomic(now).unwrap();
    let to = mark(&mut bench);
    bench.read(b"1");
    jump(&mut bench, to.get()).unwrap();
    bench.recover_into_invocation();
    mark(&mut bench);
    bench.journal.begin_atomic(now).unwrap();
    mark(&mut bench);
    bench.read(b"2");
    assert_eq!(position(&bench), Position { returns: 2, entries: 6 });
    bench.recover_into_invocation();
    mark(&mut bench);
    bench.journal.begin_atomic(now).unwrap();
    assert_eq!(position(&bench), Position { returns: 1, entries: 4 });
}

#[test]
fn a_revert_takes_back_answers_and_what_failed() {
    let mut bench = Bench::started();
    bench.complete(b"1");
    bench.start("key-2");
    bench.read(b"1");
    let now = bench.now();
    bench.journal.exit(3, now);
    bench.recover();
    assert_eq!(bench.journal.status().state, WorkerState::Exited);
    assert_eq!(bench.journal.status().exit_code, Some(3));
    bench.journal.revert(Index(3), now).unwrap();
    let status = fold(&bench.entries());
    assert_eq!((status.state, status.exit_code), (WorkerState::Idle, None));
    bench.recover_into_invocation();
    bench.complete(b"1");
    assert_eq!(bench.journal.next_recorded(), Ok(None));
    bench.journal.start(common::start("key-3"), now).unwrap();
    assert!(bench.read(b"2").is_live());
    assert!(bench.journal.complete(inline(b""), 1, now).is_ok());
}
