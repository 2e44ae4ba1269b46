//! A printed line reaches followers once, also when a crash makes the guest print it again.

mod common;

use common::{Bench, line};
use everlog_oplog::{Category, EntryKind};

fn printed(bench: &mut Bench) -> Vec<String> {
    let message = |kind| match kind {
        EntryKind::Log { message, .. } => Some(message),
        _ => None,
    };
    bench.entries().into_iter().filter_map(|item| message(item.entry.kind)).collect()
}

#[test]
fn what_is_printed_between_recorded_calls_is_old() {
    let mut bench = Bench::started();
    bench.print("a");
    bench.read(b"1");
    bench.print("b");
    bench.read(b"2");
    bench.recover_into_invocation();
    assert!(!bench.print("a"));
    bench.read(b"");
    assert!(!bench.print("b"));
    assert!(!bench.print("more than was recorded, but there is an entry ahead"));
    bench.read(b"");
    assert!(bench.print("c"));
    assert_eq!(printed(&mut bench), ["a", "b", "c"]);
}

#[test]
fn after_the_last_call_as_many_lines_are_old_as_were_recorded() {
    let mut bench = Bench::started();
    bench.read(b"1");
    bench.print("a");
    bench.print("b");
    bench.flush();
    bench.print("c");
    // The tail with c is lost, and c is printed for the first time.
    bench.crash();
    bench.journal.next_recorded().unwrap();
    bench.read(b"");
    assert_eq!(["a", "b", "c"].map(|message| bench.print(message)), [false, false, true]);
    assert!(bench.read(b"2").is_live());
    assert!(bench.print("b"), "what comes later is new, whatever it says");
    assert_eq!(printed(&mut bench), ["a", "b", "c", "b"]);
}

#[test]
fn other_hints_do_not_count_as_lines() {
    let mut bench = Bench::started();
    let now = bench.now();
    bench.print("a");
    bench.journal.interrupt(now);
    bench.journal.resume(now);
    bench.recover_into_invocation();
    assert!(!bench.print("a"));
    assert!(bench.print("b"));
}

#[test]
fn a_region_that_runs_again_prints_again_what_it_had_not_printed() {
    let mut bench = Bench::started();
    let now = bench.now();
    let begin = bench.journal.begin_atomic(now).unwrap();
    bench.print("a");
    bench.read(b"1");
    bench.print("b");
    bench.recover_into_invocation();
    bench.journal.begin_atomic(now).unwrap();
    assert!(!bench.print("a"));
    assert!(bench.read(b"2").is_live());
    assert!(bench.print("x"), "the second attempt came to another result");
    assert!(!bench.print("b"));
    assert!(bench.print("b"), "this one had been printed once only");
    bench.journal.end_atomic(begin, now).unwrap();
    assert!(bench.print("a"), "the region is over");

    // What the attempts printed is known to later recoveries too.
    bench.recover_into_invocation();
    assert_eq!(bench.journal.begin_atomic(now), Ok(begin));
    for message in ["a", "x", "b", "b"] {
        assert!(!bench.print(message));
    }
    bench.read(b"");
    bench.journal.end_atomic(begin, now).unwrap();
    assert!(!bench.print("a"));
    assert!(bench.print("z"));
    assert_eq!(printed(&mut bench), ["a", "b", "x", "b", "a", "z"]);
}

#[test]
fn a_guest_that_goes_back_on_purpose_prints_anew() {
    let mut bench = Bench::started();
    let now = bench.now();
    let mark = bench.journal.mark(now).unwrap();
    bench.print("a");
    bench.call(Category::ReadRemote, b"", b"no");
    bench.journal.jump(mark, now).unwrap();
    bench.recover_into_invocation();
    assert_eq!(bench.journal.mark(now), Ok(mark));
    assert!(bench.print("a"));
    assert_eq!(printed(&mut bench), ["a", "a"]);
}

#[test]
fn long_lines_are_cut_at_a_character_and_say_so() {
    let mut bench = Bench::started();
    let message = format!("x{}", "ä".repeat(40_000));
    assert!(bench.print(&message));
    let recorded = printed(&mut bench).remove(0);
    assert!(recorded.len() <= everlog_oplog::journal::MAX_TEXT_BYTES);
    let (kept, notice) = recorded.split_once('…').unwrap();
    assert!(message.starts_with(kept));
    assert_eq!(notice, format!(" ({} bytes more)", message.len() - kept.len()));
    bench.recover_into_invocation();
    let now = bench.now();
    assert!(!bench.journal.log(line(&message), now), "cut lines are recognised");
}
