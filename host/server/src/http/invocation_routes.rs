//! Looking at invocations by their keys, and taking them back.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use everlog_runtime::value::HandleUrns;
use everlog_runtime::{InvocationStatus, InvokeError};
use serde_json::json;

use super::app::App;
use super::invoke_routes::bytes_as;
use super::names::{PathOf, check_key};
use super::parameters::Parameters;
use super::problem::Problem;
use super::worker_routes::Named;
use crate::time::format_instant;
use crate::values::{BytesAs, Json as ValueJson};

/// The longest that a request may wait for an invocation to end.
const MAX_WAIT: Duration = Duration::from_secs(600);

/// `GET …/invocations/{key}?wait=&bytes=`.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    PathOf((component, worker, key)): PathOf<(String, String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let parameters = Parameters::of(request.uri(), &["wait", "bytes"])?;
    let wait = parameters.duration("wait", MAX_WAIT)?.unwrap_or_default();
    let bytes = bytes_as(&parameters)?;
    check_key(&key)?;
    let named = Named::find(&app, &component, worker)?;
    let status = app.runtime.invocation(&named.id, &key, wait).await;
    let status = status.map_err(|error| named.problem(error).key(&key))?;
    Ok(Json(status_json(&named, &key, status, bytes)).into_response())
}

/// `DELETE …/invocations/{key}`: only what has not started can be taken back.
pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    PathOf((component, worker, key)): PathOf<(String, String, String)>,
    request: Request,
) -> Result<StatusCode, Problem> {
    Parameters::of(request.uri(), &[])?;
    check_key(&key)?;
    let named = Named::find(&app, &component, worker)?;
    let done = app.runtime.cancel(&named.id, &key).await;
    done.map(|()| StatusCode::NO_CONTENT).map_err(|error| named.problem(error).key(&key))
}

fn status_json(
    named: &Named,
    key: &str,
    status: InvocationStatus,
    bytes: BytesAs,
) -> serde_json::Value {
    match status {
        InvocationStatus::Pending => json!({ "idempotencyKey": key, "status": "pending" }),
        InvocationStatus::Running => json!({ "idempotencyKey": key, "status": "running" }),
        InvocationStatus::Scheduled { due } => {
            json!({ "idempotencyKey": key, "status": "scheduled", "due": format_instant(due) })
        }
        InvocationStatus::Completed(result) => {
            let urns = HandleUrns::of_worker(&named.component.id.to_string(), &named.id.name);
            let value = result.value.as_ref().map(|value| ValueJson { value, urns: &urns, bytes });
            json!({ "idempotencyKey": key, "status": "completed", "result": value })
        }
        InvocationStatus::Failed(error) => failed_json(named, key, error),
        InvocationStatus::Cancelled => json!({ "idempotencyKey": key, "status": "cancelled" }),
    }
}

fn failed_json(named: &Named, key: &str, error: InvokeError) -> serde_json::Value {
    let problem = named.problem(error).key(key);
    json!({ "idempotencyKey": key, "status": "failed", "error": problem.to_json() })
}
