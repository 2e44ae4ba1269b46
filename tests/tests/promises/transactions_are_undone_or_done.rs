//! The crate for guests on the real host: a transaction that fails is undone in reverse order, one
//! that must not fail starts over, and a kill or a panic repeats no finished step.

use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server, wait};
use serde_json::{Value, json};

/// Later than any test runs, in milliseconds since 1970.
const NEVER: u64 = 100_000_000_000_000;

/// More entries than a transaction makes; reached only if the drill never fires.
const ENTRIES_MAX: u32 = 200;

fn plan(failing: u32, sticking: u32, panicking: u32, deadline: u64, pause: u64) -> Value {
    json!({
        "failing": failing, "sticking": sticking, "panicking": panicking,
        "deadline": deadline, "pause": pause,
    })
}

fn failing_at(step: u32) -> Value {
    plan(step, 0, 0, NEVER, 0)
}

async fn worker(server: &Server, name: &str) -> Worker {
    server.deploy(&fixtures::TRANSACTIONS).await.worker(name)
}

/// What was done and undone, without the keys.
async fn deeds(worker: &Worker) -> Vec<String> {
    let mut lines = worker.messages().await;
    lines.retain(|line| line.starts_with("do ") || line.starts_with("undo "));
    lines.iter().filter_map(|line| line.rsplit_once(' ')).map(|(deed, _)| deed.to_owned()).collect()
}

/// The keys that steps drew, oldest first.
async fn keys(worker: &Worker, deed: &str) -> Vec<String> {
    let prefix = format!("{deed} ");
    let key = |line: String| line.strip_prefix(&prefix).map(str::to_owned);
    worker.messages().await.into_iter().filter_map(key).collect()
}

#[tokio::test]
async fn a_failure_at_each_step_undoes_those_before() {
    let server = Server::start().await;
    for function in ["fallible", "fallible-async"] {
        let done = worker(&server, &format!("{function}-0")).await;
        assert_eq!(done.call(function, json!([failing_at(0)])).await, json!({"ok": 3}));
        assert_eq!(deeds(&done).await, ["do 1", "do 2", "do 3"]);

        let expected: [&[&str]; 3] =
            [&["do 1"], &["do 1", "do 2", "undo 1"], &["do 1", "do 2", "do 3", "undo 2", "undo 1"]];
        for (step, expected) in (1..).zip(expected) {
            let worker = worker(&server, &format!("{function}-{step}")).await;
            let failed = worker.call(function, json!([failing_at(step)])).await;
            let message = failed["err"].as_str().unwrap_or_default();
            let is_async = function == "fallible-async" && step != 2;
            let name = if is_async { "work_async" } else { "work" };
            let told = format!("step {step} ({name}) failed: {step} is refused");
            assert_eq!(message, format!("{told}; everything before was undone"));
            assert_eq!(deeds(&worker).await, expected, "{function}");
            // A compensation is told the result of its step: the key.
            let undone = keys(&worker, "undo 1").await;
            assert_eq!(undone, keys(&worker, "do 1").await[..undone.len()]);
        }
    }
}

#[tokio::test]
async fn a_rollback_that_fails_says_what_is_left() {
    let server = Server::start().await;
    let worker = worker(&server, "w").await;
    let failed = worker.call("fallible", json!([plan(3, 2, 0, NEVER, 0)])).await;
    let message = failed["err"].as_str().unwrap_or_default();
    let left = "undoing step 2 (work) failed: 2 sticks; not undone either: step 1 (work)";
    assert_eq!(message, format!("step 3 (work) failed: 3 is refused; {left}"));
    assert_eq!(deeds(&worker).await, ["do 1", "do 2", "do 3", "undo 2"]);
}

#[tokio::test]
async fn an_infallible_transaction_starts_over_with_new_keys() {
    let mut server = Server::start().await;
    for function in ["infallible", "infallible-async"] {
        let worker = worker(&server, function).await;
        let deadline = wait::wall_clock() + 400;
        assert_eq!(worker.call(function, json!([plan(3, 0, 0, deadline, 0)])).await, 3);
        let deeds = deeds(&worker).await;
        let attempts = keys(&worker, "do 1").await;
        assert!(attempts.len() >= 2, "it started over: {deeds:?}");
        let round = ["do 1", "do 2", "do 3", "undo 2", "undo 1"];
        for (position, deed) in deeds.iter().enumerate() {
            assert_eq!(deed, round[position % round.len()], "{deeds:?}");
        }
        let mut distinct = attempts.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), attempts.len(), "each attempt drew a key of its own");

        // What was undone and done is history; a restart does none of it again.
        let lines = worker.messages().await;
        server.restart_after_kill().await;
        worker.obey("crash").await;
        worker.call("fallible", json!([failing_at(1)])).await;
        assert_eq!(worker.messages().await[..lines.len()], lines);
    }
}

