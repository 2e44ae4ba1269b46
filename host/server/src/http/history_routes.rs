//! The past of workers: taken back, or taken over by another.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use everlog_runtime::{Index, RevertTo, WorkerId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::app::App;
use super::body::{Language, body_language, read_body};
use super::encode::WorkerJson;
use super::names::PathOf;
use super::parameters::Parameters;
use super::problem::{Code, Problem};
use super::worker_routes::Named;

/// How far back.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Reversion {
    to_index: Option<u64>,
    last_invocations: Option<u64>,
}

/// Who inherits, and how much.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Fork {
    worker: String,
    at_index: Option<u64>,
}

impl Reversion {
    fn target(&self) -> Result<RevertTo, Problem> {
        match (self.to_index, self.last_invocations) {
            (Some(to), None) => Ok(RevertTo::Index(existing("toIndex", to)?)),
            (None, Some(count)) if count > 0 => Ok(RevertTo::BeforeLast(count)),
            (None, Some(_)) => Err(invalid("`lastInvocations` must be at least 1")),
            _ => Err(invalid("the body has either `toIndex` or `lastInvocations`")),
        }
    }
}

/// `POST …/revert`: answers the entry that says so.
pub(super) async fn revert(
    State(app): State<Arc<App>>,
    PathOf((component, worker)): PathOf<(String, String)>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let wanted: Reversion = order(&app, request).await?;
    let target = wanted.target()?;
    let named = Named::find(&app, &component, worker)?;
    let reverted = app.runtime.revert(&named.id, target).await;
    let reverted = reverted.map_err(|error| named.problem(error))?;
    Ok(Json(json!({ "oplogIndex": reverted.get() })))
}

/// `POST …/fork`: answers 201 and the new worker.
pub(super) async fn fork(
    State(app): State<Arc<App>>,
    PathOf((component, worker)): PathOf<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let wanted: Fork = order(&app, request).await?;
    let at = wanted.at_index.map(|at| existing("atIndex", at)).transpose()?;
    let named = Named::find(&app, &component, worker)?;
    let heir = WorkerId::new(named.component.id, wanted.worker)?;
    let forked = app.runtime.fork(&named.id, &heir, at).await;
    forked.map_err(|error| named.problem(error))?;
    let metadata = app.runtime.worker(&heir).await.map_err(|error| named.problem(error))?;
    let body = Json(WorkerJson::of(&metadata, &named.component.name));
    Ok((StatusCode::CREATED, body).into_response())
}

/// Reads a body that is a JSON object of these members.
pub(super) async fn order<T: DeserializeOwned>(
    app: &App,
    request: Request<Body>,
) -> Result<T, Problem> {
    let (parts, body) = request.into_parts();
    Parameters::of(&parts.uri, &[])?;
    if body_language(&parts.headers)? != Language::Json {
        return Err(Problem::new(Code::UnsupportedMediaType, "this route takes application/json"));
    }
    let body = read_body(body, app.max_body_bytes).await?;
    let malformed = |error: serde_json::Error| Problem::new(Code::MalformedJson, error.to_string());
    // Through an object, since serde would read a struct from an array as well.
    let object: Map<String, Value> = serde_json::from_slice(&body).map_err(malformed)?;
    serde_json::from_value(object.into()).map_err(malformed)
}

fn existing(name: &str, index: u64) -> Result<Index, Problem> {
    match index {
        0 => Err(invalid(&format!("`{name}` must be an index, which are counted from 1"))),
        index => Ok(Index(index)),
    }
}

fn invalid(detail: &str) -> Problem {
    Problem::new(Code::InvalidRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reversion_has_one_target() {
        let target = |body: &str| {
            let wanted: Reversion = serde_json::from_str(body).expect("an object");
            wanted.target()
        };
        assert_eq!(target(r#"{"toIndex":7}"#).expect("valid"), RevertTo::Index(Index(7)));
        assert_eq!(target(r#"{"lastInvocations":2}"#).expect("valid"), RevertTo::BeforeLast(2));
        for bad in ["{}", r#"{"toIndex":1,"lastInvocations":1}"#, r#"{"toIndex":0}"#] {
            assert_eq!(target(bad).expect_err(bad).code(), Code::InvalidRequest);
        }
        assert!(target(r#"{"lastInvocations":0}"#).is_err());
    }
}
