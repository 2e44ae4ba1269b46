//! How a request can fail, as the log keeps it and as the guest hears it.

use std::error::Error;
use std::io;

use bincode::{Decode, Encode};
use wasmtime_wasi_http::p2::bindings::http::types::{DnsErrorPayload, ErrorCode};

/// Why a request has no response, or a response no end.
///
/// **The order of the variants is the storage format**: they are only added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum HttpFailure {
    /// The server's settings forbid it.
    #[error("the request was refused (HTTP-request-denied): {0}")]
    Denied(String),
    /// The name of the host could not be looked up.
    #[error("the host's name was not found: {0}")]
    Dns(String),
    /// Nobody listens there.
    #[error("the connection was refused")]
    Refused,
    /// The host could not be reached otherwise.
    #[error("the host could not be reached: {0}")]
    Unreachable(String),
    /// There was no connection in time.
    #[error("there was no connection in time")]
    ConnectTimeout,
    /// TLS could not be agreed upon.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The host's certificate is not trusted.
    #[error("the host's certificate is not trusted: {0}")]
    Certificate(String),
    /// The connection ended in the middle.
    #[error("the connection was terminated")]
    Terminated,
    /// Nothing came in time.
    #[error("nothing was received in time")]
    ReadTimeout,
    /// What came is not HTTP, or what was to be sent.
    #[error("HTTP was violated: {0}")]
    Protocol(String),
    /// The head of the response is longer than the server's settings allow.
    #[error("the head of the response has more than {0} bytes")]
    HeadTooLong(u32),
    /// The body of the response is longer than the server's settings allow.
    #[error("the body of the response has more than {0} bytes")]
    BodyTooLong(u64),
    /// The body of the response ended before its end.
    #[error("the response is incomplete")]
    Incomplete,
    /// The worker has too many requests in flight.
    #[error("the worker has {0} requests in flight already")]
    TooMany(u32),
    /// A request was to be sent again after a crash, but its body was not kept.
    #[error(
        "the request must be sent again after a crash, but only bodies of at most {0} bytes are kept for that"
    )]
    NotKept(u64),
    /// A response that was read in part before a crash is another one now.
    #[error("the response was read in part before a crash, and is another one now")]
    Changed,
    /// A response was read in part before a crash, and its request must not be sent again.
    #[error("the response was read in part before a crash, and idempotence is off")]
    NotRepeatable,
    /// Something else.
    #[error("{0}")]
    Internal(String),
    /// Somebody asks for the end of the invocation that began the request.
    #[error("cancelled")]
    Cancelled,
}

impl From<HttpFailure> for ErrorCode {
    fn from(failure: HttpFailure) -> Self {
        match failure {
            HttpFailure::Denied(_) => Self::HttpRequestDenied,
            HttpFailure::Dns(detail) => {
                Self::DnsError(DnsErrorPayload { rcode: Some(detail), info_code: None })
            }
            HttpFailure::Refused => Self::ConnectionRefused,
            HttpFailure::Unreachable(_) => Self::DestinationUnavailable,
            HttpFailure::ConnectTimeout => Self::ConnectionTimeout,
            HttpFailure::Tls(_) => Self::TlsProtocolError,
            HttpFailure::Certificate(_) => Self::TlsCertificateError,
            HttpFailure::Terminated | HttpFailure::Changed | HttpFailure::NotRepeatable => {
                Self::ConnectionTerminated
            }
            HttpFailure::ReadTimeout => Self::ConnectionReadTimeout,
            HttpFailure::Protocol(_) => Self::HttpProtocolError,
            HttpFailure::HeadTooLong(limit) => Self::HttpResponseHeaderSectionSize(Some(limit)),
            HttpFailure::BodyTooLong(limit) => Self::HttpResponseBodySize(Some(limit)),
            HttpFailure::Incomplete => Self::HttpResponseIncomplete,
            HttpFailure::TooMany(_) => Self::ConnectionLimitReached,
            failure @ HttpFailure::NotKept(_) => Self::InternalError(Some(failure.to_string())),
            HttpFailure::Internal(detail) => Self::InternalError(Some(detail)),
            failure @ HttpFailure::Cancelled => Self::InternalError(Some(failure.to_string())),
        }
    }
}

impl HttpFailure {
    /// What the client's error means: one of ours that the connector raised, or the nearest.
    pub(super) fn of_client(error: &hyper_util::client::legacy::Error, head_bytes: u32) -> Self {
        if let Some(failure) = source_of::<HttpFailure>(error) {
            return failure.clone();
        }
        if let Some(error) = source_of::<rustls::Error>(error) {
            return Self::of_tls(error);
        }
        if let Some(error) = source_of::<hyper::Error>(error) {
            return Self::of_hyper(error, head_bytes);
        }
        match source_of::<io::Error>(error) {
            Some(error) if error.kind() == io::ErrorKind::ConnectionRefused => Self::Refused,
            Some(error) if error.kind() == io::ErrorKind::TimedOut => Self::ConnectTimeout,
            Some(error) if is_break(error) => Self::Terminated,
            Some(error) => Self::Unreachable(error.to_string()),
            None => Self::Protocol(error.to_string()),
        }
    }

    /// What an error in the middle of an exchange means.
    pub(super) fn of_hyper(error: &hyper::Error, head_bytes: u32) -> Self {
        if let Some(failure) = source_of::<HttpFailure>(error) {
            return failure.clone();
        }
        if error.is_parse_too_large() {
            return Self::HeadTooLong(head_bytes);
        }
        if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            return Self::Terminated;
        }
        match source_of::<io::Error>(error) {
            Some(error) if is_break(error) => Self::Terminated,
            _ => Self::Protocol(error.to_string()),
        }
    }

    fn of_tls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
                Self::Certificate(error.to_string())
            }
            _ => Self::Tls(error.to_string()),
        }
    }
}

fn is_break(error: &io::Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof,
    };
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof
    )
}

/// The nearest cause of `error` that is an `E`, also where an [`io::Error`] is wrapped around it.
fn source_of<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) if inner.is::<E>() => return inner.downcast_ref(),
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
