//! A fallible transaction undoes what succeeded, in reverse order, and says what it could not undo.

use crate::world::{World, words};
use everlog::mock::{self, Host};
use everlog::{
    FallibleTransaction, Operation, Remains, Rollback, Step, TransactionFailure,
    fallible_transaction, golem_operation, operation,
};

/// An operation on the world that fails if told so, as does its compensation.
#[derive(Clone)]
struct Change {
    world: World,
    fails: bool,
    sticks: bool,
}

impl Operation for Change {
    type In = u32;
    type Out = String;
    type Err = String;

    fn execute(&self, number: u32) -> Result<String, String> {
        self.world.act(format!("do {number}"));
        if self.fails { Err(format!("no {number}")) } else { Ok(format!("receipt {number}")) }
    }

    fn compensate(&self, number: u32, receipt: String) -> Result<(), String> {
        self.world.act(format!("undo {number} by {receipt}"));
        if self.sticks { Err(format!("stuck {number}")) } else { Ok(()) }
    }
}

/// Executes three changes of which one fails and one cannot be undone; 0 means none.
fn three(world: &World, failing: u32, sticking: u32) -> Result<u32, TransactionFailure<String>> {
    fallible_transaction(|tx| {
        for number in 1..=3 {
            let (fails, sticks) = (number == failing, number == sticking);
            tx.execute(Change { world: world.clone(), fails, sticks }, number)?;
        }
        Ok(3)
    })
}

fn step(number: usize) -> Step {
    Step { number, name: "Change".to_owned() }
}

#[test]
fn all_is_done_if_nothing_fails() {
    let world = World::default();
    assert_eq!(three(&world, 0, 0), Ok(3));
    assert_eq!(world.seen(), words("do 1, do 2, do 3"));
}

#[test]
fn a_failure_at_each_step_undoes_those_before() {
    let expected = [
        "do 1",
        "do 1, do 2, undo 1 by receipt 1",
        "do 1, do 2, do 3, undo 2 by receipt 2, undo 1 by receipt 1",
    ];
    for (failing, expected) in (1..).zip(expected) {
        let world = World::default();
        let failure = three(&world, failing, 0).unwrap_err();
        assert_eq!(world.seen(), words(expected));
        assert_eq!(failure.failed, Some(step(failing as usize)));
        assert_eq!(failure.error, format!("no {failing}"));
        assert_eq!(failure.rollback, Rollback::Complete);
    }
}

#[test]
fn a_rollback_stops_where_it_fails_and_says_what_is_left() {
    let world = World::default();
    let failure = three(&world, 3, 2).unwrap_err();
    assert_eq!(world.seen(), words("do 1, do 2, do 3, undo 2 by receipt 2"));
    let remains = Remains { step: step(2), error: "stuck 2".to_owned(), before: vec![step(1)] };
    assert_eq!(failure.rollback, Rollback::Partial(Box::new(remains)));
    assert!(!failure.is_rolled_back_completely());
    assert_eq!(
        failure.to_string(),
        "step 3 (Change) failed: no 3; undoing step 2 (Change) failed: stuck 2; \
         not undone either: step 1 (Change)"
    );
}

#[test]
fn an_error_of_the_closure_belongs_to_no_step() {
    let world = World::default();
    let change = Change { world: world.clone(), fails: false, sticks: false };
    let failure = fallible_transaction(|tx| {
        let refused = Change { fails: true, ..change.clone() };
        assert_eq!(tx.execute(refused, 1), Err("no 1".to_owned()));
        tx.execute(change, 2)?;
        Err::<(), _>("changed my mind".to_owned())
    });
    let failure = failure.unwrap_err();
    assert_eq!(failure.failed, None);
    assert_eq!(world.seen(), words("do 1, do 2, undo 2 by receipt 2"));
    assert_eq!(
        failure.to_string(),
        "the transaction failed: changed my mind; everything before was undone"
    );
}

