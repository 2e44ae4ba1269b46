//! A component built with Golem's own SDK, as published, links and runs: its transactions, atomic
//! regions and modes do what they do on Golem.

use everlog_tests::worker::Worker;
use everlog_tests::{fixtures, server::Server, wait};
use serde_json::{Value, json};

async fn shop(server: &Server, name: &str) -> Worker {
    server.deploy(&fixtures::GOLEM_SDK).await.worker(name)
}

/// The keys that the guest printed, oldest first.
async fn keys(worker: &Worker) -> Vec<String> {
    let key = |line: String| line.strip_prefix("key ").map(str::to_owned);
    worker.messages().await.into_iter().filter_map(key).collect()
}

#[tokio::test]
async fn fallible_transactions_are_undone() {
    let server = Server::start().await;
    let expected: [(&[&str], Value); 4] = [
        (&["reserve", "charge", "ship tea"], json!({"ok": 3})),
        (&["reserve"], json!("sold out")),
        (&["reserve", "charge", "release"], json!("card refused")),
        (&["reserve", "charge", "ship tea", "refund 2", "release"], json!("no van")),
    ];
    for (failing, (lines, outcome)) in expected.into_iter().enumerate() {
        let worker = shop(&server, &failing.to_string()).await;
        let answer = worker.call("fallible", json!([failing])).await;
        assert_eq!(worker.messages().await, lines);
        match outcome.as_str() {
            None => assert_eq!(answer, outcome),
            Some(reason) => {
                let told = answer["err"].as_str().unwrap_or_default();
                assert!(told.contains(reason) && told.contains("completely"), "{told}");
            }
        }
    }
}

#[tokio::test]
async fn infallible_transactions_start_over() {
    let mut server = Server::start().await;
    let worker = shop(&server, "w").await;
    let deadline = wait::wall_clock() + 200;
    assert_eq!(worker.call("infallible", json!([deadline])).await, 11);
    let drawn = keys(&worker).await;
    assert!(drawn.len() > 1, "it started over");
    assert_ne!(drawn[0], drawn[1]);
    assert!(worker.messages().await.iter().any(|line| line == "release"));

    server.restart_after_kill().await;
    worker.obey("crash").await;
    assert_eq!(worker.call("fallible", json!([0])).await, json!({"ok": 3}));
    assert_eq!(keys(&worker).await, drawn, "nothing ran again");
}

#[tokio::test]
async fn atomic_regions_run_again_with_the_same_key() {
    let server = Server::start().await;
    let worker = shop(&server, "w").await;
    let deadline = wait::wall_clock() + 300;
    let key = worker.call("atomic-until", json!([deadline])).await;
    assert!(!worker.oplog_of_type("failed").await.is_empty(), "it panicked");
    assert_eq!(json!(keys(&worker).await), json!([key]));
}

#[tokio::test]
async fn guards_set_and_restore_modes() {
    let server = Server::start().await;
    let seen = shop(&server, "w").await.call("modes", json!([])).await;
    let expected =
        ["PersistenceLevel::PersistRemoteSideEffects false 7", "PersistenceLevel::Smart true 3"];
    assert_eq!(seen, json!(expected));
}
