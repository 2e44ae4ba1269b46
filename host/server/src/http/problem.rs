//! Refusals and failures as RFC 9457 `application/problem+json`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// What goes before a code to make the `type` of a problem.
const TYPE_PREFIX: &str = "urn:everlog:problem:";
/// The media type of every problem.
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");
/// Seconds after which a client may try again, where it makes sense to.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// Every kind of problem. A code is part of the API: it never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    InvalidRequest,
    MalformedJson,
    InvalidArguments,
    InvalidQuery,
    QueryTooLarge,
    InvalidComponent,
    AmbiguousFunction,
    Unauthorized,
    ForeignOrigin,
    RouteNotFound,
    ComponentNotFound,
    WorkerNotFound,
    FunctionNotFound,
    InvocationNotFound,
    PromiseNotFound,
    StateNotFound,
    ScheduleNotFound,
    ScheduleExists,
    NotInHistory,
    InvalidOplog,
    ComponentDiffers,
    MethodNotAllowed,
    RequestTimeout,
    WorkerExists,
    ComponentHasWorkers,
    WorkerInterrupted,
    WorkerDeleted,
    WorkerExited,
    WorkerStalled,
    PreviousInvocationFailed,
    InvocationCancelled,
    InvocationKilled,
    InvocationReverted,
    InvocationNotCancellable,
    BodyTooLarge,
    HeadTooLarge,
    UnsupportedMediaType,
    IdempotencyKeyReused,
    TooManyRequests,
    InvocationFailed,
    InvalidResponse,
    ComponentUnusable,
    OplogDamaged,
    InternalError,
    Unavailable,
    StorageUnavailable,
    WorkerElsewhere,
    WorkerContended,
    OutcomeUnknown,
    StateStands,
}

