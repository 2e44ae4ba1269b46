//! The check takes what is right and refuses what is not; it agrees with a search through all orders.

use rand::Rng as _;
use rand::rngs::StdRng;

use super::RegisterCall::{CompareAndSwap, Read, Write};
use super::RegisterOutcome::{Number, Swapped, Written};
use super::{Counter, CounterCall, Model, Operation, Register, check};

/// Histories that are compared with a search through all orders.
const SMALL_HISTORIES: u64 = 30_000;

/// Calls without an answer in a long history. Each may double the number of orders of a wrong one.
const OPEN_MAX: u64 = 10;

/// A call from one time to another, with its answer.
fn op<M: Model>(begun: u64, ended: u64, call: M::Call, outcome: M::Outcome) -> Operation<M> {
    Operation { call, begun, ended: Some((ended, outcome)) }
}

/// A call without an answer.
fn lost<M: Model>(begun: u64, call: M::Call) -> Operation<M> {
    Operation { call, begun, ended: None }
}

fn add(begun: u64, ended: u64, number: u64, total: u64) -> Operation<Counter> {
    op(begun, ended, CounterCall::Add(number), total)
}

fn get(begun: u64, ended: u64, total: u64) -> Operation<Counter> {
    op(begun, ended, CounterCall::Get, total)
}

fn swap(begun: u64, ended: u64, expected: u64, new: u64, done: bool) -> Operation<Register> {
    op(begun, ended, CompareAndSwap { expected, new }, Swapped(done))
}

fn write(begun: u64, ended: u64, new: u64) -> Operation<Register> {
    op(begun, ended, Write(new), Written)
}

fn read(begun: u64, ended: u64, number: u64) -> Operation<Register> {
    op(begun, ended, Read, Number(number))
}

#[track_caller]
fn taken<M: Model>(operations: &[Operation<M>]) {
    let order = check(operations).unwrap_or_else(|refusal| panic!("{refusal}"));
    let mut state = M::State::default();
    for operation in order {
        let Operation { call, ended, .. } = &operations[operation];
        let (next, outcome) = M::apply(&state, call);
        assert!(ended.as_ref().is_none_or(|(_, told)| *told == outcome), "the order is right");
        state = next;
    }
}

#[track_caller]
fn refused<M: Model>(operations: &[Operation<M>], ordered: usize) {
    let refusal = check(operations).expect_err("it is refused");
    assert_eq!(refusal.ordered, ordered, "{refusal}");
}

#[test]
fn one_after_the_other() {
    taken::<Counter>(&[]);
    taken(&[add(0, 1, 5, 5), add(2, 3, 2, 7), get(4, 5, 7)]);
    taken(&[write(0, 1, 4), swap(2, 3, 4, 9, true), swap(4, 5, 4, 8, false), read(6, 7, 9)]);
}

#[test]
fn at_once_in_either_order() {
    taken(&[add(0, 10, 1, 2), add(1, 9, 1, 1), get(2, 8, 0)]);
    taken(&[write(0, 10, 1), read(1, 2, 0), read(3, 4, 1)]);
    taken(&[swap(0, 10, 0, 1, true), swap(1, 9, 0, 2, false)]);
    taken(&[swap(0, 10, 0, 1, false), swap(1, 9, 0, 2, true)]);
}

#[test]
fn a_stale_read_is_refused() {
    refused(&[add(0, 1, 5, 5), get(2, 3, 0)], 1);
    refused(&[write(0, 10, 1), read(1, 2, 1), read(3, 4, 0)], 2);
    // Others saw it already, although the write is not over.
    taken(&[write(0, 10, 1), read(1, 2, 0), read(3, 4, 1)]);
}

#[test]
fn a_lost_update_is_refused() {
    refused(&[add(0, 3, 1, 1), add(1, 2, 1, 1)], 1);
    refused(&[add(0, 1, 5, 5), add(2, 3, 2, 2)], 1);
    refused(&[write(0, 1, 4), read(2, 3, 0)], 1);
}

#[test]
fn a_doubled_increment_is_refused() {
    refused(&[add(0, 1, 5, 5), get(2, 3, 10)], 1);
    refused(&[add(0, 1, 5, 10)], 0);
    refused(&[lost(0, CounterCall::Add(5)), get(1, 2, 10)], 1);
}

#[test]
fn two_winners_are_refused() {
    refused(&[swap(0, 3, 0, 1, true), swap(1, 2, 0, 2, true)], 1);
    refused(&[swap(0, 1, 0, 1, true), swap(2, 3, 0, 1, false), swap(4, 5, 0, 2, true)], 2);
    refused(&[swap(0, 1, 0, 1, false)], 0);
}

#[test]
fn what_was_never_written_is_refused() {
    refused(&[write(0, 1, 4), read(2, 3, 5)], 1);
    refused(&[get(0, 1, 1), add(2, 3, 1, 2)], 0);
}

#[test]
fn what_began_later_is_not_before() {
    // The second add is over before the first begins.
    refused(&[add(4, 5, 1, 1), add(0, 1, 1, 2)], 0);
    refused(&[read(0, 1, 4), write(2, 3, 4)], 0);
}

