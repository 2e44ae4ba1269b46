//! The other side of a guest's sockets: it echoes lines, remembers what it got, and can keep silent.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use crate::wait;

/// A peer on the loopback interface, for as long as the test runs.
#[derive(Debug)]
pub struct Peer {
    /// Where guests reach it.
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    lines: Vec<String>,
    connections: usize,
    /// This line is not answered the first time.
    held: Option<String>,
}

impl Peer {
    /// Echoes each line of each TCP connection, but the line `held` not the first time.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn tcp(held: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let peer = Self::new(address, held);
        let seen = Arc::clone(&peer.seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                lock(&seen).connections += 1;
                tokio::spawn(echo_lines(stream, Arc::clone(&seen)));
            }
        });
        peer
    }

    /// Echoes each datagram, but `held` not the first time.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn udp(held: Option<&str>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let peer = Self::new(socket.local_addr().expect("an address"), held);
        let seen = Arc::clone(&peer.seen);
        tokio::spawn(async move {
            let mut buffer = [0; 1024];
            while let Ok((length, sender)) = socket.recv_from(&mut buffer).await {
                let line = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if lock(&seen).note(line) {
                    let _ = socket.send_to(&buffer[..length], sender).await;
                }
            }
        });
        peer
    }

    fn new(address: SocketAddr, held: Option<&str>) -> Self {
        let held = held.map(str::to_owned);
        Self { address, seen: Arc::new(Mutex::new(Seen { held, ..Seen::default() })) }
    }

    /// Returns the lines that came, in order.
    pub fn lines(&self) -> Vec<String> {
        lock(&self.seen).lines.clone()
    }

    /// Returns how often somebody connected.
    pub fn connections(&self) -> usize {
        lock(&self.seen).connections
    }

    /// Waits until a line has come.
    pub async fn has_got(&self, line: &str) {
        wait::until(&format!("the peer has got {line:?}"), async || {
            self.lines().iter().any(|seen| seen == line).then_some(())
        })
        .await;
    }
}

impl Seen {
    /// Remembers a line, and says whether it is answered.
    fn note(&mut self, line: String) -> bool {
        let held = self.held.take_if(|held| *held == line).is_some();
        self.lines.push(line);
        !held
    }
}

async fn echo_lines(stream: TcpStream, seen: Arc<Mutex<Seen>>) {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let echo = format!("{line}\n");
        if lock(&seen).note(line) && writer.write_all(echo.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
