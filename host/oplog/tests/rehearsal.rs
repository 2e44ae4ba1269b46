//! A version that is tried writes nothing until it has met the whole history, and one that does not
//! fit leaves no trace.

mod common;

use common::{Answer, Bench, call, inline, replayed};
use everlog_oplog::{
    Category, Conduct, Divergence, EntryKind, Failure, FailureKind, Index, Journal,
    PersistenceLevel, Rehearsal, UpdateMode, WorkerState,
};

const NEXT: u64 = 4;
const TAKE_OVER: Rehearsal = Rehearsal::TakeOver { version: NEXT };
const AT_REST: Rehearsal = Rehearsal::TakeOverAtRest { version: NEXT };

/// A worker that has made two calls in an invocation that is running, and is to be updated.
fn updating() -> Bench {
    let mut bench = Bench::started();
    bench.read(b"1");
    bench.read(b"2");
    let now = bench.now();
    bench.journal.update_requested(NEXT, UpdateMode::Automatic, now);
    bench
}

/// Recovers for a rehearsal, and goes on to the recorded invocation.
fn rehearse(bench: &mut Bench, aim: Rehearsal) {
    bench.recover();
    bench.journal.rehearse(aim);
    assert!(bench.journal.next_recorded().expect("the log fits").is_some());
}

fn pending(journal: &Journal) -> usize {
    journal.status().updates.pending.len()
}

#[test]
fn a_version_that_fits_takes_over_where_the_history_ends() {
    let mut bench = updating();
    rehearse(&mut bench, TAKE_OVER);
    assert_eq!(bench.read(b""), replayed(b"1"));
    bench.print("printed again");
    assert_eq!(bench.read(b""), replayed(b"2"));
    assert!(!bench.journal.has_tail(), "nothing is written while the history lasts");
    assert!(bench.journal.has_fitted());
    assert_eq!(bench.journal.status().component_version, 3);

    bench.print("new");
    assert!(bench.read(b"3").is_live());
    assert_eq!(bench.names()[5..], ["6 update-done", "7 log", "8 host-call"]);
    assert_eq!(bench.journal.status().component_version, NEXT);
    assert_eq!((bench.journal.rehearsal(), pending(&bench.journal)), (None, 0));
    bench.complete(b"");
    bench.recover_into_invocation();
    assert_eq!(bench.journal.status().updates.successful, [NEXT]);
}

#[test]
fn a_version_that_does_not_fit_leaves_no_trace() {
    // At the first call, at the last one, and where it returns instead of going on.
    let asks: [fn(&mut Bench) -> bool; 3] = [
        |bench| matches!(bench.call(Category::ReadRemote, b"", b""), Answer::Diverged(_)),
        |bench| {
            bench.read(b"");
            matches!(bench.call(Category::ReadRemote, b"", b""), Answer::Diverged(_))
        },
        |bench| {
            let now = bench.now();
            bench.journal.complete(inline(b""), 0, now).is_err()
        },
    ];
    for ask in asks {
        for aim in [TAKE_OVER, AT_REST, Rehearsal::Check] {
            let mut bench = updating();
            bench.flush();
            let before = bench.log.clone();
            rehearse(&mut bench, aim);
            assert!(ask(&mut bench));
            let now = bench.now();
            bench.journal.conclude(now);
            assert!(!bench.journal.has_fitted() && !bench.journal.has_halted());
            assert_eq!(bench.journal.rehearsal(), Some(aim));
            bench.flush();
            assert_eq!(bench.log, before);

            // The version before it goes on.
            bench.recover_into_invocation();
            assert_eq!((bench.read(b""), bench.read(b"")), (replayed(b"1"), replayed(b"2")));
            assert!(bench.read(b"3").is_live());
            assert_eq!(bench.journal.status().component_version, 3);
        }
    }
}

#[test]
fn a_worker_at_rest_is_taken_over_and_does_not_go_on() {
    let mut bench = updating();
    let now = bench.now();
    bench.journal.interrupt(now);
    rehearse(&mut bench, AT_REST);
    assert_eq!((bench.read(b""), bench.read(b"")), (replayed(b"1"), replayed(b"2")));
    assert!(bench.journal.has_halted());
    assert!(!bench.print("not now"));
    let beyond = bench.read(b"3");
    assert!(beyond.divergence().recorded.contains("end of the history"));
    assert!(!bench.journal.has_tail());
    bench.journal.conclude(now);
    let status = bench.journal.status();
    assert_eq!((status.component_version, status.state), (NEXT, WorkerState::Interrupted));

    bench.journal.resume(now);
    bench.recover_into_invocation();
    assert_eq!((bench.read(b""), bench.read(b"")), (replayed(b"1"), replayed(b"2")));
    assert!(bench.read(b"3").is_live());
}

