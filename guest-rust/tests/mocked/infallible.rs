//! An infallible transaction undoes what succeeded, goes back, waits and starts over.

use std::cell::{Cell, RefCell};

use crate::world::{World, words};
use everlog::mock::{self, Host};
use everlog::{
    InfallibleTransaction, Retry, Transaction, fallible_transaction, generate_idempotency_key,
    golem_operation, infallible_transaction, operation,
};

/// Reserves, which always works, and pays, which is refused this often at first.
fn buy(
    tx: &mut InfallibleTransaction,
    world: &World,
    refusals: usize,
) -> Result<&'static str, Retry> {
    let (reserve, release, pay) = (world.clone(), world.clone(), world.clone());
    let reserving = operation(
        move |(): ()| {
            reserve.act("reserve");
            Ok::<(), String>(())
        },
        move |(), ()| {
            release.act("release");
            Ok(())
        },
    );
    let paying = operation(move |(): ()| pay.try_to("pay", refusals), |(), ()| Ok(()));
    tx.execute(reserving, ());
    tx.execute(paying, ());
    Ok("bought")
}

#[test]
fn it_starts_over_until_it_succeeds() {
    let world = World::default();
    let bought = Host::new().run(|| infallible_transaction(|tx| buy(tx, &world, 2)));
    assert_eq!(bought, "bought");
    let expected = "reserve, pay, release, reserve, pay, release, reserve, pay";
    assert_eq!(world.seen(), words(expected));
}

#[test]
fn the_oplog_holds_the_last_attempt_only() {
    let world = World::default();
    let host = Host::new();
    host.run(|| infallible_transaction(|tx| buy(tx, &world, 2)));
    let count = |calls: &[String], call: &str| calls.iter().filter(|made| *made == call).count();
    assert_eq!((count(&host.oplog(), "pay"), count(&host.history(), "pay")), (1, 3));
    assert_eq!(count(&host.oplog(), "release"), 0);
}

#[test]
fn it_waits_longer_each_time() {
    let world = World::default();
    let host = Host::new();
    host.run(|| infallible_transaction(|tx| buy(tx, &world, 5)));
    let mut waits = host.history();
    waits.retain(|call| call.starts_with("sleep"));
    assert_eq!(waits, words("sleep 100ms, sleep 200ms, sleep 600ms, sleep 1s, sleep 1s"));
}

#[test]
fn memory_goes_back_too() {
    let world = World::default();
    let (memory, attempts) = Host::new().run(|| {
        let memory = Cell::new(0);
        let attempts = infallible_transaction(|tx| {
            memory.set(memory.get() + 1);
            world.act("attempt");
            let attempts = mock::effect("count", || world.seen().len());
            if attempts < 3 {
                return Err(Retry::because("too few"));
            }
            let _: &mut InfallibleTransaction = tx;
            Ok(attempts)
        });
        (memory.get(), attempts)
    });
    assert_eq!((memory, attempts), (1, 3));
}

#[test]
fn keys_are_new_after_an_undone_attempt_and_the_same_after_a_crash() {
    let keys_of = |host: Host| {
        let keys = RefCell::new(Vec::new());
        host.run(|| {
            infallible_transaction(|tx| {
                let drawing =
                    operation(|(): ()| Ok::<_, String>(generate_idempotency_key()), |(), _| Ok(()));
                let key = tx.execute(drawing, ());
                let attempt = mock::effect("send", || {
                    keys.borrow_mut().push(key);
                    keys.borrow().len()
                });
                if attempt == 1 { Err(Retry::because("once more")) } else { Ok(()) }
            });
        });
        keys.into_inner()
    };
    let calm = keys_of(Host::new());
    assert_ne!(calm[0], calm[1]);
    // Crashed while the first request was sent, it is sent again: the same key.
    let sending = 6;
    let crashed = keys_of(Host::new().crash_before(sending));
    assert_eq!(crashed[..2], [calm[0], calm[0]]);
}

#[test]
fn a_crash_at_every_entry_is_survived() {
    let calm = World::default();
    let host = Host::new();
    host.run(|| infallible_transaction(|tx| buy(tx, &calm, 2)));
    for entry in 1..=host.history().len() as u64 {
        for host in [Host::new().crash_after(entry), Host::new().crash_before(entry)] {
            let world = World::default();
            let bought = host.run(|| infallible_transaction(|tx| buy(tx, &world, 2)));
            assert_eq!(bought, "bought");
            let seen = world.seen();
            let count = |what: &str| seen.iter().filter(|seen| *seen == what).count();
            let kept = count("reserve") as i64 - count("release") as i64;
            assert!((0..=2).contains(&kept), "entry {entry}: {seen:?}");
            assert_eq!(seen.last().map(String::as_str), Some("pay"), "entry {entry}");
            assert!(seen.len() <= calm.seen().len() + 1, "entry {entry}: {seen:?}");
        }
    }
}

#[test]
fn a_failing_compensation_is_tried_again_by_the_host() {
    let world = World::default();
    let bought = Host::new().retries(2).run(|| {
        infallible_transaction(|tx| {
            let (release, pay) = (world.clone(), world.clone());
            let reserving = operation(|(): ()| Ok(()), move |(), ()| release.try_to("release", 2));
            tx.execute(reserving, ());
            tx.execute(operation(move |(): ()| pay.try_to("pay", 1), |(), ()| Ok(())), ());
            Ok("bought")
        })
    });
    assert_eq!(bought, "bought");
    assert_eq!(world.seen(), words("pay, release, release, release, pay"));
}

#[derive(Debug, Clone, PartialEq)]
struct Refused(u8);

impl std::fmt::Display for Refused {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "refused {}", self.0)
    }
}

impl std::error::Error for Refused {}

#[golem_operation(compensation = untransact)]
fn transaction_step(step: u8) -> Result<u8, Refused> {
    mock::effect(format!("step {step}"), || Ok(step))
}

fn untransact(_: u8, step: u8) -> Result<(), Refused> {
    mock::effect(format!("undo {step}"), || Ok(()))
}

/// Serves in both kinds of transactions.
fn two_steps<T: Transaction<Refused>>(tx: &mut T, fails: bool) -> Result<u8, T::Failure> {
    let sum = tx.transaction_step(1)? + tx.transaction_step(2)?;
    if fails {
        return Err(tx.fail(Refused(sum)));
    }
    Ok(sum)
}

#[test]
fn operations_are_methods_of_both_kinds_of_transactions() {
    let fallible = Host::new().run(|| fallible_transaction(|tx| two_steps(tx, true)));
    assert_eq!(fallible.unwrap_err().error, Refused(3));

    let host = Host::new();
    let tries = Cell::new(0);
    let sum = host.run(|| {
        infallible_transaction(|tx| {
            let unlucky = mock::effect("luck", || tries.replace(tries.get() + 1) < 1);
            let sum = two_steps(tx, unlucky)?;
            // Errors of other functions start over too.
            let parsed: u8 = "4".parse()?;
            Ok(sum + parsed + tx.transaction_step(5)?)
        })
    });
    assert_eq!(sum, 12);
    let mut calls = host.history();
    calls.retain(|call| call.starts_with("step") || call.starts_with("undo"));
    assert_eq!(calls, words("step 1, step 2, undo 2, undo 1, step 1, step 2, step 5"));
}
