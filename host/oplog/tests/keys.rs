//! Whoever asks whether a key was ever used may trust a no.

mod common;

use common::{Bench, inline};
use everlog_oplog::{NewInvocation, Timestamp};

fn accept(bench: &mut Bench, key: &str) {
    let (function, request) = ("f".to_owned(), inline(b""));
    let new = NewInvocation { key: key.to_owned(), function, request, fingerprint: 0, trace: None };
    bench.journal.accept(new, None, Timestamp(1));
}

fn seen(bench: &Bench) -> Vec<&'static str> {
    let keys = ["started", "accepted", "cancelled", "reverted", "later", "never"];
    keys.into_iter().filter(|key| bench.journal.may_have_seen(key)).collect()
}

#[test]
fn keys_are_seen_live_and_after_recovery_and_when_they_were_taken_back() {
    let mut bench = Bench::new();
    assert_eq!(seen(&bench), Vec::<&str>::new());
    bench.start("started");
    bench.complete(b"");
    let kept = bench.journal.last_index();
    accept(&mut bench, "accepted");
    accept(&mut bench, "cancelled");
    bench.journal.cancel("cancelled", "for the test", Timestamp(2));
    bench.start("reverted");
    bench.complete(b"");
    let all = ["started", "accepted", "cancelled", "reverted"];
    assert_eq!(seen(&bench), all);
    bench.recover();
    assert_eq!(seen(&bench), all);
    bench.journal.revert(kept, Timestamp(3)).expect("it is part of the history");
    bench.recover();
    assert_eq!(seen(&bench), all, "its record may still be there");
    accept(&mut bench, "later");
    assert_eq!(seen(&bench).last(), Some(&"later"));
    // What was never written is gone with the crash.
    bench.crash();
    assert_eq!(seen(&bench), all);
}
