//! Uploading, listing and removing components.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use everlog_runtime::{ComponentSettings, ConcurrencyLimit};
use serde::Serialize;

use super::app::App;
use super::body::read_body;
use super::encode::ComponentJson;
use super::names::PathOf;
use super::parameters::Parameters;
use super::problem::{Code, Problem};

/// What can be said of a component when it is deployed.
const SETTINGS: [&str; 3] = ["read-only", "max-concurrent", "max-waiting"];
/// How many callers wait where nobody says otherwise.
const DEFAULT_WAITING: u32 = 1_024;

/// The answer to a listing.
#[derive(Serialize)]
struct ComponentList<'a> {
    components: Vec<ComponentJson<'a>>,
}

/// `PUT /v1/components/{component}?read-only=&max-concurrent=&max-waiting=`: 201 for a new version, 200 for the newest one once more.
pub(super) async fn put(
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let settings = settings(&Parameters::of(&parts.uri, &SETTINGS)?)?;
    let bytes = read_body(body, app.max_component_bytes).await.map_err(as_bad_upload)?;
    let deployed = app.runtime.deploy(&name, bytes.into(), &settings).await?;
    let status = if deployed.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(ComponentJson::of(&deployed.version))).into_response())
}

/// What the query says of the component.
fn settings(parameters: &Parameters<'_>) -> Result<ComponentSettings, Problem> {
    let [read_only, max_concurrent, max_waiting] = SETTINGS;
    let read_only = parameters.one(read_only)?.map(names).unwrap_or_default();
    let concurrent = number(parameters, max_concurrent)?;
    let waiting = number(parameters, max_waiting)?;
    let limit = match (concurrent, waiting) {
        (Some(concurrent), waiting) => {
            let waiting = waiting.unwrap_or(DEFAULT_WAITING);
            Some(ConcurrencyLimit { concurrent, waiting })
        }
        (None, None) => None,
        (None, Some(_)) => {
            let detail =
                "`max-waiting` says how many wait beyond `max-concurrent`, which is missing";
            return Err(Problem::new(Code::InvalidRequest, detail));
        }
    };
    Ok(ComponentSettings { read_only, limit })
}

fn number(parameters: &Parameters<'_>, name: &str) -> Result<Option<u32>, Problem> {
    let Some(text) = parameters.one(name)? else { return Ok(None) };
    text.parse().map(Some).map_err(|_| super::parameters::invalid(name, "a whole number", text))
}

/// Names with commas between them.
fn names(list: &str) -> Vec<String> {
    let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// A component over the limit is one of the many things that an upload must not be, all 400.
fn as_bad_upload(problem: Problem) -> Problem {
    match problem.code() {
        Code::BodyTooLarge => Problem::new(Code::InvalidComponent, problem.detail()),
        _ => problem,
    }
}

/// `GET /v1/components`: the newest version of each.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    Parameters::of(request.uri(), &[])?;
    let versions = app.runtime.components();
    let components = versions.iter().map(|version| ComponentJson::of(version)).collect();
    Ok(Json(ComponentList { components }).into_response())
}

/// `GET /v1/components/{component}`: the newest version.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<String>,
    request: Request,
) -> Result<Response, Problem> {
    Parameters::of(request.uri(), &[])?;
    Ok(Json(ComponentJson::of(&*app.runtime.component(&name)?)).into_response())
}

/// `GET /v1/components/{component}/versions/{version}`.
pub(super) async fn get_version(
    State(app): State<Arc<App>>,
    PathOf((name, version)): PathOf<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    Parameters::of(request.uri(), &[])?;
    let version = app.runtime.component_version(&name, version_number(&version)?).await?;
    Ok(Json(ComponentJson::of(&version)).into_response())
}

/// `GET /v1/components/{component}/versions/{version}/wasm`: the bytes as they were uploaded.
pub(super) async fn get_wasm(
    State(app): State<Arc<App>>,
    PathOf((name, version)): PathOf<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    Parameters::of(request.uri(), &[])?;
    let version = app.runtime.component_version(&name, version_number(&version)?).await?;
    let bytes = app.runtime.component_wasm(&version).await?;
    let wasm = HeaderValue::from_static("application/wasm");
    Ok(([(header::CONTENT_TYPE, wasm)], bytes).into_response())
}

/// `DELETE /v1/components/{component}?force=`.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<String>,
    request: Request,
) -> Result<Response, Problem> {
    let force = Parameters::of(request.uri(), &["force"])?.switch("force")?;
    app.runtime.delete_component(&name, force).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn version_number(text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| {
        Problem::new(Code::InvalidRequest, format!("a version is a whole number, `{text}` is none"))
    })
}
