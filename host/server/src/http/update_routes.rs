//! Going over to another version of a component, and trying out whether that would succeed.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use everlog_oplog::UpdateMode;
use everlog_runtime::{CheckedWorker, Fit};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::app::App;
use super::body::{Language, body_language, read_body};
use super::names::PathOf;
use super::parameters::Parameters;
use super::problem::{Code, Problem};
use super::worker_routes::Named;

/// The body of a request to update.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    version: u64,
    mode: Mode,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Automatic,
    Snapshot,
}

/// The body of a request to check.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    version: u64,
}

/// The answer to a check.
#[derive(Serialize)]
pub(super) struct Checked {
    component: String,
    version: u64,
    workers: Vec<WorkerCheck>,
}

/// What a check found of one worker.
#[derive(Serialize)]
struct WorkerCheck {
    worker: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    divergence: Option<DivergenceJson>,
    /// Why the worker could not be checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct DivergenceJson {
    entry: u64,
    expected: String,
    found: String,
}

/// `POST …/update`: 202 once the request is durable; metadata shows what came of it.
pub(super) async fn update(
    State(app): State<Arc<App>>,
    PathOf((component, worker)): PathOf<(String, String)>,
    request: Request,
) -> Result<StatusCode, Problem> {
    let (parts, body) = request.into_parts();
    let named = Named::find(&app, &component, worker)?;
    let Update { version, mode } = read(&app, &parts, body).await?;
    let mode = match mode {
        Mode::Automatic => UpdateMode::Automatic,
        Mode::Snapshot => UpdateMode::Snapshot,
    };
    let requested = app.runtime.update(&named.id, version, mode).await;
    requested.map(|()| StatusCode::ACCEPTED).map_err(|error| named.problem(error))
}

/// `POST /v1/components/{component}/check-update`.
pub(super) async fn check(
    State(app): State<Arc<App>>,
    PathOf(component): PathOf<String>,
    request: Request,
) -> Result<Json<Checked>, Problem> {
    let (parts, body) = request.into_parts();
    let component = app.runtime.component(&component)?.name.clone();
    let Check { version } = read(&app, &parts, body).await?;
    let workers = app.runtime.check_update(&component, version).await?;
    let workers = workers.into_iter().map(WorkerCheck::of).collect();
    Ok(Json(Checked { component, version, workers }))
}

/// # Errors
/// [`Code::MalformedJson`] with the place of what is wrong, and what is wrong with any body.
async fn read<T: DeserializeOwned>(
    app: &App,
    parts: &Parts,
    body: axum::body::Body,
) -> Result<T, Problem> {
    Parameters::of(&parts.uri, &[])?;
    if body_language(&parts.headers)? != Language::Json {
        return Err(Problem::new(Code::UnsupportedMediaType, "this route takes application/json"));
    }
    parse(&read_body(body, app.max_body_bytes).await?)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let malformed = |error: serde_json::Error| Problem::new(Code::MalformedJson, error.to_string());
    // Through an object, since serde would read a struct from an array as well.
    let object: Map<String, Value> = serde_json::from_slice(body).map_err(malformed)?;
    serde_json::from_value(object.into()).map_err(malformed)
}

impl WorkerCheck {
    fn of(checked: CheckedWorker) -> Self {
        let worker = checked.worker.name;
        match checked.fit {
            Ok(Fit::Fits) => Self { worker, ok: true, divergence: None, error: None },
            Ok(Fit::Diverges(divergence)) => {
                let divergence = DivergenceJson {
                    entry: divergence.index.get(),
                    expected: divergence.recorded,
                    found: divergence.asked,
                };
                Self { worker, ok: false, divergence: Some(divergence), error: None }
            }
            Err(error) => {
                let error = Some(error.to_string());
                Self { worker, ok: false, divergence: None, error }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_exactly() {
        let read: Update = parse(br#"{"version":3,"mode":"snapshot"}"#).expect("valid");
        assert!(read.version == 3 && matches!(read.mode, Mode::Snapshot));
        for bad in [
            "",
            "[3,\"automatic\"]",
            r#"{"version":3}"#,
            r#"{"version":3,"mode":"magic"}"#,
            r#"{"version":-1,"mode":"automatic"}"#,
            r#"{"version":3,"mode":"automatic","when":"now"}"#,
        ] {
            let problem = parse::<Update>(bad.as_bytes()).expect_err(bad);
            assert_eq!(problem.code(), Code::MalformedJson, "{bad}");
        }
    }
}
