//! The state of workers: what their guests keep with `everlog:api/state`, seen and set from outside.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use everlog_runtime::{Standing, StateEntry};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::app::App;
use super::body::{Language, body_language, read_body};
use super::names::PathOf;
use super::parameters::Parameters;
use super::problem::{Code, Problem};
use super::worker_routes::Named;
use crate::time::format_instant;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;
/// A listing leaves out larger values, in bytes.
const MAX_LISTED_BYTES: u64 = 64 << 10;

/// The media type of values that are no JSON.
const BYTES: &str = "application/octet-stream";

/// `GET …/state?prefix=&limit=&cursor=`: keys in their order, with their values.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    PathOf((component, worker)): PathOf<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let parameters = Parameters::of(request.uri(), &["prefix", "limit", "cursor"])?;
    let limit = parameters.limit(DEFAULT_LIMIT, MAX_LIMIT)?;
    let prefix = parameters.one("prefix")?.unwrap_or_default();
    let after = parameters.one("cursor")?.map(read_cursor).transpose()?;
    let named = Named::find(&app, &component, worker)?;
    let (id, after) = (&named.id, after.as_deref());
    let page = app.runtime.worker_states(id, prefix, after, limit, MAX_LISTED_BYTES).await;
    let page = page.map_err(|error| named.problem(error))?;
    let entries: Vec<String> = page.entries.iter().map(entry_json).collect();
    let cursor = page.next.map(|next| json!(URL_SAFE_NO_PAD.encode(next)).to_string());
    let cursor = cursor.map_or_else(String::new, |cursor| format!(r#","cursor":{cursor}"#));
    let body = format!(r#"{{"state":[{}]{cursor}}}"#, entries.join(","));
    Ok(typed("application/json", body.into()))
}

/// `GET …/state/{key}`: the value as it is.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    PathOf((component, worker, key)): PathOf<(String, String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    Parameters::of(request.uri(), &[])?;
    let named = Named::find(&app, &component, worker)?;
    let found = app.runtime.worker_state(&named.id, &key).await;
    let Some(entry) = found.map_err(|error| named.problem(error))? else {
        let detail = format!("the state of worker {} has no key {key:?}", named.label());
        return Err(Problem::new(Code::StateNotFound, detail).worker(named.label()));
    };
    let value = entry.value.unwrap_or_default();
    let media_type = if is_json(&value) { "application/json" } else { BYTES };
    let mut response = typed(media_type, value.into());
    response.headers_mut().insert(header::ETAG, etag(entry.version));
    Ok(response)
}

/// `PUT …/state/{key}`: 204 once the value is durable. `If-Match` and `If-None-Match: *` say what must be there.
pub(super) async fn put(
    State(app): State<Arc<App>>,
    PathOf((component, worker, key)): PathOf<(String, String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    Parameters::of(&parts.uri, &[])?;
    let standing = standing(&parts.headers)?;
    let is_bytes = is_bytes(&parts.headers)?;
    let named = Named::find(&app, &component, worker)?;
    let value = read_body(body, app.max_body_bytes).await?;
    if !is_bytes && let Err(error) = serde_json::from_slice::<IgnoredAny>(&value) {
        let detail = format!("{error}; a value that is no JSON has the content type {BYTES}");
        return Err(Problem::new(Code::MalformedJson, detail));
    }
    change(&app, &named, &key, Some(value.to_vec()), standing).await
}

/// `DELETE …/state/{key}`: 204, also where nothing was there.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    PathOf((component, worker, key)): PathOf<(String, String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    Parameters::of(request.uri(), &[])?;
    let standing = standing(request.headers())?;
    let named = Named::find(&app, &component, worker)?;
    change(&app, &named, &key, None, standing).await
}

/// `DELETE …/state`: everything.
pub(super) async fn clear(
    State(app): State<Arc<App>>,
    PathOf((component, worker)): PathOf<(String, String)>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    Parameters::of(request.uri(), &[])?;
    let named = Named::find(&app, &component, worker)?;
    let cleared = app.runtime.clear_worker_state(&named.id).await;
    Ok(Json(json!({ "cleared": cleared.map_err(|error| named.problem(error))? })))
}

async fn change(
    app: &App,
    named: &Named,
    key: &str,
    value: Option<Vec<u8>>,
    standing: Standing,
) -> Result<Response, Problem> {
    let changed = app.runtime.set_worker_state(&named.id, key, value, standing).await;
    let version = changed.map_err(|error| named.problem(error))?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(version) = version {
        response.headers_mut().insert(header::ETAG, etag(version));
    }
    Ok(response)
}

/// One entry of a listing. By hand, since a value is to be in it as it was written, to the last digit.
fn entry_json(entry: &StateEntry) -> String {
    let value = match &entry.value {
        None => String::new(),
        Some(value) if is_json(value) => {
            format!(r#","value":{}"#, String::from_utf8_lossy(value))
        }
        Some(value) => format!(r#","bytes":{}"#, json!(STANDARD.encode(value))),
    };
    format!(
        r#"{{"key":{},"version":"{}","writtenAt":{},"size":{}{value}}}"#,
        json!(entry.key),
        entry.version,
        json!(format_instant(entry.written_at)),
        entry.size,
    )
}

fn is_json(value: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(value).is_ok()
}

/// Whether the body is bytes, not JSON.
fn is_bytes(headers: &HeaderMap) -> Result<bool, Problem> {
    if headers.get(header::CONTENT_TYPE).is_some_and(|value| value == BYTES) {
        return Ok(true);
    }
    match body_language(headers) {
        Ok(Language::Json) => Ok(false),
        _ => {
            let detail = format!("this route takes application/json and {BYTES}");
            Err(Problem::new(Code::UnsupportedMediaType, detail))
        }
    }
}

/// What the request says must be under the key.
fn standing(headers: &HeaderMap) -> Result<Standing, Problem> {
    let invalid = |name: &str| {
        let detail = format!("`{name}` is `*` or an ETag that this route has answered");
        Problem::new(Code::InvalidRequest, detail)
    };
    match (headers.get(header::IF_MATCH), headers.get(header::IF_NONE_MATCH)) {
        (None, None) => Ok(Standing::Any),
        (Some(tag), None) if tag == "*" => Ok(Standing::Present(true)),
        (None, Some(tag)) if tag == "*" => Ok(Standing::Present(false)),
        (Some(tag), None) => {
            let version = tag.to_str().ok().and_then(|tag| tag.trim_matches('"').parse().ok());
            version.map(Standing::Version).ok_or_else(|| invalid("If-Match"))
        }
        _ => Err(invalid("If-None-Match")),
    }
}

fn etag(version: u64) -> HeaderValue {
    // Digits and quotes are always a header.
    HeaderValue::try_from(format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

fn typed(media_type: &'static str, body: Body) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(media_type))], body).into_response()
}

/// A cursor is the last key of the page before.
fn read_cursor(text: &str) -> Result<String, Problem> {
    let key = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    key.ok_or_else(|| {
        Problem::new(Code::InvalidRequest, "`cursor` is not one that an answer of this route had")
    })
}

#[cfg(test)]
mod tests {
    use everlog_runtime::Timestamp;

    use super::*;

    #[test]
    fn values_are_listed_as_they_were_written() {
        let entry = |value: Option<&[u8]>| StateEntry {
            key: "a\"b".to_owned(),
            version: 7,
            written_at: Timestamp(0),
            size: 3,
            value: value.map(<[u8]>::to_vec),
        };
        let head = r#"{"key":"a\"b","version":"7","writtenAt":"1970-01-01T00:00:00Z","size":3"#;
        let number = b"123456789012345678901234567890.10";
        let expected = format!("{head},\"value\":{}}}", String::from_utf8_lossy(number));
        assert_eq!(entry_json(&entry(Some(number))), expected);
        assert_eq!(entry_json(&entry(Some(b"no"))), format!("{head},\"bytes\":\"bm8=\"}}"));
        assert_eq!(entry_json(&entry(None)), format!("{head}}}"));
    }

    #[test]
    fn conditions_are_those_of_http() {
        let read = |name: header::HeaderName, value: &str| {
            let value = HeaderValue::try_from(value).expect("a value");
            standing(&HeaderMap::from_iter([(name, value)]))
        };
        assert_eq!(read(header::IF_MATCH, "\"12\"").expect("valid"), Standing::Version(12));
        assert_eq!(read(header::IF_MATCH, "*").expect("valid"), Standing::Present(true));
        let absent = read(header::IF_NONE_MATCH, "*");
        assert_eq!(absent.expect("valid"), Standing::Present(false));
        for (name, bad) in [(header::IF_MATCH, "W/\"x\""), (header::IF_NONE_MATCH, "\"1\"")] {
            assert_eq!(read(name, bad).expect_err(bad).code(), Code::InvalidRequest);
        }
    }
}
