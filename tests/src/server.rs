//! A server under test: the real binary on a free port with a data directory of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use tempfile::TempDir;

use crate::api::{Api, Component};
use crate::clock::SetClock;
use crate::fixtures::Fixture;
use crate::process::{Process, everlog};
use crate::redis::{Port, RedisData, RedisServer};
use crate::state::StateStore;
use crate::wait;

/// How often another port is tried if somebody else, who is no test, was quicker.
const START_ATTEMPTS: u32 = 5;

/// How many lines of the server's own log a failing test shows.
const LOG_LINES_SHOWN: usize = 60;

/// What a server has left on disk. Dropping it removes it.
#[derive(Debug)]
pub struct StoppedData {
    directory: TempDir,
    redis: Option<RedisData>,
}

impl StoppedData {
    /// Takes a folder whose subfolder `data` is the data directory of a server on files.
    pub fn in_files(directory: TempDir) -> Self {
        Self { directory, redis: None }
    }

    /// Returns the data directory.
    pub fn data_directory(&self) -> PathBuf {
        data_directory(self.directory.path())
    }
}

/// Names the engine under which all tests run: `embedded`, the default, or `redis`, where each
/// server has a Redis of its own.
const STORE_VARIABLE: &str = "EVERLOG_TEST_STORE";

/// A running server. Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct Server {
    process: Process,
    port: Port,
    flags: Vec<String>,
    /// What is added to its environment.
    environment: Vec<(&'static str, String)>,
    directory: TempDir,
    api: Api,
    /// What `--store` is given.
    store: String,
    redis: Option<RedisServer>,
}

impl Server {
    /// Starts a server with the defaults on an empty data directory.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a server with further flags of `everlog serve`.
    ///
    /// # Panics
    /// If it does not become ready.
    pub async fn start_with(flags: &[&str]) -> Self {
        let redis = is_on_redis().then(RedisServer::start);
        Self::start_on(None, redis, None, flags, &[]).await
    }

    /// Starts a server whose wall clock a test sets.
    pub async fn start_by(clock: &SetClock, flags: &[&str]) -> Self {
        let redis = is_on_redis().then(RedisServer::start);
        Self::start_on(None, redis, None, flags, &clock.environment()).await
    }

    /// Starts a server on files, whatever the other tests run on.
    pub async fn start_embedded(flags: &[&str]) -> Self {
        Self::start_on(None, None, None, flags, &[]).await
    }

    /// Starts a server on the Redis of another one, with a data directory of its own.
    pub async fn start_beside(other: &Self) -> Self {
        Self::start_on_store(&other.store, &[]).await
    }

    /// Starts a server on the store that has this URL.
    pub async fn start_on_store(url: &str, flags: &[&str]) -> Self {
        Self::start_on(None, None, Some(url), flags, &[]).await
    }

    /// Starts a server on this Redis, whatever the other tests run on.
    ///
    /// # Panics
    /// If it does not become ready.
    pub async fn start_on_redis(redis: RedisServer, flags: &[&str]) -> Self {
        Self::start_on(None, Some(redis), None, flags, &[]).await
    }

    /// Starts a server on a copy of the data that another server, stopped since, has left.
    ///
    /// # Panics
    /// If it does not become ready.
    pub async fn start_on_copy(data: &StoppedData, flags: &[&str]) -> Self {
        let redis = data.redis.as_ref().map(RedisServer::start_on_copy);
        Self::start_on(Some(data), redis, None, flags, &[]).await
    }

