//! A network between a program and a server, which can be cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes bytes on between clients and a server. While it is cut nobody hears of anybody, as when a
/// cable is pulled: no connection ends, and none can be made.
pub struct Wire {
    port: u16,
    server: Arc<AtomicU16>,
    is_cut: watch::Sender<bool>,
}

impl Wire {
    /// A wire to the server at this port.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let (is_cut, watched) = watch::channel(false);
        let server = Arc::new(AtomicU16::new(server));
        let leads_to = Arc::clone(&server);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = leads_to.load(Ordering::SeqCst);
                tokio::spawn(connect(client, server, watched.clone()));
            }
        });
        Self { port, server, is_cut }
    }

    /// Leads new connections to another server.
    pub fn redirect(&self, server: u16) {
        self.server.store(server, Ordering::SeqCst);
    }

    /// The port that clients connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts it.
    pub fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    /// Mends it: connections that lost something end now.
    pub fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

async fn connect(client: TcpStream, server: u16, mut is_cut: watch::Receiver<bool>) {
    // The wire itself ends with its test.
    let _ = is_cut.wait_for(|is_cut| !is_cut).await;
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    tokio::select! {
        () = pass_on(from_client, to_server, is_cut.clone()) => {}
        () = pass_on(from_server, to_client, is_cut) => {}
    }
}

/// Returns when one side has closed, or when the wire is mended after something was lost.
async fn pass_on(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut is_cut: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(bytes @ 1..) = from.read(&mut buffer).await {
        if *is_cut.borrow() {
            let _ = is_cut.wait_for(|is_cut| !is_cut).await;
            return;
        }
        if to.write_all(&buffer[..bytes]).await.is_err() {
            return;
        }
    }
}
