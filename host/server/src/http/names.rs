//! Names in paths and headers.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use everlog_runtime::TraceContext;
use serde::de::DeserializeOwned;

use super::problem::{Code, Problem};

/// The header that makes a call safe to repeat.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Headers about one connection, which end here in both directions.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The longest idempotency key, in bytes.
pub(super) const MAX_KEY_BYTES: usize = 256;
/// The longest `traceparent`, in bytes: version 00 has 55, later versions may have more.
const MAX_TRACEPARENT_BYTES: usize = 128;
/// The longest `tracestate`, in bytes, as the W3C recommends.
const MAX_TRACESTATE_BYTES: usize = 512;

/// The variable parts of a path, percent-decoded.
#[derive(Debug)]
pub(super) struct PathOf<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(names)) => Ok(Self(names)),
            Err(rejection) if rejection.status() == StatusCode::BAD_REQUEST => {
                Err(Problem::new(Code::InvalidRequest, rejection.body_text()))
            }
            Err(rejection) => Err(Problem::new(Code::InternalError, rejection.body_text())),
        }
    }
}

/// The client's idempotency key, if it sent one.
///
/// # Errors
/// A problem unless it has 1 to [`MAX_KEY_BYTES`] visible ASCII characters.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::new(Code::InvalidRequest, "Idempotency-Key is given more than once"));
    }
    match value.to_str() {
        Ok(key) if is_key(key) => Ok(Some(key.to_owned())),
        _ => Err(Problem::new(Code::InvalidRequest, key_rule())),
    }
}

/// Checks a key that came in a path.
///
/// # Errors
/// A problem unless it could have come in the header.
pub(super) fn check_key(key: &str) -> Result<(), Problem> {
    if is_key(key) { Ok(()) } else { Err(Problem::new(Code::InvalidRequest, key_rule())) }
}

fn is_key(key: &str) -> bool {
    (1..=MAX_KEY_BYTES).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

fn key_rule() -> String {
    format!("an idempotency key has 1 to {MAX_KEY_BYTES} visible ASCII characters without spaces")
}

/// The parent span that the client sent; one that is too long or not ASCII is left out, as the W3C
/// asks of what cannot be understood.
pub(super) fn trace_context(headers: &HeaderMap) -> Option<TraceContext> {
    let text = |name: &str, most: usize| {
        let value = headers.get(name)?.to_str().ok()?;
        (value.len() <= most).then(|| value.to_owned())
    };
    let traceparent = text("traceparent", MAX_TRACEPARENT_BYTES)?;
    Some(TraceContext { traceparent, tracestate: text("tracestate", MAX_TRACESTATE_BYTES) })
}

/// The names of the headers that are about the connection, those that `Connection` names included.
pub(crate) fn hop_by_hop(headers: &HeaderMap) -> Vec<HeaderName> {
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named =
        named.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok());
    HOP_BY_HOP.into_iter().chain(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().expect("a header value"));
        }
        headers
    }

    #[test]
    fn a_key_is_short_and_visible() {
        let key = |value: &str| idempotency_key(&headers(&[("idempotency-key", value)]));
        assert_eq!(idempotency_key(&HeaderMap::new()).expect("none"), None);
        assert_eq!(key("a-1/é".trim_end_matches('é')).expect("valid"), Some("a-1/".to_owned()));
        assert!(key(&"k".repeat(MAX_KEY_BYTES)).is_ok());
        for bad in ["", "a b", "é", &"k".repeat(MAX_KEY_BYTES + 1)] {
            assert_eq!(key(bad).expect_err(bad).code(), Code::InvalidRequest);
        }
        let twice = headers(&[("idempotency-key", "a"), ("idempotency-key", "b")]);
        assert!(idempotency_key(&twice).is_err());
    }

    #[test]
    fn a_trace_that_makes_no_sense_is_left_out() {
        assert!(trace_context(&headers(&[("tracestate", "a=1")])).is_none());
        let long = "0".repeat(MAX_TRACEPARENT_BYTES + 1);
        assert!(trace_context(&headers(&[("traceparent", &long)])).is_none());
        let trace = trace_context(&headers(&[("traceparent", "00-1"), ("tracestate", "a=1")]));
        assert_eq!(trace.and_then(|trace| trace.tracestate), Some("a=1".to_owned()));
    }
}
