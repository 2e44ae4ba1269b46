//! Completing promises, and asking how they stand.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use everlog_runtime::{Index, MAX_PROMISE_BYTES, PromiseState};
use serde::Serialize;

use super::app::App;
use super::body::read_body;
use super::names::PathOf;
use super::parameters::{Parameters, invalid};
use super::problem::Problem;
use super::worker_routes::Named;

#[derive(Serialize)]
pub(super) struct Completion {
    /// Whether this was the first completion, which is the one that counts.
    completed: bool,
}

#[derive(Serialize)]
pub(super) struct Standing {
    state: &'static str,
}

/// `POST /v1/promises/{component}/{worker}/{oplogIndex}/complete`: the body is what the one who
/// awaits the promise gets.
pub(super) async fn complete(
    State(app): State<Arc<App>>,
    PathOf((component, worker, promise)): PathOf<(String, String, String)>,
    request: Request,
) -> Result<Json<Completion>, Problem> {
    let (parts, body) = request.into_parts();
    Parameters::of(&parts.uri, &[])?;
    let promise = index(&promise)?;
    let named = Named::find(&app, &component, worker)?;
    let data = read_body(body, app.max_body_bytes.min(MAX_PROMISE_BYTES)).await?;
    let completed = app.runtime.complete_promise(&named.id, promise, data.to_vec()).await;
    let completed = completed.map_err(|error| named.problem(error))?;
    Ok(Json(Completion { completed }))
}

/// `GET /v1/promises/{component}/{worker}/{oplogIndex}`.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    PathOf((component, worker, promise)): PathOf<(String, String, String)>,
    request: Request,
) -> Result<Json<Standing>, Problem> {
    Parameters::of(request.uri(), &[])?;
    let promise = index(&promise)?;
    let named = Named::find(&app, &component, worker)?;
    let state = app.runtime.promise(&named.id, promise).await;
    let state = match state.map_err(|error| named.problem(error))? {
        PromiseState::Pending => "pending",
        PromiseState::Completed(_) => "completed",
    };
    Ok(Json(Standing { state }))
}

fn index(text: &str) -> Result<Index, Problem> {
    let number = text.parse().map_err(|_| invalid("oplogIndex", "an index of the oplog", text))?;
    Ok(Index(number))
}