    async fn start_on(
        data: Option<&StoppedData>,
        mut redis: Option<RedisServer>,
        other_store: Option<&str>,
        flags: &[&str],
        environment: &[(&'static str, String)],
    ) -> Self {
        let own_store = redis.as_ref().map_or("embedded".to_owned(), RedisServer::url);
        let store = other_store.map_or(own_store, str::to_owned);
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        for _ in 0..START_ATTEMPTS {
            let directory = TempDir::with_prefix("everlog-test-").expect("a temporary directory");
            if let Some(data) = data {
                copy(&data_directory(data.directory.path()), &data_directory(directory.path()));
            }
            let port = Port::draw();
            let process = spawn(port.number(), directory.path(), &store, &flags, environment);
            let (api, flags, store) = (Api::new(port.number()), flags.clone(), store.clone());
            let environment = environment.to_vec();
            let mut server =
                Self { process, port, flags, environment, directory, api, store, redis };
            if server.becomes_ready().await {
                return server;
            }
            assert!(server.log().contains("in use"), "the server did not start");
            redis = server.redis.take();
        }
        panic!("no free port in {START_ATTEMPTS} attempts");
    }

    /// Returns the client side of the server.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Names one of its state stores.
    pub fn state(&self, name: &str) -> StateStore {
        StateStore::new(&self.api, name)
    }

    /// Returns the port, which stays the same across restarts.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Returns the process id of the running server.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Returns the data directory.
    pub fn data_directory(&self) -> PathBuf {
        data_directory(self.directory.path())
    }

    /// Uploads a guest under its own name.
    pub async fn deploy(&self, fixture: &Fixture) -> Component {
        self.api.deploy(fixture.name, fixture.bytes()).await
    }

    /// Kills the server with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts the server again on the same port and data.
    ///
    /// # Panics
    /// If it does not become ready.
    pub async fn start_again(&mut self) {
        let (directory, environment) = (self.directory.path(), &self.environment);
        self.process = spawn(self.port.number(), directory, &self.store, &self.flags, environment);
        assert!(self.becomes_ready().await, "the server did not start again");
    }

    /// Starts the server again with other flags than before.
    ///
    /// # Panics
    /// If it does not become ready.
    pub async fn start_again_with(&mut self, flags: &[&str]) {
        self.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        self.start_again().await;
    }

    /// Stops the server and keeps what it stored, to be copied.
    pub async fn into_data(mut self) -> StoppedData {
        self.terminate().await;
        let empty = TempDir::with_prefix("everlog-test-").expect("a temporary directory");
        let directory = std::mem::replace(&mut self.directory, empty);
        StoppedData { directory, redis: self.redis.take().map(RedisServer::into_data) }
    }

    /// Returns the Redis on which the server runs.
    ///
    /// # Panics
    /// If it runs on files.
    pub fn redis(&mut self) -> &mut RedisServer {
        self.redis.as_mut().expect("this server runs on Redis")
    }

    /// Tells whether the process has ended.
    pub fn has_ended(&mut self) -> bool {
        self.process.ended().is_some()
    }

    /// Kills the server with SIGKILL and starts it again.
    pub async fn restart_after_kill(&mut self) {
        self.kill();
        self.start_again().await;
    }

    /// Stops the process until it is sent `CONT`, and returns when it stands still.
    pub async fn stop(&self) {
        crate::process::stop(self.process.id()).await;
    }

    /// Sends a signal by its name, as in `CONT`.
    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Sends SIGTERM and waits until the server has ended.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.process.signal("TERM");
        self.process.end().await
    }

    /// Waits until all workers have left memory.
    pub async fn nobody_is_loaded(&self) {
        wait::until("nobody is in memory", async || {
            let metrics = self.api.get("/metrics").await.text();
            metrics.lines().any(|line| line == "everlog_loaded_workers 0").then_some(())
        })
        .await;
    }

    /// Returns what the server wrote to its standard output and error in all its lives.
    #[expect(clippy::disallowed_methods, reason = "the harness reads the log file it set up")]
    pub fn log(&self) -> String {
        let bytes = std::fs::read(log_file(self.directory.path())).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// False if the process ended before it was ready.
    async fn becomes_ready(&mut self) -> bool {
        wait::until("the server is ready", async || {
            if self.process.ended().is_some() {
                return Some(false);
            }
            self.api.is_ready().await.then_some(true)
        })
        .await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
            eprintln!("--- the server's log ends with ---\n{}", shown.join("\n"));
        }
    }
}

/// Whether the tests run on Redis.
///
/// # Panics
/// If the variable names another engine.
#[must_use]
pub fn is_on_redis() -> bool {
    match std::env::var(STORE_VARIABLE).as_deref() {
        Err(_) | Ok("embedded") => false,
        Ok("redis") => true,
        Ok(other) => panic!("{STORE_VARIABLE} is `embedded` or `redis`, not `{other}`"),
    }
}

fn spawn(
    port: u16,
    directory: &Path,
    store: &str,
    flags: &[String],
    environment: &[(&'static str, String)],
) -> Process {
    let log = open_log(&log_file(directory));
    let errors = log.try_clone().expect("a second handle of the log file");
    Process::start(
        everlog()
            .arg("serve")
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .arg("--data-dir")
            .arg(data_directory(directory))
            .args(["--store", store])
            .args(flags)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors),
    )
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(status.is_ok_and(|status| status.success()), "cannot copy {}", from.display());
}

fn data_directory(directory: &Path) -> PathBuf {
    directory.join("data")
}

fn log_file(directory: &Path) -> PathBuf {
    directory.join("server.log")
}

#[expect(clippy::disallowed_methods, reason = "the harness sets up the log file")]
fn open_log(path: &Path) -> std::fs::File {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(path);
    log.expect("the temporary directory takes a file")
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, UdpSocket};

    use super::Port;

    #[test]
    fn a_port_that_is_taken_is_not_drawn_again() {
        let taken: Vec<Port> = (0..200).map(|_| Port::draw()).collect();
        for port in &taken {
            assert!(UdpSocket::bind((Ipv4Addr::LOCALHOST, port.number())).is_err());
            TcpListener::bind((Ipv4Addr::LOCALHOST, port.number())).expect("for its server");
        }
    }
}
