//! The process stops, as if killed, after the first entry it stored, after the second, and so on
//! through a whole piece of work. Each time the next start ends the work as if nothing had happened.

use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server, wait};
use serde_json::{Value, json};

/// Calls of one piece of work.
const ROUNDS: u32 = 3;

/// More entries than the work makes; reached only if the drill never fires.
const ENTRIES_MAX: u32 = 200;

#[tokio::test]
async fn in_calls_that_use_clock_random_files_output_and_sleep() {
    let mut survived = 0;
    for entries in 1..ENTRIES_MAX {
        if !survives_stop_after(entries).await {
            break;
        }
        survived += 1;
    }
    let least = 3 * ROUNDS;
    assert!((least..ENTRIES_MAX - 1).contains(&survived), "{survived} stops were survived");
}

/// Works with a stop after so many entries; false if the work ended before it came.
async fn survives_stop_after(entries: u32) -> bool {
    let flag = entries.to_string();
    // Every entry is made durable soon, so that the stops fall between any two of them.
    let flags = ["--stop-after-entries", &flag, "--commit-interval", "1ms"];
    let mut server = Server::start_with(&flags).await;
    let worker = server.deploy(&fixtures::MIXER).await.worker("m");
    let client = tokio::spawn(work(worker.clone()));
    let stopped = wait::until("the server stops or the work is done", async || {
        if server.has_ended() { Some(true) } else { client.is_finished().then_some(false) }
    })
    .await;
    if stopped {
        server.start_again_with(&[]).await;
        let told = client.await.expect("no panic");
        assert_same_story(&worker, told, entries).await;
    }
    stopped
}

async fn work(worker: Worker) -> Vec<Value> {
    let mut told = Vec::new();
    for round in 0..ROUNDS {
        let key = format!("round-{round}");
        told.push(worker.call_until_acknowledged("work", json!([round]), &key).await);
    }
    told
}

async fn assert_same_story(worker: &Worker, told: Vec<Value>, entries: u32) {
    let told = Value::from(told);
    let context = format!("stopped after {entries} entries");
    assert_eq!(worker.call("remembered", json!([])).await, told, "{context}");
    assert_eq!(worker.call("written", json!([])).await, told, "{context}");
    assert_eq!(Value::from(worker.messages().await), told, "{context}");
}
