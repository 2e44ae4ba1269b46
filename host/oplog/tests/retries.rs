//! Attempts are counted by logical position, in the log, and run out.

mod common;

use common::{Bench, fold};
use everlog_oplog::{
    Category, Failure, FailureKind, RetryPolicy, Timestamp, UpdateMode, Verdict, WorkerState,
};

const MILLISECOND: u64 = 1_000_000;

fn fail_as(bench: &mut Bench, kind: FailureKind) -> Verdict {
    let now = bench.now();
    bench.journal.fail(Failure { kind, message: "boom".into() }, 0, now)
}

fn fail(bench: &mut Bench) -> Verdict {
    fail_as(bench, FailureKind::Trap)
}

/// The delay of a verdict that was just given, in milliseconds.
fn delay(bench: &Bench, verdict: Verdict) -> u64 {
    let Verdict::RetryAt(Timestamp(at)) = verdict else { panic!("it is final") };
    (at - bench.journal.status().updated_at.nanos()) / MILLISECOND
}

#[test]
fn three_retries_after_growing_delays_then_never() {
    let mut bench = Bench::started();
    bench.read(b"1");
    let mut delays = Vec::new();
    for _ in 0..3 {
        let verdict = fail(&mut bench);
        delays.push(delay(&bench, verdict));
        assert_eq!(bench.journal.status().state, WorkerState::Retrying);
        // Each retry is a recovery; what is counted is in the log.
        bench.recover_into_invocation();
        assert!(!bench.read(b"1").is_live());
    }
    assert_eq!(delays, [100, 300, 900]);
    assert_eq!(fail(&mut bench), Verdict::Final);
    let status = fold(&bench.entries());
    assert_eq!(status.state, WorkerState::Failed);
    let failure = status.failure.unwrap();
    assert!(failure.is_final());
    assert_eq!((failure.attempts, failure.message.as_str()), (4, "boom"));
}

#[test]
fn progress_starts_the_count_again() {
    let mut bench = Bench::started();
    for _ in 0..10 {
        assert!(matches!(fail(&mut bench), Verdict::RetryAt(_)));
        bench.recover_into_invocation();
        while !bench.read(b"1").is_live() {}
        assert_eq!(bench.journal.status().state, WorkerState::Running);
    }
    assert_eq!(bench.journal.status().retry_count(), 1);
    bench.complete(b"");
    assert_eq!(bench.journal.status().failure, None, "what completes has overcome its failures");
}

#[test]
fn a_region_that_always_fails_runs_out_of_attempts_wherever_it_fails() {
    let mut bench = Bench::started();
    let now = bench.now();
    bench.journal.begin_atomic(now).unwrap();
    let mut verdicts = Vec::new();
    for reads in 1..=4 {
        for _ in 0..reads {
            assert!(bench.read(b"1").is_live(), "the region runs again as a whole");
        }
        verdicts.push(matches!(fail(&mut bench), Verdict::RetryAt(_)));
        bench.recover_into_invocation();
        bench.journal.begin_atomic(now).unwrap();
    }
    assert_eq!(verdicts, [true, true, true, false]);
}

#[test]
fn what_ends_the_same_every_time_is_not_retried() {
    for kind in [FailureKind::StackOverflow, FailureKind::UncertainWrite] {
        let mut bench = Bench::started();
        assert_eq!(fail_as(&mut bench, kind), Verdict::Final);
    }
}

#[test]
fn waiting_for_memory_uses_no_attempt() {
    let mut bench = Bench::started();
    for _ in 0..20 {
        let verdict = fail_as(&mut bench, FailureKind::HostMemory);
        assert_eq!(delay(&bench, verdict), 1000);
    }
    let verdict = fail(&mut bench);
    assert_eq!(delay(&bench, verdict), 100, "the first attempt that failed");
}

#[test]
fn the_guest_chooses_its_policy_and_recovery_keeps_it() {
    let mut bench = Bench::started();
    let policy = RetryPolicy { max_attempts: 1, ..RetryPolicy::default() };
    let now = bench.now();
    bench.journal.set_retry_policy(policy, now).unwrap();
    assert!(matches!(fail(&mut bench), Verdict::RetryAt(_)));
    bench.recover_into_invocation();
    assert_eq!(bench.journal.retry_policy(), RetryPolicy::default(), "not set yet in replay");
    bench.journal.set_retry_policy(policy, now).unwrap();
    assert_eq!(bench.journal.retry_policy(), policy);
    assert_eq!(fail(&mut bench), Verdict::Final);
}

#[test]
fn resume_revert_and_update_give_all_attempts_back() {
    let revive: [fn(&mut Bench); 3] = [
        |bench| {
            let now = bench.now();
            bench.journal.resume(now);
        },
        |bench| {
            let now = bench.now();
            bench.journal.revert(everlog_oplog::Index(3), now).unwrap();
        },
        |bench| {
            let now = bench.now();
            bench.journal.update_requested(4, UpdateMode::Automatic, now);
            bench.journal.update_done(4, now);
        },
    ];
    for revive in revive {
        let mut bench = Bench::started();
        bench.read(b"1");
        assert_eq!(fail_as(&mut bench, FailureKind::StackOverflow), Verdict::Final);
        revive(&mut bench);
        bench.recover_into_invocation();
        assert_eq!(bench.journal.status().state, WorkerState::Running);
        assert_eq!(bench.journal.status().retry_count(), 0);
        assert!(!bench.call(Category::ReadLocal, b"", b"").is_live());
        let verdict = fail(&mut bench);
        assert_eq!(delay(&bench, verdict), 100);
    }
}

#[test]
fn delays_of_absurd_policies_are_delays() {
    let absurd = |multiplier, jitter| RetryPolicy { multiplier, jitter, ..RetryPolicy::default() };
    for policy in [
        absurd(f64::NAN, f64::NAN),
        absurd(-1.0, -1.0),
        absurd(f64::NEG_INFINITY, f64::NEG_INFINITY),
    ] {
        assert_eq!(policy.delay_nanos(3, u64::MAX), 100 * MILLISECOND);
    }
    let longest = absurd(f64::INFINITY, f64::INFINITY).delay_nanos(u32::MAX, u64::MAX);
    assert_eq!(longest, 2000 * MILLISECOND, "no more than doubled by jitter");
    let jittered = RetryPolicy::default().delay_nanos(1, u64::MAX);
    assert!(jittered.abs_diff(115 * MILLISECOND) <= 1, "{jittered} ns");
}
