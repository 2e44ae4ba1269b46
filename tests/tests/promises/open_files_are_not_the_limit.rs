//! A server may open as many files as the system lets a process open, not the few that a process
//! starts with: connections and the store's tables are files.

use std::fs;

use everlog_tests::server::Server;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Fewer than any system gives to a process that asks for all.
const FEW: u64 = 512;

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "asks the system for the limits of the server")]
async fn the_limit_is_raised_at_start() {
    // The server inherits the limit of this process, which runs this test only.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(FEW), ..limit }).unwrap();
    let server = Server::start().await;
    let limits = fs::read(format!("/proc/{}/limits", server.process_id())).unwrap();
    let limits = String::from_utf8(limits).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    let ["Max", "open", "files", soft, hard, ..] = words[..] else { panic!("{line}") };
    assert_eq!(soft, hard);
    assert_ne!(soft, FEW.to_string(), "the system gives no more, so that this shows nothing");
}
