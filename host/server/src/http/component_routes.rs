//! Uploading, listing and removing components.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use everlog_runtime::ComponentSettings;
use serde::Serialize;

use super::app::App;
use super::body::read_body;
use super::encode::ComponentJson;
use super::names::PathOf;
use super::parameters::Parameters;
use super::problem::{Code, Problem};

/// The answer to a listing.
#[derive(Serialize)]
struct ComponentList<'a> {
    components: Vec<ComponentJson<'a>>,
}

/// `PUT /v1/components/{component}?read-only=`: 201 for a new version, 200 for the newest one once more.
pub(super) async fn put(
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let read_only = Parameters::of(&parts.uri, &["read-only"])?.one("read-only")?.map(names);
    let settings = ComponentSettings { read_only: read_only.unwrap_or_default() };
    let bytes = read_body(body, app.max_component_bytes).await.map_err(as_bad_upload)?;
    let deployed = app.runtime.deploy(&name, bytes.into(), &settings).await?;
    let status = if deployed.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(ComponentJson::of(&deployed.version))).into_response())
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