impl Code {
    /// Its name on the wire.
    fn text(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid-request",
            Self::MalformedJson => "malformed-json",
            Self::InvalidArguments => "invalid-arguments",
            Self::InvalidQuery => "invalid-query",
            Self::QueryTooLarge => "query-too-large",
            Self::InvalidComponent => "invalid-component",
            Self::AmbiguousFunction => "ambiguous-function",
            Self::Unauthorized => "unauthorized",
            Self::ForeignOrigin => "foreign-origin",
            Self::RouteNotFound => "route-not-found",
            Self::ComponentNotFound => "component-not-found",
            Self::WorkerNotFound => "worker-not-found",
            Self::FunctionNotFound => "function-not-found",
            Self::InvocationNotFound => "invocation-not-found",
            Self::PromiseNotFound => "promise-not-found",
            Self::StateNotFound => "state-not-found",
            Self::ScheduleNotFound => "schedule-not-found",
            Self::ScheduleExists => "schedule-exists",
            Self::NotInHistory => "not-in-history",
            Self::InvalidOplog => "invalid-oplog",
            Self::ComponentDiffers => "component-differs",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::RequestTimeout => "request-timeout",
            Self::WorkerExists => "worker-exists",
            Self::ComponentHasWorkers => "component-has-workers",
            Self::WorkerInterrupted => "worker-interrupted",
            Self::WorkerDeleted => "worker-deleted",
            Self::WorkerExited => "worker-exited",
            Self::WorkerStalled => "worker-stalled",
            Self::PreviousInvocationFailed => "previous-invocation-failed",
            Self::InvocationCancelled => "invocation-cancelled",
            Self::InvocationKilled => "invocation-killed",
            Self::InvocationReverted => "invocation-reverted",
            Self::InvocationNotCancellable => "invocation-not-cancellable",
            Self::BodyTooLarge => "body-too-large",
            Self::HeadTooLarge => "head-too-large",
            Self::UnsupportedMediaType => "unsupported-media-type",
            Self::IdempotencyKeyReused => "idempotency-key-reused",
            Self::TooManyRequests => "too-many-requests",
            Self::InvocationFailed => "invocation-failed",
            Self::InvalidResponse => "invalid-response",
            Self::ComponentUnusable => "component-unusable",
            Self::OplogDamaged => "oplog-damaged",
            Self::InternalError => "internal-error",
            Self::Unavailable => "unavailable",
            Self::StorageUnavailable => "storage-unavailable",
            Self::WorkerElsewhere => "worker-elsewhere",
            Self::WorkerContended => "worker-contended",
            Self::OutcomeUnknown => "outcome-unknown",
            Self::StateStands => "state-stands",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest
            | Self::MalformedJson
            | Self::InvalidArguments
            | Self::InvalidQuery
            | Self::QueryTooLarge
            | Self::InvalidComponent
            | Self::AmbiguousFunction
            | Self::InvalidOplog
            | Self::NotInHistory => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::ForeignOrigin => StatusCode::FORBIDDEN,
            Self::RouteNotFound
            | Self::ComponentNotFound
            | Self::WorkerNotFound
            | Self::FunctionNotFound
            | Self::InvocationNotFound
            | Self::PromiseNotFound
            | Self::StateNotFound
            | Self::ScheduleNotFound => StatusCode::NOT_FOUND,
            Self::StateStands => StatusCode::PRECONDITION_FAILED,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::WorkerExists
            | Self::ScheduleExists
            | Self::ComponentDiffers
            | Self::ComponentHasWorkers
            | Self::WorkerInterrupted
            | Self::WorkerDeleted
            | Self::WorkerExited
            | Self::WorkerStalled
            | Self::PreviousInvocationFailed
            | Self::InvocationCancelled
            | Self::InvocationKilled
            | Self::InvocationReverted
            | Self::InvocationNotCancellable => StatusCode::CONFLICT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::InvocationFailed
            | Self::ComponentUnusable
            | Self::OplogDamaged
            | Self::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::InvalidResponse | Self::OutcomeUnknown => StatusCode::BAD_GATEWAY,
            Self::Unavailable
            | Self::StorageUnavailable
            | Self::WorkerElsewhere
            | Self::WorkerContended => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What is the same in every case of it, for people.
    fn title(self) -> &'static str {
        match self {
            Self::InvalidRequest => "The request is not valid",
            Self::MalformedJson => "The body is not valid JSON",
            Self::InvalidArguments => "The arguments do not fit the function",
            Self::InvalidQuery => "The query is not valid",
            Self::QueryTooLarge => "The query takes or brings too much",
            Self::InvalidComponent => "The component cannot be deployed",
            Self::AmbiguousFunction => "Several functions have this name",
            Self::Unauthorized => "A token is required",
            Self::ForeignOrigin => "Web pages of other sites may not use this server",
            Self::RouteNotFound => "There is no such route",
            Self::ComponentNotFound => "There is no such component",
            Self::WorkerNotFound => "There is no such worker",
            Self::FunctionNotFound => "There is no such function",
            Self::InvocationNotFound => "There is no such invocation",
            Self::PromiseNotFound => "There is no such promise",
            Self::ScheduleNotFound => "There is no such schedule",
            Self::ScheduleExists => "There is another schedule of that name",
            Self::StateNotFound => "The worker's state has no such key",
            Self::NotInHistory => "The worker's history does not reach there",
            Self::InvalidOplog => "The body is no exported oplog",
            Self::ComponentDiffers => "The component is not the one that the worker ran",
            Self::MethodNotAllowed => "The route has no such method",
            Self::RequestTimeout => "The body did not arrive in time",
            Self::WorkerExists => "The worker exists with other settings",
            Self::ComponentHasWorkers => "The component has workers",
            Self::WorkerInterrupted => "The worker was interrupted",
            Self::WorkerDeleted => "The worker was deleted",
            Self::WorkerExited => "The worker has exited",
            Self::WorkerStalled => "The worker is stalled by a divergence",
            Self::PreviousInvocationFailed => "An earlier invocation of the worker failed",
            Self::InvocationReverted => "The invocation was taken back",
            Self::InvocationCancelled => "The invocation was cancelled",
            Self::InvocationKilled => "The invocation was killed",
            Self::InvocationNotCancellable => "The invocation cannot be cancelled any more",
            Self::BodyTooLarge => "The body is too large",
            Self::HeadTooLarge => "The headers are too large",
            Self::UnsupportedMediaType => "The body is of a type that the route does not take",
            Self::IdempotencyKeyReused => "The idempotency key belongs to another call",
            Self::TooManyRequests => "Too many calls wait",
            Self::InvocationFailed => "The invocation failed",
            Self::InvalidResponse => "The worker gave no valid HTTP response",
            Self::ComponentUnusable => "The stored component is damaged",
            Self::OplogDamaged => "The worker's oplog is damaged",
            Self::InternalError => "The server has a defect",
            Self::Unavailable => "The server cannot answer now",
            Self::StorageUnavailable => "The store accepts nothing now",
            Self::WorkerContended => "Another node changed the same data",
            Self::WorkerElsewhere => "The worker is on its way to another node",
            Self::StateStands => "What is under the key is not what should be",
            Self::OutcomeUnknown => "Nobody knows what came of the request",
        }
    }
}

/// One refusal or failure. Boxed, since it is the rare side of every result.
#[derive(Clone, Debug)]
pub(crate) struct Problem(Box<Facts>);

