//! Modes hold for a part of the program; guards restore what was before, also when it panics.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use everlog::mock::Host;
use everlog::{
    PersistenceLevel, RetryPolicy, atomically, get_oplog_index, set_oplog_index,
    use_idempotence_mode, use_persistence_level, use_retry_policy, with_idempotence_mode,
    with_persistence_level, with_retry_policy,
};

const NONE: RetryPolicy = RetryPolicy {
    max_attempts: 0,
    min_delay: Duration::from_nanos(1),
    max_delay: Duration::from_secs(u64::MAX),
    multiplier: 1.5,
};

/// Panics without a word on the standard error.
fn panic_quietly() {
    resume_unwind(Box::new("a panic"));
}

#[test]
fn guards_nest_and_restore() {
    let host = Host::new();
    host.run(|| {
        let outer = use_persistence_level(PersistenceLevel::PersistNothing);
        with_persistence_level(PersistenceLevel::PersistRemoteSideEffects, || {});
        drop(outer);
    });
    let level = |level| format!("set-oplog-persistence-level {level:?}");
    let expected = [
        level(PersistenceLevel::PersistNothing),
        level(PersistenceLevel::PersistRemoteSideEffects),
        level(PersistenceLevel::PersistNothing),
        level(PersistenceLevel::Smart),
    ];
    assert_eq!(host.oplog(), expected);
}

#[test]
fn a_panic_restores_every_mode() {
    let host = Host::new();
    host.run(|| {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            with_idempotence_mode(false, || {
                with_retry_policy(NONE, || {
                    with_persistence_level(PersistenceLevel::PersistNothing, panic_quietly);
                });
            });
        }));
        assert!(panicked.is_err());
        // Were a mode still set, the new guards would restore it.
        drop(use_idempotence_mode(false));
        drop(use_persistence_level(PersistenceLevel::PersistNothing));
        drop(use_retry_policy(NONE));
    });
    let oplog = host.oplog();
    let last = |call: &str| oplog.iter().rfind(|made| made.starts_with(call)).cloned();
    assert_eq!(last("set-idempotence-mode"), Some("set-idempotence-mode true".to_owned()));
    assert_eq!(
        last("set-oplog-persistence-level"),
        Some("set-oplog-persistence-level Smart".to_owned())
    );
    let policies: Vec<&String> =
        oplog.iter().filter(|made| made.starts_with("set-retry-policy")).collect();
    assert_eq!(policies.len(), 4);
    assert_eq!(policies[1], policies[3]);
    assert!(policies[1].contains("max_attempts: 3"), "{}", policies[1]);
}

#[test]
fn a_region_with_a_panic_stays_open() {
    let host = Host::new();
    host.run(|| {
        let panicked = catch_unwind(AssertUnwindSafe(|| atomically(panic_quietly)));
        assert!(panicked.is_err());
        atomically(|| {});
    });
    let begin = "mark-begin-operation";
    assert_eq!(host.oplog(), [begin, begin, "mark-end-operation"]);
}

#[test]
fn going_nowhere_is_refused() {
    for target in [0, 2, 1_000] {
        let host = Host::new();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            host.run(|| {
                let _ = get_oplog_index();
                std::panic::set_hook(Box::new(|_| {}));
                set_oplog_index(target)
            })
        }));
        let _ = std::panic::take_hook();
        assert!(outcome.is_err(), "{target}");
    }
}
