//! Invoking: the hot path of the server.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, body::Body};
use everlog_runtime::exports::{Exports, NameError, Target};
use everlog_runtime::value::{HandleUrns, Value};
use everlog_runtime::{
    ComponentVersion, Invocation, InvocationResult, Timestamp, Versions, WorkerSettings, clock,
    random_uuid,
};
use serde_json::json;

use super::app::App;
use super::body::{Language, WAVE, answer_language, body_language, read_body};
use super::names::{self, IDEMPOTENCY_KEY, PathOf};
use super::parameters::Parameters;
use super::problem::{Code, Problem};
use super::worker_routes::Named;
use crate::percent::encode_segment;
use crate::time::parse_instant;
use crate::values::{self, BytesAs, Invalid};

/// The longest delay of a call.
const MAX_DELAY: Duration = Duration::from_secs(3_660 * 86_400);
/// What the query of an invocation may hold.
const PARAMETERS: [&str; 4] = ["function", "delay", "at", "bytes"];

/// What a caller asks of an invocation besides function and arguments.
struct Options {
    key: Option<String>,
    /// Whether the caller wants to be told of the acceptance instead of the result.
    accept_only: bool,
    due: Option<Timestamp>,
    answer: Answer,
}

/// How the result is written.
#[derive(Clone, Copy)]
struct Answer {
    language: Language,
    bytes: BytesAs,
}