#[derive(Clone, Debug)]
struct Facts {
    code: Code,
    detail: String,
    worker: Option<String>,
    idempotency_key: Option<String>,
    oplog_index: Option<u64>,
    pointer: Option<String>,
    candidates: Vec<String>,
}

/// The members of a problem, in the order in which they are written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oplog_index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    candidates: &'a [String],
}

impl Problem {
    /// A problem of this kind; `detail` is a sentence about this case.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self(Box::new(Facts {
            code,
            detail: detail.into(),
            worker: None,
            idempotency_key: None,
            oplog_index: None,
            pointer: None,
            candidates: Vec::new(),
        }))
    }

    /// Says which worker it is about.
    pub(crate) fn worker(mut self, worker: impl Into<String>) -> Self {
        self.0.worker = Some(worker.into());
        self
    }

    /// Says which invocation it is about.
    pub(crate) fn key(mut self, key: impl Into<String>) -> Self {
        self.0.idempotency_key = Some(key.into());
        self
    }

    /// Says which entry of the oplog records it.
    pub(crate) fn oplog_index(mut self, index: u64) -> Self {
        self.0.oplog_index = Some(index);
        self
    }

    /// Says which value of the body is wrong, as a JSON pointer.
    pub(crate) fn pointer(mut self, pointer: impl Into<String>) -> Self {
        self.0.pointer = Some(pointer.into());
        self
    }

    /// Names what may have been meant.
    pub(crate) fn candidates(mut self, candidates: Vec<String>) -> Self {
        self.0.candidates = candidates;
        self
    }

    /// What kind of problem it is.
    pub(crate) fn code(&self) -> Code {
        self.0.code
    }

    /// The sentence about this case.
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Its members as JSON, for problems inside of other answers.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self.body()).unwrap_or_default()
    }

    fn body(&self) -> Body<'_> {
        let code = self.0.code;
        Body {
            r#type: format!("{TYPE_PREFIX}{}", code.text()),
            title: code.title(),
            status: code.status().as_u16(),
            code: code.text(),
            detail: &self.0.detail,
            worker: self.0.worker.as_deref(),
            idempotency_key: self.0.idempotency_key.as_deref(),
            oplog_index: self.0.oplog_index,
            pointer: self.0.pointer.as_deref(),
            candidates: &self.0.candidates,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // Strings and numbers are always JSON; an empty body is better than a panic.
        let body = serde_json::to_vec(&self.body()).unwrap_or_default();
        let mut response = (self.0.code.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, MEDIA_TYPE);
        match self.0.code {
            Code::Unauthorized => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Code::Unavailable | Code::StorageUnavailable | Code::TooManyRequests => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER);
            }
            Code::WorkerElsewhere | Code::WorkerContended => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER);
                headers.insert(crate::cluster::AGAIN, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        if let Some(key) = self.0.idempotency_key.and_then(|key| key.parse().ok()) {
            headers.insert(super::names::IDEMPOTENCY_KEY, key);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn body_of(problem: Problem) -> (StatusCode, axum::http::HeaderMap, serde_json::Value) {
        let (parts, body) = problem.into_response().into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        (parts.status, parts.headers, serde_json::from_slice(&bytes).expect("JSON"))
    }

    #[tokio::test]
    async fn a_problem_has_the_members_of_rfc_9457() {
        let problem = Problem::new(Code::WorkerNotFound, "there is no worker c/w").worker("c/w");
        let (status, headers, body) = body_of(problem).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
        let expected = serde_json::json!({
            "type": "urn:everlog:problem:worker-not-found",
            "title": "There is no such worker",
            "status": 404,
            "code": "worker-not-found",
            "detail": "there is no worker c/w",
            "worker": "c/w",
        });
        assert_eq!(body, expected);
    }

    #[tokio::test]
    async fn the_answer_carries_the_key_and_the_entry() {
        let problem = Problem::new(Code::InvocationFailed, "trap").key("k1").oplog_index(7);
        let (status, headers, body) = body_of(problem).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(headers["idempotency-key"], "k1");
        assert_eq!((&body["idempotencyKey"], &body["oplogIndex"]), (&"k1".into(), &7.into()));
    }

    #[tokio::test]
    async fn what_may_be_tried_again_says_when() {
        for code in [Code::Unavailable, Code::StorageUnavailable, Code::TooManyRequests] {
            let (_, headers, _) = body_of(Problem::new(code, "")).await;
            assert_eq!(headers[header::RETRY_AFTER], "1");
        }
        let (_, headers, _) = body_of(Problem::new(Code::Unauthorized, "")).await;
        assert_eq!(headers[header::WWW_AUTHENTICATE], "Bearer");
    }
}
