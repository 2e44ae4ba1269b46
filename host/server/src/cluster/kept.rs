//! A request that may have to be sent again.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method};
use everlog_runtime::{clock, random_uuid};
use futures::StreamExt;
use http_body_util::BodyExt;
use hyper::body::{Bytes, Frame};

use crate::http::{IDEMPOTENCY_KEY, Problem, ProblemCode};

/// Bodies up to this size, in bytes, are kept until the request is answered.
const MAX_KEPT_BYTES: usize = 1 << 20;
/// The longest pause between two pieces of a body.
const PAUSE_LIMIT: Duration = Duration::from_secs(30);

/// A request with as much of its body as is kept.
pub(super) struct Kept {
    pub(super) parts: Parts,
    body: KeptBody,
}

enum KeptBody {
    Whole(Bytes),
    /// Larger than what is kept: it passes through once.
    Passing(Option<Body>),
}

impl Kept {
    /// Reads the body as far as it is kept. A call without an idempotency key gets one, so that it can be sent again
    /// without being done again.
    ///
    /// # Errors
    /// A problem if the body does not come.
    pub(super) async fn new(request: Request) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        // /v1/workers/{component}/{worker}/invoke…
        let is_call = parts.uri.path().split('/').nth(5) == Some("invoke");
        if is_call
            && !parts.headers.contains_key(IDEMPOTENCY_KEY)
            && let Ok(key) = HeaderValue::from_str(&random_uuid().to_string())
        {
            parts.headers.insert(IDEMPOTENCY_KEY, key);
        }
        Ok(Self { parts, body: keep(body).await? })
    }

    /// The request, to be sent (again); `None` where its body has passed through.
    pub(super) fn request(&mut self) -> Option<Request> {
        let body = match &mut self.body {
            KeptBody::Whole(bytes) => Body::from(bytes.clone()),
            KeptBody::Passing(body) => body.take()?,
        };
        Some(Request::from_parts(self.parts.clone(), body))
    }

    /// Whether it does no harm to send it again after nobody knows what came of it.
    pub(super) fn may_be_repeated(&self) -> bool {
        let idempotent = [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS];
        let harmless = idempotent.contains(&self.parts.method)
            || self.parts.headers.contains_key(IDEMPOTENCY_KEY);
        harmless && self.can_be_sent()
    }

    /// Whether the body is there.
    pub(super) fn can_be_sent(&self) -> bool {
        !matches!(self.body, KeptBody::Passing(None))
    }
}

async fn keep(mut body: Body) -> Result<KeptBody, Problem> {
    let mut kept = Vec::new();
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = clock::pause(PAUSE_LIMIT) => {
                let detail = format!("no byte of the body came for {} s", PAUSE_LIMIT.as_secs());
                return Err(Problem::new(ProblemCode::RequestTimeout, detail));
            }
        };
        let Some(frame) = frame else { return Ok(KeptBody::Whole(kept.into())) };
        let frame = frame.map_err(|error| {
            let detail = format!("the body ended early: {error}");
            Problem::new(ProblemCode::InvalidRequest, detail)
        })?;
        if let Ok(piece) = frame.into_data() {
            kept.extend_from_slice(&piece);
        }
        if kept.len() > MAX_KEPT_BYTES {
            return Ok(KeptBody::Passing(Some(chained(kept.into(), body))));
        }
    }
}

/// What was read, and the rest.
fn chained(read: Bytes, rest: Body) -> Body {
    let read = futures::stream::once(async { Ok(Frame::data(read)) });
    let rest = http_body_util::BodyStream::new(rest);
    Body::new(http_body_util::StreamBody::new(read.chain(rest)))
}