/// `POST /v1/workers/{component}/{worker}/invoke/{function}`.
pub(super) async fn invoke(
    State(app): State<Arc<App>>,
    PathOf((component, worker, function)): PathOf<(String, String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    invoke_function(&app, &component, worker, &function, &parts, body).await
}

/// The header of a result that says that somebody had asked for the end of the invocation.
const CANCELLED: header::HeaderName = header::HeaderName::from_static("everlog-cancelled");

/// `POST /v1/workers/{component}/{worker}/invoke?function=`.
pub(super) async fn invoke_named(
    State(app): State<Arc<App>>,
    PathOf((component, worker)): PathOf<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let function = function_parameter(&parts.uri)?;
    invoke_function(&app, &component, worker, &function, &parts, body).await
}

async fn invoke_function(
    app: &App,
    component: &str,
    worker: String,
    function: &str,
    parts: &Parts,
    body: Body,
) -> Result<Response, Problem> {
    let options = Options::of(parts)?;
    let named = Named::find(app, component, worker)?;
    let versions =
        app.runtime.versions_for(&named.id).await.map_err(|error| named.problem(error))?;
    let urns = HandleUrns::of_worker(&named.component.id.to_string(), &named.id.name);
    let (version, target, args) =
        read_any_call(versions, function, &parts.headers, body, &urns, app.max_body_bytes)
            .await
            .map_err(|problem| named.problem(problem))?;
    let trace = names::trace_context(&parts.headers);
    if options.accept_only {
        let key = options.key.unwrap_or_else(|| random_uuid().to_string());
        let call = Invocation { key: Some(key.clone()), version, target, args, trace };
        let accepted = app.runtime.accept(&named.id, call, options.due).await;
        accepted.map_err(|error| named.problem(error).key(&key))?;
        return Ok(accepted_answer(&named, &key));
    }
    let call = Invocation { key: options.key.clone(), version, target, args, trace };
    match app.runtime.invoke(&named.id, call).await {
        Ok(result) => Ok(result_answer(&result, &urns, options.answer)),
        Err(error) => {
            let problem = named.problem(error);
            Err(match options.key {
                Some(key) => problem.key(key),
                None => problem,
            })
        }
    }
}

/// `POST /v1/components/{component}/invoke/{function}`: on a fresh worker, gone afterwards.
pub(super) async fn invoke_ephemeral(
    State(app): State<Arc<App>>,
    PathOf((component, function)): PathOf<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    ephemeral_function(&app, &component, &function, &parts, body).await
}

/// `POST /v1/components/{component}/invoke?function=`.
pub(super) async fn invoke_ephemeral_named(
    State(app): State<Arc<App>>,
    PathOf(component): PathOf<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let function = function_parameter(&parts.uri)?;
    ephemeral_function(&app, &component, &function, &parts, body).await
}

async fn ephemeral_function(
    app: &App,
    component: &str,
    function: &str,
    parts: &Parts,
    body: Body,
) -> Result<Response, Problem> {
    let options = Options::of(parts)?;
    if options.key.is_some() || options.accept_only {
        let detail = "an ephemeral worker is gone after its one call, so there is nothing that a \
                      key, a delay or respond-async could refer to; call a worker instead";
        return Err(Problem::new(Code::InvalidRequest, detail));
    }
    let version = app.runtime.component(component)?;
    // The worker has no name, so no handle of its resources outlives the call.
    let urns = HandleUrns::of_worker(&version.id.to_string(), "");
    let (target, args) =
        read_call(version.exports(), function, &parts.headers, body, &urns, app.max_body_bytes)
            .await?;
    let trace = names::trace_context(&parts.headers);
    let call = Invocation { key: None, version: Arc::clone(&version), target, args, trace };
    let settings = WorkerSettings::default();
    let result = app.runtime.invoke_ephemeral(&version, call, settings).await?;
    let mut answer = result_answer(&result, &urns, options.answer);
    answer.headers_mut().remove(IDEMPOTENCY_KEY);
    Ok(answer)
}

fn function_parameter(uri: &Uri) -> Result<String, Problem> {
    let parameters = Parameters::of(uri, &PARAMETERS)?;
    let function = parameters.one("function")?.map(str::to_owned);
    function.ok_or_else(|| {
        let detail = "which function? Name it in the path, or with ?function=";
        Problem::new(Code::InvalidRequest, detail)
    })
}

impl Options {
    fn of(parts: &Parts) -> Result<Self, Problem> {
        let parameters = Parameters::of(&parts.uri, &PARAMETERS)?;
        let due = due(&parameters)?;
        Ok(Self {
            key: names::idempotency_key(&parts.headers)?,
            accept_only: due.is_some() || prefers_async(&parts.headers),
            due,
            answer: Answer {
                language: answer_language(&parts.headers),
                bytes: bytes_as(&parameters)?,
            },
        })
    }
}

/// When the call is to run at the earliest.
fn due(parameters: &Parameters<'_>) -> Result<Option<Timestamp>, Problem> {
    let delay = parameters.duration("delay", MAX_DELAY)?;
    match (delay, parameters.one("at")?) {
        (None, None) => Ok(None),
        (Some(delay), None) => {
            let nanos = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
            Ok(Some(clock::now().after(nanos)))
        }
        (None, Some(at)) => parse_instant(at)
            .map(Some)
            .map_err(|detail| Problem::new(Code::InvalidRequest, format!("`at`: {detail}"))),
        (Some(_), Some(_)) => {
            Err(Problem::new(Code::InvalidRequest, "`delay` and `at` exclude each other"))
        }
    }
}

/// How `list<u8>` is wanted in the result.
pub(super) fn bytes_as(parameters: &Parameters<'_>) -> Result<BytesAs, Problem> {
    match parameters.one("bytes")? {
        None | Some("array") => Ok(BytesAs::Array),
        Some("base64") => Ok(BytesAs::Base64),
        Some(other) => Err(super::parameters::invalid("bytes", "array or base64", other)),
    }
}

fn prefers_async(headers: &HeaderMap) -> bool {
    let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    preferences
        .flat_map(|value| value.split([',', ';']))
        .any(|preference| preference.trim().eq_ignore_ascii_case("respond-async"))
}

/// As [`read_call`], for the first of the versions that has the function and takes the arguments:
/// a call of what only a coming version has waits for it. The problem is that of the version that
/// runs.
async fn read_any_call(
    versions: Versions,
    function: &str,
    headers: &HeaderMap,
    body: Body,
    urns: &HandleUrns,
    limit: usize,
) -> Result<(Arc<ComponentVersion>, Target, Vec<Value>), Problem> {
    let Versions { current, coming } = versions;
    if coming.is_empty() {
        let read = read_call(current.exports(), function, headers, body, urns, limit).await;
        return read.map(|(target, args)| (current, target, args));
    }
    let body = read_body(body, limit).await?;
    let mut refused = None;
    for version in std::iter::once(current).chain(coming) {
        let body = Body::from(body.clone());
        match read_call(version.exports(), function, headers, body, urns, limit).await {
            Ok((target, args)) => return Ok((version, target, args)),
            Err(problem) => drop(refused.get_or_insert(problem)),
        }
    }
    let nothing = || Problem::new(Code::FunctionNotFound, "the worker has no version");
    Err(refused.unwrap_or_else(nothing))
}

/// Finds the function and reads its arguments. Nothing has happened to the worker when it fails.
async fn read_call(
    exports: &Exports,
    function: &str,
    headers: &HeaderMap,
    body: Body,
    urns: &HandleUrns,
    limit: usize,
) -> Result<(Target, Vec<Value>), Problem> {
    let target = exports.resolve(function)?;
    if let Target::Http(_) = target {
        let detail = "this function answers HTTP requests only; send one to \
                      /http/{component}/{worker}/…";
        return Err(Problem::new(Code::InvalidRequest, detail));
    }
    let language = body_language(headers)?;
    let body = read_body(body, limit).await?;
    let parameters = exports.parameters_of(&target);
    let args = match language {
        Language::Json => values::decode_arguments(&body, parameters, urns)?,
        Language::Wave => values::decode_wave(&body, parameters, urns)?,
    };
    Ok((target, args))
}

impl From<NameError> for Problem {
    fn from(error: NameError) -> Self {
        let detail = error.to_string();
        match error {
            NameError::Unknown { near, .. } => {
                Self::new(Code::FunctionNotFound, detail).candidates(near)
            }
            NameError::Ambiguous { candidates, .. } => {
                Self::new(Code::AmbiguousFunction, detail).candidates(candidates)
            }
            NameError::Syntax { .. } => Self::new(Code::InvalidRequest, detail),
            NameError::Arguments { .. } => Self::new(Code::InvalidArguments, detail),
        }
    }
}

impl From<Invalid> for Problem {
    fn from(error: Invalid) -> Self {
        Self::new(Code::InvalidArguments, error.to_string()).pointer(error.pointer)
    }
}

fn accepted_answer(named: &Named, key: &str) -> Response {
    let component = encode_segment(&named.component.name);
    let worker = encode_segment(&named.id.name);
    let location = format!("/v1/workers/{component}/{worker}/invocations/{}", encode_segment(key));
    let body = json!({ "idempotencyKey": key, "status": "accepted" });
    let mut response = (StatusCode::ACCEPTED, Json(body)).into_response();
    insert(response.headers_mut(), header::LOCATION, &location);
    insert(response.headers_mut(), IDEMPOTENCY_KEY, key);
    response
}

fn result_answer(result: &InvocationResult, urns: &HandleUrns, answer: Answer) -> Response {
    let (media_type, body) = match (answer.language, &result.value) {
        (Language::Wave, value) => (WAVE, values::encode_wave(value.as_ref(), urns).into_bytes()),
        (Language::Json, None) => ("application/json", b"null".to_vec()),
        (Language::Json, Some(value)) => {
            ("application/json", values::Json { value, urns, bytes: answer.bytes }.to_bytes())
        }
    };
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    insert(headers, IDEMPOTENCY_KEY, &result.key);
    if result.cancelled {
        headers.insert(CANCELLED, HeaderValue::from_static("true"));
    }
    response
}

/// Adds a header. Keys and encoded paths are visible ASCII, so every one of them fits.
fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preference_is_found_among_others() {
        let prefers = |value: &str| {
            prefers_async(&HeaderMap::from_iter([(
                header::HeaderName::from_static("prefer"),
                HeaderValue::from_str(value).expect("a value"),
            )]))
        };
        assert!(prefers("respond-async"));
        assert!(prefers("wait=10, Respond-Async"));
        assert!(!prefers("respond-asynchronously"));
        assert!(!prefers_async(&HeaderMap::new()));
    }

    #[test]
    fn a_call_is_delayed_in_one_way_only() {
        let due = |query: &str| {
            let uri: Uri = format!("/?{query}").parse().expect("a URI");
            let parameters = Parameters::of(&uri, &PARAMETERS).expect("known");
            due(&parameters)
        };
        assert_eq!(due("").expect("valid"), None);
        let at = due("at=2026-03-01T12:00:00Z").expect("valid");
        assert_eq!(at, Some(Timestamp(1_772_366_400_000_000_000)));
        assert!(due("delay=1h").expect("valid") > Some(clock::now()));
        for bad in ["delay=1", "delay=99999d", "at=soon", "at=2026-03-01T12:00:00Z&delay=1s"] {
            assert_eq!(due(bad).expect_err(bad).code(), Code::InvalidRequest);
        }
    }
}
