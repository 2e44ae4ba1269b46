//! Two servers on one data directory: the second does not start and says who holds it; the first
//! goes on, and when it is gone the directory is free.

use std::time::Duration;

use everlog_tests::command::run_in;
use everlog_tests::{fixtures, server::Server, wait};
use serde_json::json;

#[tokio::test]
async fn the_second_names_the_first() {
    let mut server = Server::start().await;
    let mary = server.deploy(&fixtures::COUNTER).await.worker("mary");
    mary.call("add", json!([5])).await;
    let data = server.data_directory();
    let text = data.display().to_string();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data-dir", &text];
    let second = wait::patiently("the second server ends", run_in(&data, &arguments)).await;
    assert_eq!(second.code(), Some(1));
    let holder = server.process_id().to_string();
    assert!(second.errors().contains(&holder), "names {holder}: {}", second.errors());
    assert!(second.errors().contains(&text), "{}", second.errors());

    assert_eq!(mary.call("add", json!([1])).await, 6);
    server.restart_after_kill().await;
    assert_eq!(mary.call("add", json!([1])).await, 7);
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let server = Server::start().await;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let address = format!("127.0.0.1:{}", server.port());
    let stopwatch = wait::Stopwatch::start();
    let second = run_in(directory.path(), &["serve", "--listen", &address]).await;
    assert_eq!(second.code(), Some(1));
    assert!(second.errors().contains(&address), "{}", second.errors());
    assert!(stopwatch.elapsed() < Duration::from_secs(30));
}