#[test]
fn a_crash_at_every_entry_changes_neither_outcome_nor_order() {
    let calm = World::default();
    let host = Host::new();
    let expected = host.run(|| three(&calm, 3, 0));
    let entries = host.history().len() as u64;
    assert!(entries > 10, "{:?}", host.history());
    for entry in 1..=entries {
        for host in [Host::new().crash_after(entry), Host::new().crash_before(entry)] {
            let world = World::default();
            assert_eq!(host.run(|| three(&world, 3, 0)), expected, "entry {entry}");
            let mut seen = world.seen();
            let effects = seen.len();
            seen.dedup();
            assert_eq!(seen, calm.seen(), "entry {entry}: the order is the same");
            assert!(effects <= calm.seen().len() + 1, "entry {entry}: one repetition at most");
        }
    }
}

#[test]
fn a_panic_repeats_its_operation_only() {
    let world = World::default();
    let panicking = {
        let world = world.clone();
        operation(
            move |(): ()| {
                world.act("first half");
                let unlucky = world.seen().len() < 3;
                if mock::effect("look", || unlucky) {
                    std::panic::resume_unwind(Box::new("unlucky"));
                }
                world.act("second half");
                Ok::<(), String>(())
            },
            |(), ()| Ok(()),
        )
    };
    let outcome = Host::new().retries(1).run(|| {
        fallible_transaction(|tx| {
            tx.execute(Change { world: world.clone(), fails: false, sticks: false }, 1)?;
            tx.execute(panicking.clone(), ())
        })
    });
    assert_eq!(outcome, Ok(()));
    assert_eq!(world.seen(), words("do 1, first half, first half, second half"));
}

#[golem_operation(compensation = undo_without)]
fn without(fails: bool) -> Result<u32, String> {
    mock::effect(format!("without {fails}"), || if fails { Err("no".to_owned()) } else { Ok(1) })
}

fn undo_without() -> Result<(), String> {
    mock::effect("undo without", || Ok(()))
}

#[golem_operation(compensation = forms::undo_with_result)]
fn with_result() -> Result<u32, String> {
    mock::effect("with result", || Ok(2))
}

#[golem_operation(compensation = forms::undo_with_all)]
fn with_all(mut name: String, (left, right): (u8, u8)) -> Result<u32, String> {
    name.push('!');
    mock::effect(format!("with all {name} {left} {right}"), || Ok(3))
}

mod forms {
    use everlog::mock;

    pub(crate) fn undo_with_result(result: u32) -> Result<(), String> {
        mock::effect(format!("undo with result {result}"), || Ok(()))
    }

    #[expect(clippy::needless_pass_by_value, reason = "a compensation owns what it takes")]
    pub(crate) fn undo_with_all(result: u32, name: String, pair: (u8, u8)) -> Result<(), String> {
        mock::effect(format!("undo with all {result} {name} {pair:?}"), || Ok(()))
    }
}

fn use_all_forms(tx: &mut FallibleTransaction<String>, fails: bool) -> Result<u32, String> {
    let sum = tx.without(false)? + tx.with_result()? + tx.with_all("x".to_owned(), (4, 5))?;
    tx.without(fails)?;
    Ok(sum)
}

#[test]
fn compensations_of_all_forms_get_what_they_take() {
    let host = Host::new();
    assert_eq!(host.run(|| fallible_transaction(|tx| use_all_forms(tx, false))), Ok(6));
    let host = Host::new();
    let failure = host.run(|| fallible_transaction(|tx| use_all_forms(tx, true)).unwrap_err());
    assert_eq!(failure.failed, Some(Step { number: 4, name: "without".to_owned() }));
    let undone: Vec<String> =
        host.oplog().into_iter().filter(|call| call.starts_with("undo")).collect();
    assert_eq!(undone, words_by(';', "undo with all 3 x (4, 5); undo with result 2; undo without"));
}

fn words_by(separator: char, line: &str) -> Vec<String> {
    line.split(separator).map(|word| word.trim().to_owned()).collect()
}

#[test]
fn an_operation_of_closures_is_named_by_its_place() {
    let refusing = operation(|(): ()| Err::<(), _>("no"), |(), ()| Ok(()));
    let failure = fallible_transaction(|tx| tx.execute(refusing, ())).unwrap_err();
    let name = failure.failed.unwrap().name;
    assert!(name.starts_with("operation at ") && name.contains("fallible.rs:"), "{name}");
}