#[test]
fn a_worker_without_history_fits_every_version() {
    let mut bench = Bench::new();
    let now = bench.now();
    bench.journal.update_requested(NEXT, UpdateMode::Automatic, now);
    bench.recover();
    bench.journal.rehearse(TAKE_OVER);
    assert!(bench.journal.has_fitted());
    bench.start("key-1");
    assert_eq!(bench.names()[2..], ["3 update-done", "4 invocation-started"]);
}

#[test]
fn a_failed_worker_is_revived_by_a_version_that_fits() {
    let mut bench = updating();
    let now = bench.now();
    let failure = Failure { kind: FailureKind::StackOverflow, message: "deep".into() };
    bench.journal.fail(failure, 0, now);
    assert_eq!(bench.journal.status().state, WorkerState::Failed);
    rehearse(&mut bench, TAKE_OVER);
    assert_eq!((bench.read(b""), bench.read(b"")), (replayed(b"1"), replayed(b"2")));
    assert!(bench.read(b"3").is_live());
    assert_eq!(bench.journal.status().state, WorkerState::Running);
    assert_eq!(bench.journal.status().failure, None);
}

#[test]
fn a_check_makes_no_call_that_is_not_recorded() {
    let mut bench = Bench::started();
    let now = bench.now();
    bench.journal.set_persistence_level(PersistenceLevel::PersistNothing, now).unwrap();
    bench.call(Category::WriteRemote, b"sent", b"");
    bench.journal.set_persistence_level(PersistenceLevel::Smart, now).unwrap();
    for (aim, made) in [(TAKE_OVER, true), (Rehearsal::Check, false)] {
        rehearse(&mut bench, aim);
        bench.journal.set_persistence_level(PersistenceLevel::PersistNothing, now).unwrap();
        assert!(bench.read(b"").is_live());
        let sent = bench.call(Category::WriteRemote, b"sent", b"");
        assert_eq!(sent.is_live(), made);
    }
}

#[test]
fn a_reverted_update_does_not_happen_again() {
    let mut bench = Bench::started();
    bench.complete(b"");
    let now = bench.now();
    let requested = bench.journal.update_requested(NEXT, UpdateMode::Automatic, now);
    bench.journal.update_done(NEXT, now);
    bench.start("key-2");
    bench.journal.revert(requested, now).unwrap();
    bench.recover();
    let status = bench.journal.status();
    assert_eq!((status.component_version, pending(&bench.journal)), (3, 0));
}

/// A worker whose guest is about to load what it saved.
fn loading() -> Bench {
    let mut bench = Bench::started();
    let now = bench.now();
    bench.journal.set_idempotence(false, now).unwrap();
    bench.journal.resource_created(1, "demo/cart".into(), "()".into(), now);
    bench.complete(b"1");
    bench.journal.update_requested(NEXT, UpdateMode::Snapshot, now);
    bench.journal.conduct(Conduct::Saving);
    assert!(bench.read(b"seen").is_live());
    assert!(!bench.print("nobody reads this"));
    bench.journal.conduct(Conduct::Loading);
    bench.journal.snapshot_loaded(NEXT, inline(b"saved"), now);
    bench
}

#[test]
fn what_a_load_learned_it_learns_again() {
    let mut bench = loading();
    let now = bench.now();
    assert!(bench.read(b"learned").is_live());
    assert!(bench.print("hello"));
    bench.journal.update_done(NEXT, now);
    bench.journal.conduct(Conduct::Invoked);
    bench.start("key-2");
    bench.recover();
    let status = bench.journal.status();
    let base = status.base.clone().expect("the snapshot counts");
    assert_eq!((base.index, base.version, base.data), (Index(7), NEXT, inline(b"saved")));
    assert!(status.resources.is_empty(), "no handle leads into the new instance");

    bench.journal.conduct(Conduct::Reloading);
    assert_eq!(bench.read(b""), replayed(b"learned"));
    assert!(!bench.print("hello"));
    bench.journal.conduct(Conduct::Invoked);
    assert_eq!(bench.journal.next_recorded().unwrap().unwrap().key, "key-2");
    assert!(!bench.journal.idempotence(), "modes are kept");
}

#[test]
fn a_load_that_asks_for_more_than_before_diverges() {
    let mut bench = loading();
    let now = bench.now();
    bench.journal.update_done(NEXT, now);
    bench.recover();
    bench.journal.conduct(Conduct::Reloading);
    let divergence = bench.read(b"").divergence();
    assert_eq!(divergence.recorded, "the end of the snapshot's load");
}

#[test]
fn a_snapshot_whose_update_is_not_done_is_no_base() {
    let mut bench = loading();
    bench.recover();
    let status = bench.journal.status();
    assert_eq!((&status.base, status.component_version), (&None, 3));
    assert_eq!(pending(&bench.journal), 1);
    assert_eq!(bench.journal.next_recorded().unwrap().unwrap().key, "key-1");

    // Whoever goes over to that version later in another way has no base either.
    let now = bench.now();
    bench.journal.update_failed(NEXT, "it trapped".into(), now);
    bench.journal.update_done(NEXT, now);
    assert_eq!(bench.journal.status().base, None);
}

