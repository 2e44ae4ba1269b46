//! State is JSON under keys, seen and set from outside, and recorded like all else.

use everlog::mock::Host;
use everlog::state;

#[test]
fn what_was_set_is_read_listed_and_cleared() {
    let host = Host::new();
    host.set_state("given", "[1, 2]");
    host.run(|| {
        assert_eq!(state::get::<Vec<u8>>("given"), Ok(Some(vec![1, 2])));
        state::set("b", "text").unwrap();
        state::set("a/1", &Some(7)).unwrap();
        assert_eq!(state::keys("").unwrap(), ["a/1", "b", "given"]);
        assert_eq!(state::keys("a/").unwrap(), ["a/1"]);
        state::clear("b").unwrap();
        assert_eq!(state::get::<String>("b"), Ok(None));
    });
    assert_eq!(host.state("a/1").as_deref(), Some("7"));
    host.run(|| state::clear_all().unwrap());
    assert_eq!(host.state("a/1"), None);
}

#[test]
fn what_does_not_fit_is_told() {
    let host = Host::new();
    host.set_state("k", "{");
    host.run(|| {
        let error = state::get::<u64>("k").unwrap_err().to_string();
        assert!(error.starts_with("the state under \"k\" is not what was asked for: "), "{error}");
    });
}

/// A crash between reading and setting reads what was read then.
#[test]
fn a_crash_adds_nothing_twice() {
    for entries in 1..=4 {
        let host = Host::new().crash_after(entries);
        let sum = host.run(|| {
            let add = |n: u64| {
                let sum = state::get::<u64>("n").unwrap().unwrap_or_default() + n;
                state::set("n", &sum).unwrap();
                sum
            };
            (add(5), add(2))
        });
        assert_eq!((sum, host.state("n").as_deref()), ((5, 7), Some("7")), "{entries}");
    }
}
