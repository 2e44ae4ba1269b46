//! Creating, describing, steering and deleting workers.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use everlog_runtime::value::HandleUrns;
use everlog_runtime::{ComponentVersion, WorkerError, WorkerId, WorkerSettings};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::app::App;
use super::body::{Language, body_language, read_body};
use super::encode::{WorkerJson, activity_json};
use super::names::PathOf;
use super::parameters::Parameters;
use super::problem::{Code, Problem};

/// The body of a `PUT`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Creation {
    args: Vec<String>,
    env: BTreeMap<String, String>,
    version: Option<u64>,
}

/// A worker as a path names it, found as far as its component.
pub(super) struct Named {
    pub(super) component: Arc<ComponentVersion>,
    pub(super) id: WorkerId,
}

impl Named {
    /// Finds the component and checks the worker's name; whether there is such a worker is not
    /// looked at.
    ///
    /// # Errors
    /// [`Code::ComponentNotFound`], [`Code::InvalidRequest`].
    pub(super) fn find(app: &App, component: &str, worker: String) -> Result<Self, Problem> {
        let component = app.runtime.component(component)?;
        let id = WorkerId::new(component.id, worker)?;
        Ok(Self { component, id })
    }

    /// The problem that `error` is, with this worker in it.
    pub(super) fn problem(&self, error: impl Into<Problem>) -> Problem {
        error.into().worker(self.label())
    }

    /// `component/worker`, for messages.
    pub(super) fn label(&self) -> String {
        format!("{}/{}", self.component.name, self.id.name)
    }
}

/// `PUT /v1/workers/{component}/{worker}`: 201 for a new worker, 200 for one that is there.
pub(super) async fn put(
    State(app): State<Arc<App>>,
    PathOf((component, worker)): PathOf<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    Parameters::of(&parts.uri, &[])?;
    let named = Named::find(&app, &component, worker)?;
    if body_language(&parts.headers)? != Language::Json {
        return Err(Problem::new(Code::UnsupportedMediaType, "this route takes application/json"));
    }
    let body = read_body(body, app.max_body_bytes).await?;
    let settings = settings(&body)?;
    let failed = |error: WorkerError| named.problem(error);
    let created = app.runtime.create_worker(&named.id, settings).await.map_err(failed)?;
    let metadata = app.runtime.worker(&named.id).await.map_err(failed)?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(WorkerJson::of(&metadata, &named.component.name))).into_response())
}

/// # Errors
/// [`Code::MalformedJson`] with the place of what is wrong.
fn settings(body: &[u8]) -> Result<WorkerSettings, Problem> {
    if body.trim_ascii().is_empty() {
        return Ok(WorkerSettings::default());
    }
    let malformed = |error: serde_json::Error| Problem::new(Code::MalformedJson, error.to_string());
    // Through an object, since serde would read a struct from an array as well.
    let object: Map<String, Value> = serde_json::from_slice(body).map_err(malformed)?;
    let creation: Creation = serde_json::from_value(object.into()).map_err(malformed)?;
    Ok(WorkerSettings {
        args: creation.args,
        env: creation.env.into_iter().collect(),
        version: creation.version,
    })
}

/// `GET /v1/workers/{component}/{worker}?rebuild=`; rebuilt is folded from the whole oplog, past
/// every cache.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    PathOf((component, worker)): PathOf<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let rebuild = Parameters::of(request.uri(), &["rebuild"])?.switch("rebuild")?;
    let named = Named::find(&app, &component, worker)?;
    let metadata = match rebuild {
        true => app.runtime.rebuild_status(&named.id).await,
        false => app.runtime.worker(&named.id).await,
    };
    let metadata = metadata.map_err(|error| named.problem(error))?;
    Ok(Json(WorkerJson::of(&metadata, &named.component.name)).into_response())
}

/// `GET …/activity`: what the worker is doing.
pub(super) async fn activity(
    State(app): State<Arc<App>>,
    PathOf((component, worker)): PathOf<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    Parameters::of(request.uri(), &[])?;
    let named = Named::find(&app, &component, worker)?;
    let activity = app.runtime.activity(&named.id).await;
    let activity = activity.map_err(|error| named.problem(error))?;
    let urns = HandleUrns::of_worker(&named.component.id.to_string(), &named.id.name);
    Ok(Json(activity_json(&activity, &named.component.name, &urns)).into_response())
}

/// `DELETE /v1/workers/{component}/{worker}`.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    PathOf((component, worker)): PathOf<(String, String)>,
    request: Request,
) -> Result<StatusCode, Problem> {
    Parameters::of(request.uri(), &[])?;
    let named = Named::find(&app, &component, worker)?;
    let done = app.runtime.delete_worker(&named.id).await;
    done.map(|()| StatusCode::NO_CONTENT).map_err(|error| named.problem(error))
}

/// `POST …/interrupt`.
pub(super) async fn interrupt(
    State(app): State<Arc<App>>,
    PathOf((component, worker)): PathOf<(String, String)>,
    request: Request,
) -> Result<StatusCode, Problem> {
    Parameters::of(request.uri(), &[])?;
    let named = Named::find(&app, &component, worker)?;
    let done = app.runtime.interrupt(&named.id).await;
    done.map(|()| StatusCode::NO_CONTENT).map_err(|error| named.problem(error))
}

/// `POST …/resume`.
pub(super) async fn resume(
    State(app): State<Arc<App>>,
    PathOf((component, worker)): PathOf<(String, String)>,
    request: Request,
) -> Result<StatusCode, Problem> {
    Parameters::of(request.uri(), &[])?;
    let named = Named::find(&app, &component, worker)?;
    let done = app.runtime.resume(&named.id).await;
    done.map(|()| StatusCode::NO_CONTENT).map_err(|error| named.problem(error))
}

/// `POST …/crash`: a drill, the instance is dropped and recovered at once.
pub(super) async fn crash(
    State(app): State<Arc<App>>,
    PathOf((component, worker)): PathOf<(String, String)>,
    request: Request,
) -> Result<StatusCode, Problem> {
    Parameters::of(request.uri(), &[])?;
    let named = Named::find(&app, &component, worker)?;
    let done = app.runtime.crash(&named.id).await;
    done.map(|()| StatusCode::NO_CONTENT).map_err(|error| named.problem(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_optional_and_exact() {
        assert!(settings(b"  \n").expect("valid").args.is_empty());
        let read = settings(br#"{"args":["a"],"env":{"K":"v"},"version":3}"#).expect("valid");
        assert_eq!(read.args, ["a"]);
        assert_eq!(read.env, [("K".to_owned(), "v".to_owned())]);
        assert_eq!(read.version, Some(3));
        for bad in ["[]", "{\"arg\":[]}", "{\"args\":[1]}", "{", "{\"version\":-1}"] {
            let problem = settings(bad.as_bytes()).expect_err(bad);
            assert_eq!(problem.code(), Code::MalformedJson, "{bad}");
        }
    }
}
