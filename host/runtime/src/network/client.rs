//! One HTTP client for all workers.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::dialer::{Dialer, destination};
use super::{HttpFailure, NetworkConfig};
use crate::clock;

/// A connection that nobody uses is closed after this time.
const IDLE_CONNECTION: Duration = Duration::from_secs(60);

/// Unused connections that are kept for one host.
const MAX_IDLE_PER_HOST: usize = 32;

/// The least that hyper takes as a buffer, in bytes.
const MIN_BUFFER_BYTES: usize = 8 << 10;

/// The body of a request on its way out.
pub(crate) type RequestFrames = UnsyncBoxBody<Bytes, HttpFailure>;

/// How long one exchange may take in its parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeLimits {
    /// Until there is a connection.
    pub(crate) connect: Duration,
    /// From there to the head of the response.
    pub(crate) first_byte: Duration,
    /// From one part of the body to the next.
    pub(crate) between_bytes: Duration,
}

/// Sends requests within the policy, over connections that are used again.
pub(crate) struct HttpClient {
    client: Client<HttpsConnector<Dialer>, RequestFrames>,
    pub(crate) config: NetworkConfig,
}

impl HttpClient {
    /// A client without connections yet.
    ///
    /// # Errors
    /// Where the trusted certificates can't be read.
    pub(crate) fn new(config: &NetworkConfig) -> io::Result<Self> {
        let policy = Arc::new(config.policy.clone());
        let provider = rustls::crypto::ring::default_provider();
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(provider)
            .map_err(io::Error::other)?
            .https_or_http()
            .enable_http1()
            .wrap_connector(Dialer::new(policy));
        let head_bytes = config.header_bytes;
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
            .http1_max_buf_size((head_bytes as usize).max(MIN_BUFFER_BYTES))
            .build(connector);
        Ok(Self { client, config: config.clone() })
    }

    /// Sends `request` and waits for the head of the response.
    pub(crate) async fn send(
        &self,
        mut request: Request<RequestFrames>,
        limits: TimeLimits,
    ) -> Result<Response<ResponseFrames>, HttpFailure> {
        let (host, port) = destination(request.uri())?;
        self.config.policy.check_host(host, port).map_err(HttpFailure::Denied)?;
        let head_bytes = self.config.header_bytes;
        let mut connection = capture_connection(&mut request);
        let mut response = pin!(self.client.request(request));
        let connected = async {
            let _ = connection.wait_for_connection_metadata().await;
        };
        let early = tokio::select! {
            biased;
            response = &mut response => Some(response),
            () = connected => None,
            () = clock::pause(limits.connect) => return Err(HttpFailure::ConnectTimeout),
        };
        let response = match early {
            Some(response) => response,
            None => tokio::select! {
                biased;
                response = &mut response => response,
                () = clock::pause(limits.first_byte) => return Err(HttpFailure::ReadTimeout),
            },
        };
        let response = response.map_err(|error| HttpFailure::of_client(&error, head_bytes))?;
        if head_size(response.headers()) > head_bytes as usize {
            return Err(HttpFailure::HeadTooLong(head_bytes));
        }
        let frames = |incoming| ResponseFrames {
            incoming,
            patience: limits.between_bytes,
            timer: None,
            head_bytes,
        };
        Ok(response.map(frames))
    }
}

fn head_size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// The body of a response as it comes in.
pub(crate) struct ResponseFrames {
    incoming: Incoming,
    patience: Duration,
    timer: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    head_bytes: u32,
}

impl ResponseFrames {
    /// The next part; `None` at the end.
    pub(crate) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpFailure>>> {
        match Pin::new(&mut self.incoming).poll_frame(context) {
            Poll::Ready(frame) => {
                self.timer = None;
                Poll::Ready(frame.map(|frame| frame.map_err(|error| self.explain(&error))))
            }
            Poll::Pending => {
                let patience = self.patience;
                let timer = self.timer.get_or_insert_with(|| Box::pin(clock::pause(patience)));
                timer.as_mut().poll(context).map(|()| Some(Err(HttpFailure::ReadTimeout)))
            }
        }
    }

    fn explain(&self, error: &hyper::Error) -> HttpFailure {
        let source = std::error::Error::source(error);
        let cut = source.and_then(|source| source.downcast_ref::<io::Error>());
        match cut.map(io::Error::kind) {
            Some(io::ErrorKind::UnexpectedEof) => HttpFailure::Incomplete,
            _ if error.is_incomplete_message() => HttpFailure::Incomplete,
            _ => HttpFailure::of_hyper(error, self.head_bytes),
        }
    }
}
