//! The transactions of asynchronous guests execute both kinds of operations.

use std::cell::Cell;

use crate::world::words;
use everlog::mock::{self, Host};
use everlog::{
    AsyncTransaction, Rollback, Step, block_on, fallible_transaction_async, golem_operation,
    infallible_transaction_async, operation_async,
};

#[golem_operation(compensation = unfetch)]
async fn fetch(page: u32, refusals: u32) -> Result<u32, String> {
    later().await;
    thread_local! {
        static CALLS: Cell<u32> = const { Cell::new(0) };
    }
    mock::effect(format!("fetch {page}"), || {
        let calls = CALLS.replace(CALLS.get() + 1);
        if calls < refusals { Err(format!("page {page} refused")) } else { Ok(page * 10) }
    })
}

async fn unfetch(content: u32, page: u32, _: u32) -> Result<(), String> {
    later().await;
    mock::effect(format!("unfetch {page} {content}"), || Ok(()))
}

#[golem_operation(compensation = unprint)]
fn print(content: u32) -> Result<(), String> {
    mock::effect(format!("print {content}"), || Ok(()))
}

fn unprint() -> Result<(), String> {
    mock::effect("unprint", || Ok(()))
}

/// Waits for one turn of the executor.
async fn later() {
    let mut is_later = false;
    std::future::poll_fn(|_| {
        if is_later {
            return std::task::Poll::Ready(());
        }
        is_later = true;
        std::task::Poll::Pending
    })
    .await;
}

async fn read_and_print<T: AsyncTransaction<String>>(
    tx: &mut T,
    refusals: u32,
) -> Result<u32, T::Failure> {
    let first = tx.fetch(1, 0).await?;
    tx.print(first)?;
    let second = tx.fetch(2, refusals).await?;
    Ok(first + second)
}

fn effects(calls: Vec<String>) -> Vec<String> {
    let is_effect = |call: &String| {
        ["fetch", "unfetch", "print", "unprint"]
            .contains(&call.split(' ').next().unwrap_or_default())
    };
    calls.into_iter().filter(is_effect).collect()
}

#[test]
fn a_failure_undoes_both_kinds_in_reverse_order() {
    let host = Host::new();
    let never = u32::MAX;
    let failure = host
        .run(|| block_on(fallible_transaction_async(async |tx| read_and_print(tx, never).await)))
        .unwrap_err();
    assert_eq!(failure.failed, Some(Step { number: 3, name: "fetch".to_owned() }));
    assert_eq!(failure.rollback, Rollback::Complete);
    let expected = "fetch 1, print 10, fetch 2, unprint, unfetch 1 10";
    assert_eq!(effects(host.oplog()), words(expected));
}

#[test]
fn it_starts_over_until_it_succeeds() {
    let host = Host::new();
    let guest = || block_on(infallible_transaction_async(async |tx| read_and_print(tx, 2).await));
    assert_eq!(host.run(guest), 30);
    assert_eq!(effects(host.oplog()), words("fetch 1, print 10, fetch 2"));
    let undone = host.history().iter().filter(|call| call.starts_with("un")).count();
    assert_eq!(undone, 2);
}

#[test]
fn a_swallowed_failure_still_starts_over() {
    let attempts: &Cell<u32> = Box::leak(Box::default());
    let host = Host::new();
    let total = host.run(|| {
        block_on(infallible_transaction_async(async |tx| {
            let attempt = operation_async(
                async move |(): ()| {
                    mock::effect("attempt", || {
                        attempts.set(attempts.get() + 1);
                        if attempts.get() < 3 { Err("refused") } else { Ok(attempts.get()) }
                    })
                },
                async |(), _| Ok(()),
            );
            Ok(tx.execute_async(attempt, ()).await.unwrap_or(0))
        }))
    });
    assert_eq!(total, 3);
}
