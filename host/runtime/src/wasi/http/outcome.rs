//! What is recorded of an exchange, as the log keeps it.
//!
//! **The order of variants and fields is the storage format**: they are only added at the end.

use bincode::{Decode, Encode};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::network::HttpFailure;

/// The function under which a request begins, and under which its outcome is recorded with that begin.
pub(super) const HANDLE: &str = "wasi:http/outgoing-handler.handle";
/// The function under which is recorded that the guest asked too early.
pub(super) const GET: &str = "wasi:http/types.future-incoming-response.get";
/// The functions under which parts of a body are recorded.
pub(super) const READ: &str = "wasi:http/types.incoming-body.read";
pub(super) const BLOCKING_READ: &str = "wasi:http/types.incoming-body.blocking-read";
/// The function under which the end of a body is recorded.
pub(super) const TRAILERS: &str = "wasi:http/types.future-trailers.get";

/// Names and values of headers, in their order.
pub(super) type Fields = Vec<(String, Vec<u8>)>;

/// What identifies a request: replay must ask for the same again. Method and URI come first, so that they can be read
/// from an excerpt.
#[derive(Debug, Encode, Decode)]
pub(super) struct RequestHead {
    pub(super) method: String,
    pub(super) uri: String,
    pub(super) headers: Fields,
}

/// What an outcome says of its request; all of it is in the begin.
#[derive(Clone, Debug, Encode, Decode)]
pub(super) struct RequestLine {
    pub(super) method: String,
    pub(super) uri: String,
}

/// How a request ended for the guest.
#[derive(Clone, Debug, Encode, Decode)]
pub(super) enum Outcome {
    /// There is a response.
    Response(ResponseHead),
    /// There is none.
    Failed(HttpFailure),
    /// The guest did not want to know.
    Dropped,
}

/// The head of a response.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct ResponseHead {
    pub(super) status: u16,
    pub(super) headers: Fields,
}

/// What one read of a body brought.
#[derive(Clone, Debug, Encode, Decode)]
pub(super) enum BodyRead {
    /// These bytes; none where nothing had come yet.
    Bytes(Vec<u8>),
    /// The body was read to its end, after which came these trailers.
    End(Option<Fields>),
    /// The body breaks off.
    Failed(HttpFailure),
}

/// What came after a body.
#[derive(Clone, Debug, Encode, Decode)]
pub(super) enum Trailers {
    /// The body has ended, with these trailers or without any.
    Came(Option<Fields>),
    /// The body breaks off.
    Failed(HttpFailure),
}

/// Headers as they are recorded.
pub(super) fn fields(headers: &HeaderMap) -> Fields {
    headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect()
}

/// Headers as they were recorded.
pub(super) fn header_map(fields: &Fields) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        // What was recorded was valid then; what is not any more is left out.
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    }
    headers
}
