//! `everlog run app.wasm -- args` runs a command durably in the foreground: killed and started again
//! with the same line, it goes on where it was, and ends with the program's own exit code.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use everlog_tests::command::run_in;
use everlog_tests::fixtures;
use everlog_tests::process::{Process, everlog};
use tempfile::TempDir;

fn run_ticker(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = everlog();
    command.current_dir(directory).arg("run").arg(fixtures::TICKER.path()).arg("--");
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

fn tick_number(line: &str) -> Option<u32> {
    line.strip_prefix("tick ")?.split(' ').next()?.parse().ok()
}

/// Reads ticks until this one has come, then kills the program; returns the ticks that were printed.
async fn run_until(directory: &Path, arguments: &[&str], last: u32) -> Vec<u32> {
    let mut command = run_ticker(directory, arguments);
    tokio::task::spawn_blocking(move || {
        let mut process = Process::start(&mut command);
        let output = process.take_output();
        let mut ticks = Vec::new();
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            ticks.extend(tick_number(&line));
            if ticks.last() == Some(&last) {
                process.kill();
            }
        }
        ticks
    })
    .await
    .expect("no panic")
}

#[tokio::test]
async fn a_killed_program_goes_on() {
    let directory = TempDir::new().expect("a temporary directory");
    let arguments = ["40", "50"];
    let first = run_until(directory.path(), &arguments, 10).await;
    assert_eq!(first, (1..=*first.last().unwrap_or(&0)).collect::<Vec<_>>());
    let second = run_until(directory.path(), &arguments, 25).await;
    let resumed_at = *second.first().expect("the second run prints");
    assert!(resumed_at > 1, "it went on at tick {resumed_at}");

    let rest = run_until(directory.path(), &arguments, u32::MAX).await;
    assert_eq!(rest.last(), Some(&40));
    let mut all: Vec<u32> = [first, second, rest].concat();
    all.dedup();
    assert_eq!(all, (1..=40).collect::<Vec<_>>(), "every tick was printed, in order");
}

#[tokio::test]
async fn a_finished_program_starts_anew() {
    let directory = TempDir::new().expect("a temporary directory");
    let path = fixtures::TICKER.path().display().to_string();
    for _ in 0..2 {
        let output = run_in(directory.path(), &["run", &path, "--", "2", "1"]).await.success();
        assert_eq!(output, "tick 1 of 2\ntick 2 of 2\ndone\n");
    }
}

#[tokio::test]
async fn the_exit_code_is_the_programs() {
    let directory = TempDir::new().expect("a temporary directory");
    let path = fixtures::TICKER.path().display().to_string();
    let failed = run_in(directory.path(), &["run", &path, "--", "many"]).await;
    assert_eq!(failed.code(), Some(1));
    assert!(failed.errors().contains("usage: ticker"), "{}", failed.errors());

    let library = fixtures::COUNTER.path().display().to_string();
    let refused = run_in(directory.path(), &["run", &library]).await;
    assert_eq!(refused.code(), Some(1));
    assert!(refused.errors().contains("wasi:cli/run"), "{}", refused.errors());
    let missing = run_in(directory.path(), &["run", "missing.wasm"]).await;
    assert_eq!(missing.code(), Some(1));
    assert!(missing.errors().contains("missing.wasm"), "{}", missing.errors());
}
