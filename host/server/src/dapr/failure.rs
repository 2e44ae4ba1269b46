//! Refusals in the two shapes that callers of this API know.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use everlog_runtime::state_store::{Rejection, StateError};
use serde_json::{Value, json};

/// The domain in the details of errors, which clients compare.
const DOMAIN: &str = "dapr.io";

/// An answer that says what went wrong.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(super) status: StatusCode,
    code: &'static str,
    message: String,
    /// Only of some errors.
    details: Option<Value>,
}

impl Failure {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: None }
    }

    /// The body is not what it should be.
    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ERR_MALFORMED_REQUEST", message)
    }

    /// There is no such route.
    pub(super) fn no_route(method: &str, path: &str) -> Self {
        let message = format!(
            "there is no {method} {path} here, and no application to pass it on to; GET \
             /openapi.json lists the routes there are"
        );
        Self::new(StatusCode::NOT_FOUND, "ERR_DIRECT_INVOKE", message)
    }

    /// The store of this name does not exist, others do.
    pub(super) fn no_such_store(name: &str) -> Self {
        let message = format!("state store {name} is not found");
        let failure =
            Self::new(StatusCode::BAD_REQUEST, "ERR_STATE_STORE_NOT_FOUND", message.clone());
        failure.explained("DAPR_STATE_NOT_FOUND", name, &json!({}), &[])
    }

    /// There is no store at all.
    pub(super) fn no_stores(name: &str) -> Self {
        let message = format!("state store {name} is not configured");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let failure = Self::new(status, "ERR_STATE_STORE_NOT_CONFIGURED", message);
        failure.explained("DAPR_STATE_NOT_CONFIGURED", name, &json!({}), &[])
    }

    /// A key that could be taken for one of another application.
    pub(super) fn illegal_key(store: &str, key: &str) -> Self {
        let message = format!("input key/keyPrefix '{key}' can't contain '||'");
        let violation = json!({ "field": key, "description": message });
        Self::malformed(message.clone()).explained(
            "DAPR_STATE_ILLEGAL_KEY",
            store,
            &json!({}),
            &[json!({ "@type": type_url("BadRequest"), "field_violations": [violation] })],
        )
    }

    /// The store cannot do that.
    pub(super) fn not_supported(store: &str, what: &str) -> Self {
        let message = format!("state store {store} does not support {what}");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let failure = Self::new(status, "ERR_STATE_STORE_NOT_SUPPORTED", message);
        failure.explained("DAPR_STATE_NOT_SUPPORTED", store, &json!({}), &[])
    }

    /// An operation of a transaction that is neither of the two.
    pub(super) fn unknown_operation(operation: &str) -> Self {
        let message = format!("operation type {operation} not supported");
        Self::new(StatusCode::BAD_REQUEST, "ERR_NOT_SUPPORTED_STATE_OPERATION", message)
    }

    /// A transaction that is too long.
    pub(super) fn too_many_operations(store: &str, found: usize, limit: usize) -> Self {
        let message = format!(
            "the transaction contains {found} operations, which is more than what the state store \
             supports: {limit}"
        );
        let code = "ERR_STATE_STORE_TOO_MANY_TRANSACTIONS";
        let numbers = json!({
            "currentOpsTransaction": found.to_string(),
            "maxOpsPerTransaction": limit.to_string(),
        });
        Self::new(StatusCode::BAD_REQUEST, code, message).explained(
            "DAPR_STATE_TOO_MANY_TRANSACTIONS",
            store,
            &numbers,
            &[],
        )
    }

    /// The store failed, or refused the whole call; `doing` says what was tried.
    pub(super) fn of_store(code: &'static str, doing: &str, error: &StateError) -> Self {
        if error.is_callers_fault() {
            return Self::malformed(format!("{doing}: {error}"));
        }
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, code, format!("{doing}: {error}"))
    }

    fn explained(self, reason: &str, store: &str, metadata: &Value, more: &[Value]) -> Self {
        let mut details = vec![
            json!({
                "@type": type_url("ErrorInfo"),
                "domain": DOMAIN,
                "reason": reason,
                "metadata": metadata,
            }),
            json!({
                "@type": type_url("ResourceInfo"),
                "resource_type": "state",
                "resource_name": store,
                "owner": "",
                "description": "",
            }),
        ];
        details.extend_from_slice(more);
        Self { details: Some(Value::Array(details)), ..self }
    }
}

fn type_url(name: &str) -> String {
    format!("type.googleapis.com/google.rpc.{name}")
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut body = json!({ "errorCode": self.code, "message": self.message });
        if let Some(details) = self.details {
            body["details"] = details;
        }
        (self.status, Json(body)).into_response()
    }
}

/// What an ETag that did not fit is called, whatever the reason.
pub(super) fn mismatch(rejection: Rejection) -> String {
    format!("possible etag mismatch. error from state store: {rejection}")
}
