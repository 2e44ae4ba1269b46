//! Runs `examples/append_until_killed.rs` and understands what it says.

use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The child on `directory`. Cargo builds examples beside the tests.
pub(crate) fn command(directory: &Path) -> Command {
    let test = std::env::current_exe().expect("a test knows its own path");
    let built = test.parent().and_then(Path::parent).expect("target/<profile>/deps/<test>");
    let program = built.join("examples").join("append_until_killed");
    let mut command = Command::new(program);
    command.arg(directory);
    command
}

/// Starts it with its stdout in a pipe.
pub(crate) fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Worker and last index of an `acknowledged` line.
pub(crate) fn acknowledgement(line: &str) -> Option<(u64, u64)> {
    let (worker, last) = line.strip_prefix("acknowledged ")?.split_once(' ')?;
    Some((worker.parse().ok()?, last.parse().ok()?))
}
