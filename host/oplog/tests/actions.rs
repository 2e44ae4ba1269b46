//! An action is one entry: nothing inside of it is recorded, a crash inside makes it new, and replay
//! answers its outcome without going through it.

mod common;

use common::{Bench, call, inline};
use everlog_oplog::{Call, Category, Durability, Entered, Journal, Payload, Ticket};

fn action(name: &'static str) -> Call<'static> {
    Call {
        category: Category::WriteRemote,
        function: "everlog:api/actions.run",
        request: name.as_bytes(),
        begin: None,
    }
}

/// Begins an action that is live.
fn begin(bench: &mut Bench, name: &'static str) -> Ticket {
    let now = bench.now();
    match bench.journal.begin_action(&action(name), now) {
        Ok(Entered::Live(ticket)) => ticket,
        other => panic!("live, not {other:?}"),
    }
}

fn end(bench: &mut Bench, ticket: Ticket, outcome: &[u8]) -> Durability {
    let now = bench.now();
    bench.journal.end_action(ticket, inline(outcome), now)
}

/// Begins an action that is recorded.
fn replayed(bench: &mut Bench, name: &'static str) -> Payload {
    let now = bench.now();
    match bench.journal.begin_action(&action(name), now) {
        Ok(Entered::Replayed(outcome)) => outcome,
        other => panic!("replayed, not {other:?}"),
    }
}

#[test]
fn only_the_outcome_is_recorded() {
    let mut bench = Bench::started();
    bench.read(b"1");
    let ticket = begin(&mut bench, "sum");
    assert!(ticket.gate());
    assert_eq!(bench.journal.open_action(), Some("sum"));
    for category in [Category::ReadLocal, Category::WriteRemote] {
        assert!(bench.call(category, b"", b"inside").is_live());
    }
    let now = bench.now();
    let begun = bench.journal.begin_write(&call(Category::WriteRemote, b"x"), now).unwrap();
    assert_eq!((begun.index, begun.gate), (None, true));
    assert_eq!(end(&mut bench, ticket, b"6"), Durability::Start);
    assert!(bench.read(b"2").is_live());
    let names = bench.names();
    assert_eq!(names[2..], ["3 host-call", "4 host-call", "5 host-call"]);

    bench.recover_into_invocation();
    bench.read(b"");
    assert_eq!(replayed(&mut bench, "sum"), inline(b"6"));
    assert_eq!(bench.journal.open_action(), None);
    assert!(!bench.read(b"").is_live());
}

#[test]
fn a_crash_inside_makes_it_new_and_draws_the_same_keys() {
    let mut bench = Bench::started();
    let draw =
        |journal: &mut Journal| [(); 2].map(|()| journal.idempotency_key(uuid::Uuid::from_u128(1)));
    let _ = begin(&mut bench, "pay");
    let keys = draw(&mut bench.journal);
    bench.recover_into_invocation();
    let ticket = begin(&mut bench, "pay");
    assert_eq!(draw(&mut bench.journal), keys);
    end(&mut bench, ticket, b"");
    assert_ne!(draw(&mut bench.journal), keys);
}

#[test]
fn another_name_is_a_divergence_that_names_both() {
    let mut bench = Bench::started();
    let ticket = begin(&mut bench, "pay");
    end(&mut bench, ticket, b"");
    bench.recover_into_invocation();
    let now = bench.now();
    let divergence = bench.journal.begin_action(&action("refund"), now).unwrap_err();
    assert!(divergence.recorded.contains("\"pay\""), "{divergence}");
    assert!(divergence.asked.contains("\"refund\""), "{divergence}");
}

#[test]
fn with_idempotence_off_a_crash_inside_is_an_uncertain_write() {
    let mut bench = Bench::started();
    let now = bench.now();
    bench.journal.set_idempotence(false, now).unwrap();
    let ticket = begin(&mut bench, "pay");
    assert_eq!(end(&mut bench, ticket, b"done"), Durability::Await);
    bench.recover_into_invocation();
    bench.journal.set_idempotence(false, now).unwrap();
    assert_eq!(replayed(&mut bench, "pay"), inline(b"done"));
    let _ = begin(&mut bench, "pay again");
    bench.recover();
    assert!(bench.journal.uncertain_write().is_some());
}

#[test]
fn steering_inside_is_refused() {
    let mut bench = Bench::started();
    let _ = begin(&mut bench, "steer");
    let now = bench.now();
    let refused = bench.journal.begin_atomic(now).unwrap_err();
    assert!(refused.recorded.contains("an action is under way"), "{refused}");
}

/// What an attempt printed is old where the next one says it again, and only there.
#[test]
fn lines_of_an_attempt_that_was_cut_off_are_told_once() {
    let mut bench = Bench::started();
    bench.read(b"1");
    assert!(bench.print("before"));
    let _ = begin(&mut bench, "talk");
    assert!(bench.print("one") && bench.print("at noon"));
    bench.recover_into_invocation();
    bench.read(b"");
    assert!(!bench.print("before"));
    let ticket = begin(&mut bench, "talk");
    let told = ["one", "at midnight", "two"].map(|line| bench.print(line));
    assert_eq!(told, [false, true, true]);
    end(&mut bench, ticket, b"");
    assert!(bench.print("at noon"), "what comes later is new");
}
