//! The command line as a user types it.

use std::path::Path;
use std::process::{Output, Stdio};

use crate::process::everlog;
use crate::server::Server;

/// Runs `everlog` with these arguments against a server, to its end.
///
/// # Panics
/// If the binary cannot be started.
pub async fn run(server: &Server, arguments: &[&str]) -> Finished {
    let mut command = everlog();
    command.env("EVERLOG_SERVER", format!("http://127.0.0.1:{}", server.port()));
    command.args(arguments).stdin(Stdio::null());
    finish(command).await
}

/// Runs `everlog` in a directory, without a server, to its end.
///
/// # Panics
/// If the binary cannot be started.
pub async fn run_in(directory: &Path, arguments: &[&str]) -> Finished {
    let mut command = everlog();
    command.current_dir(directory).args(arguments).stdin(Stdio::null());
    finish(command).await
}

async fn finish(mut command: std::process::Command) -> Finished {
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    Finished(output.expect("no panic").expect("the binary starts"))
}

/// A command that has ended.
#[derive(Debug)]
pub struct Finished(Output);

impl Finished {
    /// Returns the exit code.
    pub fn code(&self) -> Option<i32> {
        self.0.status.code()
    }

    /// Returns what was printed to standard output.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    /// Returns what was printed to standard error.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// Returns the output of a command that succeeded.
    ///
    /// # Panics
    /// If it failed.
    #[track_caller]
    pub fn success(&self) -> String {
        assert_eq!(self.code(), Some(0), "{}{}", self.output(), self.errors());
        self.output()
    }

    /// Returns the JSON that a command which succeeded printed.
    ///
    /// # Panics
    /// If it failed or printed something else.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        let output = self.success();
        serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"))
    }
}
