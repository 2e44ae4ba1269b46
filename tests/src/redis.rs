//! A Redis server under test: the real binary on a free port with a directory of its own, which
//! syncs everything before it acknowledges it. The tests of the store use this file too.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

#[path = "ports.rs"]
mod ports;

pub use ports::Port;

/// How often another port is tried if somebody else, who is no test, was quicker.
const START_ATTEMPTS: u32 = 5;

/// What a server has left on disk. Dropping it removes it.
#[derive(Debug)]
pub struct RedisData(TempDir);

/// Writes what a batch with one entry and one record writes.
const BARE_SCRIPT: &str = "redis.call('XADD', KEYS[1], '*', 'b', ARGV[1]) \
                           redis.call('HSET', 'records', KEYS[1], ARGV[2]) \
                           redis.call('ZADD', 'keys', 0, KEYS[1]) return 1";

/// A running server. Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct RedisServer {
    process: Child,
    port: Port,
    flags: Vec<String>,
    directory: TempDir,
}

impl RedisServer {
    /// Starts a server that keeps everything.
    pub fn start() -> Self {
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// Starts a server that copies all of `primary`.
    pub fn start_replica(primary: &Self) -> Self {
        let port = primary.port().to_string();
        let keep = ["--appendonly", "yes", "--appendfsync", "always"];
        Self::start_with(&[&keep[..], &["--replicaof", "127.0.0.1", &port]].concat())
    }

    /// Starts a server with further flags of `redis-server`.
    pub fn start_with(flags: &[&str]) -> Self {
        Self::start_on(None, flags)
    }

    /// Starts a server that keeps everything, on a copy of what another has left.
    pub fn start_on_copy(data: &RedisData) -> Self {
        Self::start_on(Some(data), &["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// Kills the server and keeps its data, to be copied.
    pub fn into_data(mut self) -> RedisData {
        self.kill();
        let empty = TempDir::with_prefix("everlog-redis-").expect("a temporary directory");
        RedisData(std::mem::replace(&mut self.directory, empty))
    }

    /// # Panics
    /// If it does not accept connections.
    fn start_on(data: Option<&RedisData>, flags: &[&str]) -> Self {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        for _ in 0..START_ATTEMPTS {
            let directory = TempDir::with_prefix("everlog-redis-").expect("a temporary directory");
            if let Some(RedisData(original)) = data {
                let from = original.path().join(".");
                let status = Command::new("cp").arg("-a").arg(from).arg(directory.path()).status();
                assert!(status.is_ok_and(|status| status.success()), "cannot copy the data");
            }
            let port = Port::draw();
            if let Ok(process) = spawn(port.number(), &directory, &flags) {
                return Self { process, port, flags, directory };
            }
        }
        panic!("redis-server did not start in {START_ATTEMPTS} attempts");
    }

    /// Returns the URL of its first database.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    /// Returns the port, which stays the same across restarts.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Kills the server with SIGKILL.
    pub fn kill(&mut self) {
        // Whether it is there or gone already, afterwards it is gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts it again on the same port and data, and returns once it accepts connections.
    ///
    /// # Panics
    /// If it does not.
    pub fn start_again(&mut self) {
        self.process = spawn(self.port(), &self.directory, &self.flags).expect("it starts again");
    }

    /// Returns the process id of the running server.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal, such as `CONT`.
    ///
    /// # Panics
    /// If it cannot be sent.
    pub fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        let status = Command::new("kill").arg(format!("-{name}")).arg(id).status();
        assert!(status.is_ok_and(|status| status.success()), "cannot send SIG{name}");
    }

    /// What `redis-benchmark` gets with so many clients for a script that writes as much as a call does and checks
    /// nothing, in calls a second.
    ///
    /// # Panics
    /// If it does not run.
    pub fn benchmark(&self, clients: usize, (entry, record): (usize, usize)) -> f64 {
        let (port, clients) = (self.port().to_string(), clients.to_string());
        let output = Command::new("redis-benchmark")
            .args(["-p", &port, "-c", &clients, "-n", "40000", "-r", &clients, "--csv", "EVAL"])
            .args([BARE_SCRIPT, "1", "worker-__rand_int__"])
            .args(["7".repeat(entry), "7".repeat(record)])
            .output()
            .expect("redis-benchmark starts");
        let text = String::from_utf8_lossy(&output.stdout);
        let last = text.lines().last().unwrap_or_default();
        // The command itself is the first column, and has commas.
        let columns: Vec<&str> = last.split("\",\"").collect();
        let rate = columns.get(columns.len().saturating_sub(7)).and_then(|rate| rate.parse().ok());
        self.ask("FLUSHALL");
        rate.unwrap_or_else(|| panic!("redis-benchmark says {text}"))
    }

    /// Sends one command without quotes, such as `DBSIZE`, and returns the text of the answer up to
    /// 64 KiB.
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn ask(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port())).expect("it accepts");
        stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.take(1 << 16).read_to_string(&mut answer).expect("it answers in text");
        answer
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts the process and waits until it says that it is ready.
fn spawn(port: u16, directory: &TempDir, flags: &[String]) -> Result<Child, String> {
    let mut process = Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""])
        .args(["--repl-diskless-sync-delay", "0"])
        // Rewriting the log takes a process of its own, which would outlive the server.
        .args(["--auto-aof-rewrite-percentage", "0"])
        .arg("--dir")
        .arg(directory.path())
        .args(flags)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("cannot start redis-server: {error}; `make setup-tests` installs it")
        });
    let mut output = BufReader::new(process.stdout.take().expect("its output is a pipe"));
    let mut log = String::new();
    while output.read_line(&mut log).is_ok_and(|bytes| bytes > 0) {
        if log.contains("Ready to accept connections") {
            // It must never wait for somebody to read what it says.
            std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
            return Ok(process);
        }
    }
    let _ = process.wait();
    Err(log)
}
