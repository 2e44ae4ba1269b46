//! When a call leaves, what must be durable by then, and what happens where its outcome is lost.

mod common;

use common::{Answer, Bench, call, inline, replayed};
use everlog_oplog::{
    Call, Category, Durability, Entered, Failure, FailureKind, Index, PersistenceLevel, Verdict,
};

fn live(gate: bool, durability: Durability) -> Answer {
    Answer::Live { gate, durability }
}

#[test]
fn the_gate_closes_before_what_others_see_and_no_read_waits_for_the_disk() {
    let mut bench = Bench::started();
    let now = bench.now();
    let expected = [
        (Category::ReadLocal, false, Durability::Lazy),
        (Category::WriteLocal, false, Durability::Lazy),
        (Category::ReadRemote, true, Durability::Lazy),
        (Category::WriteRemote, true, Durability::Start),
    ];
    for (category, gate, durability) in expected {
        assert_eq!(bench.call(category, b"", b""), live(gate, durability));
    }
    let level = PersistenceLevel::PersistRemoteSideEffects;
    bench.journal.set_persistence_level(level, now).unwrap();
    assert_eq!(bench.call(Category::ReadLocal, b"", b""), live(false, Durability::Lazy));
    assert_eq!(bench.call(Category::ReadRemote, b"", b""), live(true, Durability::Await));
    assert_eq!(bench.call(Category::WriteRemote, b"", b""), live(true, Durability::Await));

    bench.journal.set_persistence_level(PersistenceLevel::Smart, now).unwrap();
    bench.journal.set_idempotence(false, now).unwrap();
    assert_eq!(bench.call(Category::WriteRemote, b"", b""), live(true, Durability::Await));
    let names = bench.names();
    assert_eq!(names[names.len() - 2..], ["13 write-begin", "14 host-call"]);
}

#[test]
fn an_idempotent_write_without_outcome_is_done_again() {
    let mut bench = Bench::started();
    let now = bench.now();
    let Ok(Entered::Live(ticket)) = bench.journal.enter(&call(Category::WriteRemote, b"x"), now)
    else {
        panic!("it is new")
    };
    assert!(ticket.gate());
    bench.recover_into_invocation();
    assert_eq!(bench.call(Category::WriteRemote, b"x", b""), live(true, Durability::Start));
    bench.recover_into_invocation();
    assert_eq!(bench.call(Category::WriteRemote, b"x", b"other"), replayed(b""));
}

/// A worker that crashed in a write that must not be repeated.
fn uncertain() -> Bench {
    let mut bench = Bench::started();
    let now = bench.now();
    bench.read(b"1");
    bench.journal.set_idempotence(false, now).unwrap();
    bench.journal.begin_atomic(now).unwrap();
    let entered = bench.journal.enter(&call(Category::WriteRemote, b"pay"), now);
    assert!(matches!(entered, Ok(Entered::Live(_))));
    bench.recover();
    bench
}

#[test]
fn a_write_that_must_not_be_repeated_stops_the_worker() {
    let mut bench = uncertain();
    let write = bench.journal.uncertain_write().unwrap().clone();
    assert_eq!(write.index, Index(6));
    assert_eq!(
        write.to_string(),
        "a call of `wasi:keyvalue/store.set` that was begun at entry 6 and may have happened; it \
         must not be repeated, since idempotence is off. Find out whether it did, then revert or \
         fork the worker to an entry before 6"
    );
    assert_eq!(bench.names().last().unwrap(), "6 write-begin", "no region is run again past it");
    // Whoever goes on all the same does not get through.
    let now = bench.now();
    bench.journal.next_recorded().unwrap();
    bench.read(b"");
    bench.journal.set_idempotence(false, now).unwrap();
    bench.journal.begin_atomic(now).unwrap();
    let divergence = bench.call(Category::WriteRemote, b"pay", b"").divergence();
    assert!(divergence.recorded.contains("may have happened"));

    let failure = Failure { kind: FailureKind::UncertainWrite, message: write.to_string() };
    assert_eq!(bench.journal.fail(failure, 0, now), Verdict::Final);
    bench.journal.resume(now);
    bench.recover();
    assert!(bench.journal.uncertain_write().is_some(), "resuming does not make it certain");
}

#[test]
fn a_revert_before_the_write_revives_the_worker() {
    let mut bench = uncertain();
    let now = bench.now();
    bench.journal.revert(Index(3), now).unwrap();
    bench.recover_into_invocation();
    assert_eq!(bench.journal.uncertain_write(), None);
    assert_eq!(bench.read(b""), replayed(b"1"));
    assert!(bench.journal.idempotence());
    assert!(bench.read(b"2").is_live());
}

