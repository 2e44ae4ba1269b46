use super::{Filter, FilterError, MAX_FILTER_BYTES, Subject, parse};

/// 2026-03-01T12:00:00Z in nanoseconds since the Unix epoch.
const NOON: u64 = 1_772_366_400_000_000_000;

fn filter(text: &str) -> Filter {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn matches(text: &str) -> bool {
    let env = [("TIER".to_owned(), "gold".to_owned()), ("EMPTY".to_owned(), String::new())];
    let subject =
        Subject { name: "cart-17", status: "failed", version: 2, created_at: NOON, env: &env };
    filter(text).matches(&subject)
}

#[test]
fn compares_every_field() {
    for holds in [
        "name = cart-17",
        "name != other",
        "name < cart-2",
        "name like cart-*",
        "status = failed",
        "status != running",
        "version = 2",
        "version>=2",
        "version < 10",
        "createdAt <= 2026-03-01T12:00:00Z",
        "createdAt > '2026-03-01T12:59:59.9+01:00'",
        "env.TIER = gold",
        "env.TIER = \"gold\"",
        "env.EMPTY = ''",
        "env.NONE != gold",
    ] {
        assert!(matches(holds), "{holds}");
    }
    for fails in [
        "name = cart",
        "version > 2",
        "env.NONE = ''",
        "env.NONE like *",
        "env.NONE < z",
        "name like art",
    ] {
        assert!(!matches(fails), "{fails}");
    }
}

#[test]
fn not_binds_closer_than_and_and_and_closer_than_or() {
    assert!(matches("name = cart-17 or name = x and name = y"));
    assert!(!matches("(name = cart-17 or name = x) and name = y"));
    assert!(!matches("not name = cart-17 and name = y"));
    assert!(matches("not (name = cart-17 and name = y)"));
    assert!(matches("not not version = 2"));
}

#[test]
fn a_star_stands_for_any_text() {
    let like = |text: &str, pattern: &str| super::like(text, pattern);
    for (text, pattern) in [
        ("", "*"),
        ("abc", "*"),
        ("abc", "a*c"),
        ("abc", "a**c"),
        ("abcabc", "*abc"),
        ("aXbXc", "a*b*c"),
        ("ac", "a*c"),
    ] {
        assert!(like(text, pattern), "{text} like {pattern}");
    }
    for (text, pattern) in
        [("a", "a*a"), ("abc", ""), ("abc", "b*"), ("abc", "*b"), ("aba", "ab*ba"), ("", "*a*")]
    {
        assert!(!like(text, pattern), "{text} like {pattern}");
    }
}

#[test]
fn a_hostile_pattern_is_quick() {
    let pattern = "*a".repeat(1_000);
    assert!(!super::like(&"a".repeat(999), &pattern));
    assert!(super::like(&"a".repeat(1_000), &pattern));
}

#[test]
fn quotes_hold_anything() {
    let subject =
        Subject { name: r#"it's "x" (and)"#, status: "idle", version: 0, created_at: 0, env: &[] };
    assert!(filter(r#"name = "it's \"x\" (and)""#).matches(&subject));
    assert!(filter(r#"name = 'it\'s "x" (and)'"#).matches(&subject));
}

#[test]
fn errors_say_where_and_what() {
    for (text, message) in [
        (
            "",
            "expected a field (name, status, version, createdAt or env.KEY) at byte 0 of the \
             filter, found the end",
        ),
        (
            "nam = x",
            "expected a field (name, status, version, createdAt or env.KEY) at byte 0 of the \
             filter, found `nam`",
        ),
        ("name x", "expected one of = != < <= > >= like at byte 5 of the filter, found `x`"),
        ("name =", "expected a value at byte 6 of the filter, found the end"),
        ("version like 2", "expected one of = != < <= > >= at byte 8 of the filter, found `like`"),
        ("(name = x", "expected `and`, `or` or `)` at byte 9 of the filter, found the end"),
        ("name = x y", "expected `and`, `or` or the end at byte 9 of the filter, found `y`"),
        (
            "name ! x",
            "expected a comparison at byte 5 of the filter, found `!` alone (write `not` or `!=`)",
        ),
        ("name = 'x", "the quote at byte 7 of the filter is never closed"),
        ("version = two", "a version is a whole number, `two` is none (at byte 10 of the filter)"),
        (
            "status = dead",
            "`dead` is no status; there are running, idle, suspended, interrupted, retrying, \
             failed, exited, stalled (at byte 9 of the filter)",
        ),
    ] {
        assert_eq!(parse(text).expect_err(text).to_string(), message);
    }
    let error = parse("createdAt > yesterday").expect_err("no instant").to_string();
    assert!(error.contains("yesterday") && error.contains("RFC 3339"), "{error}");
}

#[test]
fn length_and_depth_are_limited() {
    assert_eq!(parse(&" ".repeat(MAX_FILTER_BYTES + 1)), Err(FilterError::TooLong));
    for nest in ["(", "not "] {
        let error = parse(&nest.repeat(1_000)).expect_err("too deep");
        assert!(matches!(error, FilterError::TooDeep { .. }), "{error}");
    }
}

#[test]
fn any_text_is_a_filter_or_an_error() {
    proptest::proptest!(|(text in "\\PC{0,60}")| {
        let _ = parse(&text);
    });
    proptest::proptest!(|(words in proptest::collection::vec(
        proptest::sample::select(vec![
            "name", "=", "like", "not", "and", "or", "(", ")", "'a'", "version", "3", "é",
        ]),
        0..20,
    ))| {
        let _ = parse(&words.join(" "));
    });
}