#[test]
fn saving_and_loading_reach_nobody_else() {
    for conduct in [Conduct::Saving, Conduct::Reading, Conduct::Loading, Conduct::Reloading] {
        let refused: [fn(&mut Bench) -> bool; 5] = [
            |bench| !bench.call(Category::WriteRemote, b"", b"").is_live(),
            |bench| {
                let now = bench.now();
                bench.journal.enter_once(&call(Category::WriteRemote, b""), now).is_err()
            },
            |bench| {
                let now = bench.now();
                let write = call(Category::WriteRemote, b"");
                bench.journal.begin_write(&write, now).is_err()
            },
            |bench| {
                let now = bench.now();
                bench.journal.begin_atomic(now).is_err()
            },
            |bench| {
                let now = bench.now();
                bench.journal.jump(Index(1), now).is_err()
            },
        ];
        for refused in refused {
            let mut bench = Bench::new();
            bench.journal.conduct(conduct);
            assert!(refused(&mut bench), "{conduct:?}");
            assert_eq!(bench.names(), ["1 create"]);
        }
    }
}

#[test]
fn a_reader_looks_at_what_is_outside_and_leaves_no_trace() {
    let mut bench = Bench::started();
    let entries = bench.names();
    bench.journal.conduct(Conduct::Reading);
    for category in [Category::ReadLocal, Category::ReadRemote] {
        assert!(bench.call(category, b"", b"").is_live(), "{category:?}");
    }
    assert!(!bench.call(Category::WriteLocal, b"", b"").is_live());
    assert_eq!(bench.names(), entries);
}

#[test]
fn a_load_may_set_modes_and_a_save_may_not() {
    for (conduct, allowed) in [(Conduct::Saving, false), (Conduct::Loading, true)] {
        let mut bench = Bench::new();
        bench.journal.conduct(conduct);
        let now = bench.now();
        assert_eq!(bench.journal.set_idempotence(false, now).is_ok(), allowed);
        let set = |item: &everlog_oplog::codec::Decoded| {
            matches!(item.entry.kind, EntryKind::SetIdempotence(_))
        };
        assert_eq!(bench.entries().iter().any(set), allowed);
    }
}

#[test]
fn what_only_the_owner_sees_does_not_fit_either() {
    let mut bench = Bench::started();
    let now = bench.now();
    bench.journal.update_requested(NEXT, UpdateMode::Automatic, now);
    rehearse(&mut bench, AT_REST);
    assert!(bench.journal.has_halted());
    let (recorded, asked) = ("a call of `add`".to_owned(), "no such function".to_owned());
    bench.journal.give_up(Divergence { index: Index(2), recorded, asked });
    bench.journal.conclude(now);
    assert!(!bench.journal.has_fitted() && !bench.journal.has_halted());
    assert!(!bench.journal.has_tail());
}

#[test]
fn a_version_need_not_go_the_last_steps_to_a_failure() {
    let mut bench = Bench::started();
    bench.read(b"1");
    bench.call(Category::ReadRemote, b"", b"seen by others");
    let loose = bench.journal.last_index().next();
    bench.read(b"2");
    bench.read(b"3");
    let now = bench.now();
    let failure = Failure { kind: FailureKind::StackOverflow, message: "deep".into() };
    bench.journal.fail(failure, 0, now);
    bench.journal.update_requested(NEXT, UpdateMode::Automatic, now);

    // What others have seen stays.
    rehearse(&mut bench, TAKE_OVER);
    let early = bench.call(Category::WriteRemote, b"", b"").divergence();
    assert!(!bench.journal.cut_failure(&early, now));

    rehearse(&mut bench, TAKE_OVER);
    assert_eq!(bench.read(b""), replayed(b"1"));
    bench.call(Category::ReadRemote, b"", b"");
    assert_eq!(bench.read(b""), replayed(b"2"));
    let late = bench.call(Category::WriteRemote, b"", b"").divergence();
    assert_eq!(late.index, loose.next());
    assert!(bench.journal.cut_failure(&late, now));

    rehearse(&mut bench, TAKE_OVER);
    assert_eq!(bench.journal.status().state, WorkerState::Failed, "until the update is done");
    assert_eq!(bench.read(b""), replayed(b"1"));
    bench.call(Category::ReadRemote, b"", b"");
    assert_eq!(bench.read(b""), replayed(b"2"));
    assert!(bench.call(Category::WriteRemote, b"", b"").is_live());
    assert_eq!(bench.journal.status().state, WorkerState::Running);
}

#[test]
fn what_runs_keeps_its_last_steps() {
    let mut bench = updating();
    rehearse(&mut bench, TAKE_OVER);
    let divergence = bench.call(Category::ReadRemote, b"", b"").divergence();
    let now = bench.now();
    assert!(!bench.journal.cut_failure(&divergence, now));
}
