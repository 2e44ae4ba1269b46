//! Looking at invocations by their keys, and taking them back.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use everlog_runtime::value::HandleUrns;
use everlog_runtime::{Ended, EndedInvocation, Ending, InvocationStatus, InvokeError};
use serde_json::json;

use super::app::App;
use super::encode::open_invocations;
use super::invoke_routes::bytes_as;
use super::names::{PathOf, check_key};
use super::parameters::Parameters;
use super::problem::Problem;
use super::worker_routes::Named;
use crate::time::format_instant;
use crate::values::{BytesAs, Json as ValueJson};

/// The longest that a request may wait for an invocation to end.
const MAX_WAIT: Duration = Duration::from_secs(600);

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;

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

/// `POST …/invocations/{key}/cancel`: 200 where it has ended by that, 202 where it is told.
pub(super) async fn ask_to_end(
    State(app): State<Arc<App>>,
    PathOf(names): PathOf<(String, String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    Parameters::of(request.uri(), &[])?;
    end(&app, names, Ending::Cancel).await
}

/// `POST …/invocations/{key}/kill`.
pub(super) async fn kill(
    State(app): State<Arc<App>>,
    PathOf(names): PathOf<(String, String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    Parameters::of(request.uri(), &[])?;
    end(&app, names, Ending::Kill).await
}

async fn end(
    app: &App,
    (component, worker, key): (String, String, String),
    how: Ending,
) -> Result<Response, Problem> {
    check_key(&key)?;
    let named = Named::find(app, &component, worker)?;
    let ended = app.runtime.end_invocation(&named.id, &key, how).await;
    let (code, status) = match ended.map_err(|error| named.problem(error).key(&key))? {
        Ended::Asked => (StatusCode::ACCEPTED, "cancelling"),
        Ended::Now if how == Ending::Kill => (StatusCode::OK, "killed"),
        Ended::Now => (StatusCode::OK, "cancelled"),
    };
    Ok((code, Json(json!({ "idempotencyKey": key, "status": status }))).into_response())
}

/// `GET …/invocations?ended=&limit=&cursor=`: those that have not ended, the running one first; and of those that have,
/// a page in the order of their keys, if asked for.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    PathOf((component, worker)): PathOf<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let parameters = Parameters::of(request.uri(), &["ended", "limit", "cursor"])?;
    let (ended, after) = (parameters.switch("ended")?, parameters.one("cursor")?);
    let limit = parameters.limit(DEFAULT_LIMIT, MAX_LIMIT)?;
    let named = Named::find(&app, &component, worker)?;
    let failed = |error| named.problem(error);
    let activity = app.runtime.activity(&named.id).await.map_err(failed)?;
    let mut invocations = if after.is_none() { open_invocations(&activity) } else { Vec::new() };
    let mut answer = json!({});
    if ended {
        let page = app.runtime.ended_invocations(&named.id, after, limit).await.map_err(failed)?;
        invocations.extend(page.invocations.iter().map(ended_json));
        if let Some(next) = page.next {
            answer["cursor"] = next.into();
        }
    }
    answer["invocations"] = invocations.into();
    Ok(Json(answer).into_response())
}

fn ended_json(ended: &EndedInvocation) -> serde_json::Value {
    let mut json = json!({
        "idempotencyKey": ended.key, "status": ended.status, "function": ended.function,
        "startedAt": format_instant(ended.begun_at), "endedAt": format_instant(ended.ended_at),
        "entry": ended.begun.get(), "endEntry": ended.ended.get(),
    });
    if ended.cancelled {
        json["cancelled"] = true.into();
    }
    json
}

fn status_json(
    named: &Named,
    key: &str,
    status: InvocationStatus,
    bytes: BytesAs,
) -> serde_json::Value {
    match status {
        InvocationStatus::Pending => json!({ "idempotencyKey": key, "status": "pending" }),
        InvocationStatus::Running { cancelled: false } => {
            json!({ "idempotencyKey": key, "status": "running" })
        }
        InvocationStatus::Running { cancelled: true } => {
            json!({ "idempotencyKey": key, "status": "running", "cancelled": true })
        }
        InvocationStatus::Scheduled { due } => {
            json!({ "idempotencyKey": key, "status": "scheduled", "due": format_instant(due) })
        }
        InvocationStatus::Completed(result) => {
            let urns = HandleUrns::of_worker(&named.component.id.to_string(), &named.id.name);
            let value = result.value.as_ref().map(|value| ValueJson { value, urns: &urns, bytes });
            let mut json = json!({ "idempotencyKey": key, "status": "completed", "result": value });
            if result.cancelled {
                json["cancelled"] = true.into();
            }
            json
        }
        InvocationStatus::Failed(error) => failed_json(named, key, error),
        InvocationStatus::Cancelled => json!({ "idempotencyKey": key, "status": "cancelled" }),
    }
}

fn failed_json(named: &Named, key: &str, error: InvokeError) -> serde_json::Value {
    let problem = named.problem(error).key(key);
    json!({ "idempotencyKey": key, "status": "failed", "error": problem.to_json() })
}
