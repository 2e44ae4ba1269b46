//! A load generator that costs little beside the server: HTTP/1.1 over kept connections, one task
//! per client, requests written into one buffer, answers parsed no further than needed.

use std::cell::Cell;
use std::time::Duration;

use futures::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::measurement::Measurement;
use crate::wait::Stopwatch;

/// The largest head or body of an answer that is expected, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// When clients stop.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    /// After this time.
    Time(Duration),
    /// After this many requests of all clients together.
    Requests(u64),
}

/// Writes the request with this running number, which no other client writes.
pub trait Requests: Fn(u64, &mut Vec<u8>) {}

impl<F: Fn(u64, &mut Vec<u8>)> Requests for F {}

/// Sends requests from this many clients, each waiting for its answer before it sends the next.
///
/// # Panics
/// If an answer is neither 200 nor 204, or a connection breaks.
pub async fn run(port: u16, clients: usize, goal: Goal, requests: impl Requests) -> Measurement {
    let started = Stopwatch::start();
    let next = Cell::new(0);
    let clients = (0..clients).map(|_| client(port, goal, &requests, &next, started));
    let each = join_all(clients).await.concat();
    Measurement::new(started.elapsed(), each)
}

async fn client(
    port: u16,
    goal: Goal,
    requests: &impl Requests,
    next: &Cell<u64>,
    started: Stopwatch,
) -> Vec<Duration> {
    let mut connection = Connection::open(port).await;
    let mut durations = Vec::new();
    let mut request = Vec::new();
    loop {
        let number = next.get();
        let reached = match goal {
            Goal::Time(time) => started.elapsed() >= time,
            Goal::Requests(requests) => number >= requests,
        };
        if reached {
            return durations;
        }
        next.set(number + 1);
        request.clear();
        requests(number, &mut request);
        let stopwatch = Stopwatch::start();
        connection.exchange(&request).await;
        durations.push(stopwatch.elapsed());
    }
}

/// Writes a request without a body.
pub fn write_get(request: &mut Vec<u8>, path: &str) {
    request.extend_from_slice(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes());
}

/// Writes a request with a JSON body.
pub fn write_post(request: &mut Vec<u8>, path: &str, body: &str) {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    request.extend_from_slice(head.as_bytes());
}

/// Writes an invocation with an idempotency key.
pub fn write_call(request: &mut Vec<u8>, path: &str, key: &str, body: &str) {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         idempotency-key: {key}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    request.extend_from_slice(head.as_bytes());
}

/// A kept connection with one request at a time.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    /// Connects to the server on this port.
    ///
    /// # Panics
    /// If nobody listens.
    pub async fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the server listens");
        stream.set_nodelay(true).expect("a TCP socket takes no-delay");
        Self { stream, answer: Vec::with_capacity(4_096) }
    }

    /// Sends a request and reads the answer to its end.
    ///
    /// # Panics
    /// If the answer is neither 200 nor 204, or the connection breaks.
    pub async fn exchange(&mut self, request: &[u8]) {
        self.stream.write_all(request).await.expect("the connection holds");
        self.answer.clear();
        while !is_complete(&self.answer) {
            let read = self.stream.read_buf(&mut self.answer).await.expect("the connection holds");
            assert!(read > 0, "the server closed the connection after {}", self.text());
            assert!(self.answer.len() < ANSWER_BYTES_MAX, "an endless answer");
        }
        assert!(self.answer.starts_with(b"HTTP/1.1 20"), "{}", self.text());
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.answer).into_owned()
    }
}

/// Tells whether the whole answer is there: its head and as much body as the head announces.
fn is_complete(answer: &[u8]) -> bool {
    let Some(head) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    answer.len() >= head + 4 + content_length(&answer[..head])
}

fn content_length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"content-length:";
    let lines = head.split(|byte| *byte == b'\n');
    let value =
        lines.filter_map(|line| line.split_at_checked(NAME.len())).find_map(|(name, value)| {
            name.eq_ignore_ascii_case(NAME).then(|| String::from_utf8_lossy(value))
        });
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}
