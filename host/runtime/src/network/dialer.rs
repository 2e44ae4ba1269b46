//! From a URI to a connection: looked up, checked, and only then dialled.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use super::{HttpFailure, NetworkPolicy};

/// Connects to where the policy allows.
#[derive(Clone)]
pub(super) struct Dialer {
    policy: Arc<NetworkPolicy>,
}

impl Dialer {
    /// Dials within `policy`.
    pub(super) fn new(policy: Arc<NetworkPolicy>) -> Self {
        Self { policy }
    }
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<TcpStream>;
    type Error = HttpFailure;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, HttpFailure>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), HttpFailure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let policy = Arc::clone(&self.policy);
        Box::pin(async move { dial(&policy, &uri).await.map(TokioIo::new) })
    }
}

/// The host of `uri` without the brackets of IPv6, and the port, whether written or implied.
pub(super) fn destination(uri: &Uri) -> Result<(&str, u16), HttpFailure> {
    let host = uri.host().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| HttpFailure::Protocol("the request names no host".to_owned()))?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let implied = if uri.scheme() == Some(&http::uri::Scheme::HTTP) { 80 } else { 443 };
    Ok((host, uri.port_u16().unwrap_or(implied)))
}

async fn dial(policy: &NetworkPolicy, uri: &Uri) -> Result<TcpStream, HttpFailure> {
    let (host, port) = destination(uri)?;
    let mut failure = HttpFailure::Dns(format!("{host} has no address"));
    for address in look_up(host, port).await? {
        let connected = match policy.check_address(host, address.ip()) {
            Ok(()) => TcpStream::connect(address).await.map_err(|error| unreachable(&error)),
            Err(reason) => Err(HttpFailure::Denied(reason)),
        };
        match connected {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

async fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, HttpFailure> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let found = tokio::net::lookup_host((host, port)).await;
    found.map(Iterator::collect).map_err(|error| HttpFailure::Dns(format!("{host}: {error}")))
}

fn unreachable(error: &io::Error) -> HttpFailure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => HttpFailure::Refused,
        io::ErrorKind::TimedOut => HttpFailure::ConnectTimeout,
        _ => HttpFailure::Unreachable(error.to_string()),
    }
}
