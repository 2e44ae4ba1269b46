//! `golem:api/host`: what a guest says about its durability is kept, and refused with a reason.

use everlog_oplog::{Index, JumpError};
use wasmtime_wasi::p2::bindings::random::random;

use super::super::WorkerState;
use super::{House, last_index};
use crate::durable::Interruption;
use crate::golem::bindings::golem::api::host::{Host, PersistenceLevel, RetryPolicy, Uuid};

fn number(worker: &mut WorkerState) -> u64 {
    random::Host::get_random_u64(worker).unwrap()
}

async fn key(worker: &mut WorkerState) -> (u64, u64) {
    let Uuid { high_bits, low_bits } = Host::generate_idempotency_key(worker).await.unwrap();
    (high_bits, low_bits)
}

fn interruption(error: wasmtime::Error) -> Interruption {
    error.downcast().unwrap()
}

#[tokio::test]
async fn a_jump_is_durable_and_the_next_life_goes_on_behind_the_mark() {
    let mut house = House::new();
    let mut first = house.life();
    let before = number(&mut first);
    let mark = Host::get_oplog_index(&mut first).unwrap();
    let after = number(&mut first);
    let error = Host::set_oplog_index(&mut first, mark).await.unwrap_err();
    assert!(matches!(interruption(error), Interruption::Jump { to } if to == Index(mark)));
    assert_eq!(first.recorder.durable().get(), last_index(&first));
    house.end(first).await;

    let mut second = house.life();
    assert_eq!(number(&mut second), before);
    assert_eq!(Host::get_oplog_index(&mut second).unwrap(), mark);
    assert_ne!(number(&mut second), after);
    house.end(second).await;
}

#[tokio::test]
async fn a_refused_jump_or_end_says_why_and_writes_nothing() {
    let house = House::new();
    let mut worker = house.life();
    let last = last_index(&worker);
    let error = Host::set_oplog_index(&mut worker, 99).await.unwrap_err();
    let Interruption::JumpRefused(JumpError::Future { to, last: seen }) = interruption(error)
    else {
        panic!("refused for another reason");
    };
    assert_eq!((to, seen), (Index(99), Index(last)));

    let error = Host::mark_end_operation(&mut worker, 1).unwrap_err();
    assert!(matches!(interruption(error), Interruption::AtomicRefused(_)));
    assert_eq!(last_index(&worker), last);
}

#[tokio::test]
async fn a_key_is_durable_before_it_is_seen_and_the_same_when_a_region_runs_again() {
    let mut house = House::new();
    let mut first = house.life();
    let (one, other) = (key(&mut first).await, key(&mut first).await);
    assert_ne!(one, other);
    assert_eq!(first.recorder.durable().get(), last_index(&first));
    let begin = Host::mark_begin_operation(&mut first).unwrap();
    let inside = key(&mut first).await;
    house.end(first).await;

    let mut second = house.life();
    assert_eq!((key(&mut second).await, key(&mut second).await), (one, other));
    assert_eq!(Host::mark_begin_operation(&mut second).unwrap(), begin);
    assert_eq!(key(&mut second).await, inside, "drawn again, since the region was cut off");
    Host::mark_end_operation(&mut second, begin).unwrap();
    Host::mark_end_operation(&mut second, begin).unwrap();
    house.end(second).await;
}

#[tokio::test]
async fn modes_are_kept_and_durable_where_they_must_be() {
    fn policy() -> RetryPolicy {
        RetryPolicy { max_attempts: 7, min_delay: 1, max_delay: 2, multiplier: f64::NAN }
    }
    async fn steer(worker: &mut WorkerState) {
        assert_eq!(Host::get_retry_policy(worker).unwrap().max_attempts, 3);
        assert!(Host::get_idempotence_mode(worker).unwrap());
        Host::set_retry_policy(worker, policy()).unwrap();
        Host::set_idempotence_mode(worker, false).unwrap();
        let level = PersistenceLevel::PersistRemoteSideEffects;
        Host::set_oplog_persistence_level(worker, level).await.unwrap();
        assert_eq!(Host::get_retry_policy(worker).unwrap().max_attempts, 7);
        assert!(!Host::get_idempotence_mode(worker).unwrap());
        let level = Host::get_oplog_persistence_level(worker).unwrap();
        assert!(matches!(level, PersistenceLevel::PersistRemoteSideEffects));
    }
    let mut house = House::new();
    for _life in 0..2 {
        let mut worker = house.life();
        steer(&mut worker).await;
        Host::oplog_commit(&mut worker, 9).await.unwrap();
        assert_eq!(worker.recorder.durable().get(), last_index(&worker));
        house.end(worker).await;
    }
}

#[tokio::test]
async fn what_is_not_to_be_recorded_happens_in_each_life() {
    let mut house = House::new();
    let mut seen = Vec::new();
    for _life in 0..2 {
        let mut worker = house.life();
        Host::set_oplog_persistence_level(&mut worker, PersistenceLevel::PersistNothing)
            .await
            .unwrap();
        seen.push(number(&mut worker));
        Host::set_oplog_persistence_level(&mut worker, PersistenceLevel::Smart).await.unwrap();
        seen.push(number(&mut worker));
        house.end(worker).await;
    }
    assert_ne!(seen[0], seen[2]);
    assert_eq!(seen[1], seen[3]);
}