#[test]
fn without_an_answer_it_is_done_now_or_later_or_never() {
    let unknown = lost(0, CounterCall::Add(5));
    taken(&[unknown.clone(), get(1, 2, 5), get(3, 4, 5)]);
    taken(&[unknown.clone(), get(1, 2, 0), get(3, 4, 5)]);
    taken(&[unknown.clone(), get(1, 2, 0), get(3, 4, 0)]);
    refused(&[unknown.clone(), get(1, 2, 5), get(3, 4, 0)], 2);
    // Not before it began.
    refused(&[get(1, 2, 5), lost(3, CounterCall::Add(5))], 0);
    let swap = |expected, new| lost(0, CompareAndSwap { expected, new });
    taken(&[swap(1, 2), write(1, 2, 1), read(3, 4, 1), read(5, 6, 2)]);
    refused(&[swap(1, 2), write(1, 2, 3), read(3, 4, 2)], 1);
}

#[test]
fn a_refusal_says_where() {
    let refusal = check(&[add(0, 1, 5, 5), get(2, 5, 10), add(3, 4, 1, 11)]).expect_err("refused");
    let told = "not linearizable: after 1 calls, the last of them\n  \
                Add(5) = 5 (0 to 1)\n\
                it is 5, and none of these can be next:\n  \
                Get = 10 (2 to 5); it would be 5\n  \
                Add(1) = 11 (3 to 4); it would be 6";
    assert_eq!(refusal.to_string(), told);
}

/// Tries all orders.
fn is_linearizable<M: Model>(operations: &[Operation<M>], done: u32, state: &M::State) -> bool {
    let open = || (0..operations.len()).filter(|number| done >> number & 1 == 0);
    let ends = |number: usize| operations[number].ended.as_ref().map(|(ended, _)| *ended);
    if open().all(|number| ends(number).is_none()) {
        return true;
    }
    let first_end = open().filter_map(ends).min().unwrap_or(u64::MAX);
    open().filter(|number| operations[*number].begun <= first_end).any(|number| {
        let (next, outcome) = M::apply(state, &operations[number].call);
        let told = operations[number].ended.as_ref();
        told.is_none_or(|(_, told)| *told == outcome)
            && is_linearizable(operations, done | 1 << number, &next)
    })
}

/// A few calls of three clients; answers are drawn too, so that most histories are wrong.
fn small_history(random: &mut StdRng) -> Vec<Operation<Register>> {
    let mut clocks = [0_u64; 3];
    let mut operations = Vec::new();
    for _ in 0..random.random_range(1..8) {
        let mut number = || random.random_range(0..3);
        let (expected, new) = (number(), number());
        let clock = &mut clocks[random.random_range(0..3)];
        let begun = *clock + random.random_range(0..4);
        let ended = begun + random.random_range(1..8);
        *clock = ended + 1;
        operations.push(match random.random_range(0..8) {
            0 => lost(begun, Write(new)),
            1 => lost(begun, CompareAndSwap { expected, new }),
            2 | 3 => read(begun, ended, new),
            4 | 5 => write(begun, ended, new),
            _ => swap(begun, ended, expected, new, random.random()),
        });
    }
    operations
}

#[test]
fn it_agrees_with_all_orders() {
    let mut random = crate::seed::generator();
    let (mut right, mut wrong) = (0, 0);
    for number in 0..SMALL_HISTORIES {
        let operations = small_history(&mut random);
        let expected = is_linearizable(&operations, 0, &0);
        assert_eq!(check(&operations).is_ok(), expected, "history {number}: {operations:#?}");
        if expected { right += 1 } else { wrong += 1 }
    }
    assert!(right > SMALL_HISTORIES / 10 && wrong > SMALL_HISTORIES / 10, "{right} {wrong}");
}

/// What many clients see of a counter that is right: each call is done at a moment of its own, and
/// some answers get lost, as do some calls.
fn long_history(random: &mut StdRng, clients: u64, length: u64) -> Vec<Operation<Counter>> {
    let mut moments = Vec::new();
    let mut clocks = vec![0; clients as usize];
    for _ in 0..length {
        let clock = &mut clocks[random.random_range(0..clients) as usize];
        let begun = *clock + random.random_range(1..20);
        let done = begun + random.random_range(1..20);
        *clock = done + random.random_range(1..20);
        moments.push((done, begun, *clock));
    }
    moments.sort_unstable();
    let (mut total, mut open) = (0, OPEN_MAX);
    let calls = moments.into_iter().map(|(_, begun, ended)| {
        let number = random.random_range(1..10);
        let is_done = open == 0 || random.random_bool(0.995);
        let is_answered = open == 0 || random.random_bool(0.995);
        if is_done {
            total += number;
        }
        if is_done && is_answered {
            return add(begun, ended, number, total);
        }
        open -= 1;
        lost(begun, CounterCall::Add(number))
    });
    calls.collect()
}

#[test]
fn long_histories_are_checked_quickly() {
    let mut random = crate::seed::generator();
    for clients in [1, 3, 10] {
        let operations = long_history(&mut random, clients, 3_000);
        taken(&operations);
        // One answer too large, from somewhere in the middle.
        let mut wrong = operations;
        let middle = wrong.iter_mut().skip(1_500).find_map(|operation| operation.ended.as_mut());
        middle.expect("most are answered").1 += 1_000;
        assert!(check(&wrong).expect_err("it is refused").ordered >= 1_400);
    }
}