#[test]
fn writes_in_flight_are_told_apart_and_only_those_without_outcome_are_sent_again() {
    let mut bench = Bench::started();
    let now = bench.now();
    let post = |request, begin| Call { begin, ..call(Category::WriteRemote, request) };
    let requests: [&[u8]; 3] = [b"a", b"b", b"c"];
    let begun =
        requests.map(|request| bench.journal.begin_write(&post(request, None), now).unwrap());
    assert!(begun.iter().all(|begun| begun.gate && !begun.replayed));
    let begins = begun.map(|begun| begun.index);
    assert_eq!(begins, [3, 4, 5].map(|index| Some(Index(index))));
    // The second is seen first. It left behind the gate long ago.
    assert_eq!(bench.call_of(&post(b"b", begins[1]), b"B"), live(false, Durability::Start));

    bench.recover_into_invocation();
    let open = &bench.journal.status().execution.open_writes;
    assert_eq!(open.keys().copied().collect::<Vec<_>>(), [Index(3), Index(5)]);
    for (request, begin) in requests.into_iter().zip(begins) {
        let begun = bench.journal.begin_write(&post(request, None), now).unwrap();
        assert_eq!((begun.index, begun.replayed, begun.gate), (begin, true, false));
    }
    assert_eq!(bench.call_of(&post(b"b", begins[1]), b""), replayed(b"B"));
    // The others are sent now, so the gate closes.
    assert_eq!(bench.call_of(&post(b"c", begins[2]), b"C"), live(true, Durability::Start));
    assert_eq!(bench.call_of(&post(b"a", begins[0]), b"A"), live(true, Durability::Start));
    assert!(bench.journal.status().execution.open_writes.is_empty());
}

#[test]
fn equal_writes_in_flight_are_told_apart_by_their_begin() {
    let mut bench = Bench::started();
    let now = bench.now();
    let write = call(Category::WriteRemote, b"same");
    let begins = [(); 2].map(|()| bench.journal.begin_write(&write, now).unwrap().index);
    bench.call_of(&Call { begin: begins[1], ..write }, b"second");
    bench.recover_into_invocation();
    for _ in begins {
        assert!(bench.journal.begin_write(&write, now).unwrap().replayed);
    }
    let divergence = bench.call_of(&Call { begin: begins[0], ..write }, b"").divergence();
    assert_eq!(divergence.index, Index(5));
    assert!(divergence.recorded.ends_with("\"same\"), begun at entry 4"), "{divergence}");
    assert!(divergence.asked.ends_with("\"same\"), begun at entry 3"), "{divergence}");
}

#[test]
fn outcomes_of_recorded_begins_are_recorded_at_every_level() {
    let mut bench = Bench::started();
    let now = bench.now();
    bench.journal.set_idempotence(false, now).unwrap();
    let write = call(Category::WriteRemote, b"x");
    let begin = bench.journal.begin_write(&write, now).unwrap().index;
    bench.journal.set_persistence_level(PersistenceLevel::PersistNothing, now).unwrap();
    assert!(bench.call_of(&Call { begin, ..write }, b"done").is_live());
    bench.recover();
    assert_eq!(bench.journal.uncertain_write(), None);
    assert_eq!(bench.names().last().unwrap(), "6 host-call");
}

#[test]
fn a_completion_says_whether_its_answer_was_given_before() {
    let mut bench = Bench::started();
    let now = bench.now();
    let completion = bench.journal.complete(inline(b"1"), 9, now).unwrap();
    assert_eq!((completion.index, completion.replayed), (Index(3), false));
    bench.recover_into_invocation();
    let completion = bench.journal.complete(inline(b"1"), 10, now).unwrap();
    assert_eq!((completion.index, completion.replayed), (Index(3), true));
    assert_eq!(bench.journal.status().memory_bytes, 9);
    assert_eq!(bench.journal.replayed_entries(), 2);
}

#[test]
fn an_owner_can_see_whose_outcome_is_next() {
    let mut bench = Bench::started();
    let now = bench.now();
    let write = call(Category::WriteRemote, b"x");
    let begin = bench.journal.begin_write(&write, now).unwrap().index;
    bench.read(b"1");
    bench.call_of(&Call { begin, ..write }, b"done");
    assert!(!bench.journal.is_ahead(write.function, begin), "nothing is ahead of what is live");

    bench.recover_into_invocation();
    bench.journal.begin_write(&write, now).unwrap();
    assert!(!bench.journal.is_ahead(write.function, begin), "the read comes first");
    bench.read(b"");
    assert!(bench.journal.is_ahead(write.function, begin));
    assert!(!bench.journal.is_ahead(write.function, None));
    assert!(!bench.journal.is_ahead("another", begin));
}

#[test]
fn a_write_that_is_stored_with_its_outcome_has_no_begin_and_waits_for_nothing() {
    let mut bench = Bench::started();
    let now = bench.now();
    let write = call(Category::WriteRemote, b"add");
    bench.journal.set_idempotence(false, now).unwrap();
    let Ok(Entered::Live(lost)) = bench.journal.enter_once(&write, now) else {
        panic!("it is new")
    };
    assert!(!lost.gate() && lost.is_recorded());
    bench.recover_into_invocation();
    bench.journal.set_idempotence(false, now).unwrap();
    assert!(bench.journal.uncertain_write().is_none(), "neither outcome nor effect was stored");
    let Ok(Entered::Live(ticket)) = bench.journal.enter_once(&write, now) else {
        panic!("it is new again")
    };
    let durability = bench.journal.leave(ticket, inline(b"6"), now);
    assert_eq!(durability, Durability::Await);
    assert_eq!(bench.names().last().unwrap(), "4 host-call");

    bench.recover_into_invocation();
    bench.journal.set_idempotence(false, now).unwrap();
    let Ok(Entered::Replayed(outcome)) = bench.journal.enter_once(&write, now) else {
        panic!("it is recorded")
    };
    assert_eq!(outcome, inline(b"6"));
    bench.journal.set_persistence_level(PersistenceLevel::PersistNothing, now).unwrap();
    let Ok(Entered::Live(ticket)) = bench.journal.enter_once(&write, now) else {
        panic!("it is not recorded")
    };
    assert!(!ticket.gate() && !ticket.is_recorded());
}
