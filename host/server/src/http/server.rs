//! Accepts connections and speaks HTTP/1.1 on them.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::app::App;
use super::gate::Gate;
use super::routes;
use crate::config::Settings;

/// The longest request line and headers together that are parsed, in bytes. Well above
/// [`MAX_HEAD_BYTES`](super::gate::MAX_HEAD_BYTES), which answers with a problem; here the connection
/// just ends.
const MAX_PARSED_HEAD_BYTES: usize = 128 << 10;
/// How long a connection may take to send the next request, or to finish its headers. Longer than
/// the 90 seconds that clients commonly keep connections, so that they do not meet a closed one.
const NEXT_REQUEST_LIMIT: Duration = Duration::from_secs(120);
/// Time before connections are accepted again after the system had no file left for one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
}

/// An open port.
pub(crate) struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Opens the port.
    ///
    /// # Errors
    /// [`ServerError::Listen`].
    pub(crate) async fn bind(settings: &Settings) -> Result<Self, ServerError> {
        let failed = |source| ServerError::Listen { address: settings.listen, source };
        let socket = TcpListener::bind(settings.listen).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address })
    }

    /// Where it is, with the port that was taken where 0 was asked for.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A server that answers at an open port.
pub(crate) struct Server {
    listener: Listener,
    gate: Gate,
    connections: Arc<Semaphore>,
}

impl Server {
    /// A server of `app`'s routes.
    pub(crate) fn new(listener: Listener, settings: &Settings, app: Arc<App>) -> Self {
        let gate = Gate::new(Arc::clone(&app), routes::router(app));
        let connections = Arc::new(Semaphore::new(settings.max_connections));
        Self { listener, gate, connections }
    }

    /// Where it listens, with the port that was taken where 0 was asked for.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.address
    }

    /// Answers requests until `stop`, then accepts no more connections and waits for the requests
    /// that are being answered.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let connections = GracefulShutdown::new();
        let accepting = self.accept(&connections);
        stop.run_until_cancelled(accepting).await;
        drop(self.listener);
        connections.shutdown().await;
    }

    async fn accept(&self, connections: &GracefulShutdown) {
        // The semaphore is never closed.
        while let Ok(permit) = Arc::clone(&self.connections).acquire_owned().await {
            match self.listener.socket.accept().await {
                Ok((stream, _)) => serve(stream, self.gate.clone(), connections, permit),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    everlog_runtime::clock::pause(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Answers the requests of one connection, in a task of its own.
fn serve(
    stream: TcpStream,
    gate: Gate,
    connections: &GracefulShutdown,
    permit: OwnedSemaphorePermit,
) {
    // Without this an answer may wait 40 ms for the client's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot switch off Nagle's algorithm");
    }
    let service = service_fn(move |request| {
        let gate = gate.clone();
        async move { Ok::<_, Infallible>(gate.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(NEXT_REQUEST_LIMIT)
        .max_header_size(MAX_PARSED_HEAD_BYTES)
        .pipeline_flush(true)
        .serve_connection(TokioIo::new(stream), service);
    let serving = connections.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::debug!(%error, "a connection ended early");
        }
        drop(permit);
    });
}