#[tokio::test]
async fn a_kill_in_a_step_repeats_that_step_only() {
    let mut server = Server::start().await;
    for (function, deed) in
        [("fallible", "do 2"), ("fallible", "undo 2"), ("fallible-async", "do 3")]
    {
        let worker = worker(&server, &deed.replace(' ', "-")).await;
        let failing = if deed.starts_with("undo") { 3 } else { 0 };
        let slow = json!([plan(failing, 0, 0, NEVER, 1_500)]);
        let key = worker.start(function, slow).await;
        wait::until("the step has begun", async || {
            deeds(&worker).await.iter().any(|done| done == deed).then_some(())
        })
        .await;
        server.restart_after_kill().await;
        let state = worker.outcome(&key).await;
        assert_eq!(state["status"], "completed", "{state}");
        let expected: &[&str] = if failing == 0 {
            &["do 1", "do 2", "do 3"]
        } else {
            &["do 1", "do 2", "do 3", "undo 2", "undo 1"]
        };
        assert_eq!(deeds(&worker).await, expected, "{deed}");
    }
}

#[tokio::test]
async fn a_panic_repeats_its_step_with_the_same_key() {
    let server = Server::start().await;
    let worker = worker(&server, "w").await;
    let deadline = wait::wall_clock() + 300;
    let done = worker.call("fallible", json!([plan(0, 0, 2, deadline, 0)])).await;
    assert_eq!(done, json!({"ok": 3}));
    assert!(!worker.oplog_of_type("failed").await.is_empty(), "it panicked");
    let mut draws = worker.oplog_of_type("host-call").await;
    draws.retain(|call| call["function"] == "golem:api/host.generate-idempotency-key");
    let mut drawn: Vec<String> = draws.iter().map(|draw| draw["outcome"].to_string()).collect();
    assert!(drawn.len() > 3, "{draws:?}");
    drawn.dedup();
    assert_eq!(drawn.len(), 3, "one key for each step, however often it ran: {draws:?}");
    assert_eq!(deeds(&worker).await, ["do 1", "do 2", "do 3"]);
}

#[tokio::test]
async fn a_stop_after_each_entry_changes_nothing() {
    let mut survived = 0;
    for entries in 1..ENTRIES_MAX {
        let flag = entries.to_string();
        let flags = ["--stop-after-entries", &flag, "--commit-interval", "1ms"];
        let mut server = Server::start_with(&flags).await;
        let worker = worker(&server, "w").await;
        let client = {
            let worker = worker.clone();
            let arguments = json!([failing_at(3)]);
            tokio::spawn(async move {
                worker.call_until_acknowledged("fallible", arguments, "once").await
            })
        };
        let stopped = wait::until("the server stops or the work is done", async || {
            if server.has_ended() { Some(true) } else { client.is_finished().then_some(false) }
        })
        .await;
        if !stopped {
            break;
        }
        server.start_again_with(&[]).await;
        let answer = client.await.expect("no panic");
        assert_eq!(
            answer["err"], "step 3 (work) failed: 3 is refused; everything before was undone",
            "stopped after {entries} entries"
        );
        let expected = ["do 1", "do 2", "do 3", "undo 2", "undo 1"];
        assert_eq!(deeds(&worker).await, expected, "stopped after {entries} entries");
        survived += 1;
    }
    assert!((15..ENTRIES_MAX - 1).contains(&survived), "{survived} stops were survived");
}

#[tokio::test]
async fn an_atomic_closure_runs_again_as_a_whole() {
    let server = Server::start().await;
    let worker = worker(&server, "w").await;
    let deadline = wait::wall_clock() + 300;
    let drawn = worker.call("atomic-until", json!([deadline])).await;
    assert!(!worker.oplog_of_type("failed").await.is_empty(), "it panicked");
    let printed = keys(&worker, "key").await;
    assert_eq!(Value::from(printed), drawn);
}

#[tokio::test]
async fn modes_hold_within_their_closures() {
    let server = Server::start().await;
    let worker = worker(&server, "w").await;
    let seen = worker.call("modes", json!([])).await;
    let expected = ["Smart true 3", "PersistRemoteSideEffects false 7", "Smart true 3"];
    assert_eq!(seen, json!(expected));
    let failed = worker.invoke("panic-without-retry", json!([])).await;
    failed.expect_problem(500, "invocation-failed");
    assert_eq!(worker.oplog_of_type("failed").await.len(), 1);
}
