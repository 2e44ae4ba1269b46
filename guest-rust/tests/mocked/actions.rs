//! An action is one entry, whatever it does; a crash inside runs it again, a later one does not.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use everlog::mock::{Host, effect};
use everlog::{rand, run, try_run};

#[test]
fn only_the_outcome_is_recorded() {
    for entries in 1..=4 {
        let done = RefCell::new(Vec::new());
        let host = Host::new().crash_after(entries);
        let sum: u64 = host.run(|| {
            effect("before", || ());
            let sum = run("sum", || {
                (1..=3).for_each(|n| effect(format!("add {n}"), || done.borrow_mut().push(n)));
                6
            });
            effect("after", || ());
            sum
        });
        assert_eq!(sum, 6);
        assert_eq!(host.oplog(), ["before", "run sum", "after"]);
        assert_eq!(*done.borrow(), [1, 2, 3], "once, with a crash after entry {entries}");
    }
}

#[test]
fn a_crash_inside_runs_it_again_with_the_same_keys() {
    let keys = RefCell::new(Vec::new());
    let host = Host::new().crash_before(1);
    host.run(|| {
        run("draw", || keys.borrow_mut().push(everlog::generate_idempotency_key()));
    });
    let keys = keys.into_inner();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], keys[1]);
}

#[test]
fn an_error_is_an_outcome() {
    let host = Host::new().crash_after(1);
    let error = host.run(|| {
        let told = try_run("ask", || Err::<u8, _>("nobody is there"));
        effect("later", || ());
        told.unwrap_err()
    });
    assert_eq!(error.to_string(), "action ask: nobody is there");
    let result: Result<u8, String> = Host::new().run(|| run("give", || Ok(7)));
    assert_eq!(result, Ok(7));
}

#[test]
fn what_must_not_be_is_noticed() {
    let panics = |guest: fn()| catch_unwind(AssertUnwindSafe(|| Host::new().run(guest))).is_err();
    assert!(panics(|| run("outer", || run("inner", || ()))));
    // The oplog says another name.
    let host = Host::new().crash_after(1);
    let names = RefCell::new(vec!["second", "first"]);
    let asked = || {
        let name = names.borrow_mut().pop().unwrap();
        run(name, || ());
        effect("later", || ());
    };
    assert!(catch_unwind(AssertUnwindSafe(|| host.run(asked))).is_err());
}

#[test]
fn random_numbers_are_drawn_again() {
    let seen = RefCell::new(Vec::new());
    let host = Host::new().crash_after(5);
    host.run(|| {
        let mut order = [1, 2, 3, 4];
        rand::shuffle(&mut order);
        let drawn = (rand::u64(), rand::below(5..10), everlog::uuid(), order);
        assert!((5..10).contains(&drawn.1) && (0.0..1.0).contains(&rand::f64()));
        seen.borrow_mut().push(drawn);
    });
    assert_eq!(rand::choose::<u8>(&[]), None);
    let seen = seen.into_inner();
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
}
