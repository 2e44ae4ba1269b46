//! The everlog binary and the processes made of it.

use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus};

use crate::wait;

/// Returns the binary under test: `EVERLOG_BIN`, or else the release build of this checkout.
///
/// # Panics
/// If there is none.
pub fn binary() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/everlog");
    let binary = std::env::var_os("EVERLOG_BIN").map_or(built, PathBuf::from);
    assert!(binary.is_file(), "{}: not built; run `make build`", binary.display());
    binary
}

/// Returns a command of the binary that no configuration of the developer's environment reaches.
pub fn everlog() -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("EVERLOG_") {
            command.env_remove(name);
        }
    }
    command
}

/// Stops a process with SIGSTOP, and returns when each of its threads stands still: until then it may do what it was just
/// asked for.
///
/// # Panics
/// If the signal cannot be sent.
pub async fn stop(id: u32) {
    send_signal(id, "STOP");
    wait::until("the process stands still", async || stands_still(id).then_some(())).await;
}

fn send_signal(id: u32, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(id.to_string()).status();
    assert!(status.is_ok_and(|status| status.success()), "cannot send SIG{name}");
}

fn stands_still(id: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let mut states = threads.map(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // Behind the name, which is in parentheses and may hold anything.
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next())
    });
    states.all(|state| matches!(state, Some('T') | None))
}

/// A running process that does not outlive the test.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts a command.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}")))
    }

    /// Returns the standard output of a process that was started with a pipe for it, once.
    ///
    /// # Panics
    /// If there is no pipe or it was taken before.
    pub fn take_output(&mut self) -> ChildStdout {
        self.0.stdout.take().expect("a pipe for the standard output")
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Kills the process with SIGKILL, and returns when it is gone.
    pub fn kill(&mut self) {
        // Fails only if it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Sends a signal by its name, as in `TERM`.
    ///
    /// # Panics
    /// If the `kill` command fails.
    pub fn signal(&self, name: &str) {
        send_signal(self.id(), name);
    }

    /// Returns the exit status if the process has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("the process is a child of ours")
    }

    /// Waits until the process ends.
    pub async fn end(&mut self) -> ExitStatus {
        wait::until("the process has ended", async || self.ended()).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
