//! What callers are told of values.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use everlog_runtime::state_store::State;
use jiff::Timestamp as Instant;
use serde_json::value::Value;
use serde_json::{Map, json};

use super::json::Json;

/// The name under which metadata say when a value ends.
const TTL_EXPIRE_TIME: &str = "ttlExpireTime";

/// 204.
pub(super) fn nothing() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// A JSON text as it is.
pub(super) fn json_text(text: String) -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], text).into_response()
}

/// One value: bare, with its ETag.
pub(super) fn value(state: State) -> Response {
    let is_json = std::str::from_utf8(&state.bytes).is_ok_and(is_json);
    // Guests keep bytes of any kind.
    let media = if is_json { "application/json" } else { "application/octet-stream" };
    let mut response = Response::new(Body::from(state.bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    if let Ok(etag) = HeaderValue::from_str(&state.etag) {
        headers.insert(header::ETAG, etag);
    }
    if let Some(end) = state.expires_at
        && let Ok(end) = HeaderValue::from_str(&rfc3339(end))
    {
        headers.insert(HeaderName::from_static("metadata.ttlexpiretime"), end);
    }
    response
}

/// A value as a member of a list: an object's text, which begins with its key.
pub(super) struct Entry(String);

impl Entry {
    /// Of a key of which nothing else is known.
    pub(super) fn of(key: &str) -> Self {
        Self(format!("{{\"key\":{}", Value::from(key)))
    }

    /// Adds a value.
    pub(super) fn state(self, state: &State) -> Self {
        let data = match std::str::from_utf8(&state.bytes) {
            Ok(text) if is_json(text) => text.to_owned(),
            Ok(text) => Value::from(text).to_string(),
            Err(_) => Value::from(BASE64.encode(&state.bytes)).to_string(),
        };
        let Self(head) = self;
        let mut text = format!("{head},\"data\":{data},\"etag\":\"{}\"", state.etag);
        if let Some(end) = state.expires_at {
            let metadata = json!({ TTL_EXPIRE_TIME: rfc3339(end) });
            text.push_str(&format!(",\"metadata\":{metadata}"));
        }
        Self(text)
    }

    /// Adds why there is no value.
    pub(super) fn error(self, message: &str) -> Self {
        Self(format!("{},\"error\":{}", self.0, Value::from(message)))
    }
}

/// Entries as a JSON array.
pub(super) fn list(entries: &[Entry]) -> String {
    let entries: Vec<String> = entries.iter().map(|Entry(text)| format!("{text}}}")).collect();
    format!("[{}]", entries.join(","))
}

/// Whether a text is one JSON value and nothing else but blanks.
fn is_json(text: &str) -> bool {
    Json::read(text).is_ok_and(|json| json.text.len() == text.trim_ascii().len())
}

fn rfc3339(end: everlog_runtime::Timestamp) -> String {
    let nanos = i128::from(end.0);
    Instant::from_nanosecond(nanos).map_or_else(|_| String::new(), |end| end.to_string())
}

/// What `GET /v1.0/metadata` says of one component.
pub(super) fn component(name: &str, kind: &str, capabilities: &[&str]) -> Value {
    json!({ "name": name, "type": kind, "version": "v1", "capabilities": capabilities })
}

/// Texts as a JSON object.
pub(super) fn texts<'a>(texts: impl Iterator<Item = (&'a String, &'a String)>) -> Value {
    Value::Object(
        texts.map(|(name, text)| (name.clone(), Value::from(text.as_str()))).collect::<Map<_, _>>(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(bytes: &[u8]) -> State {
        State { bytes: bytes.to_vec(), etag: "7".to_owned(), expires_at: None }
    }

    #[test]
    fn data_is_json_whatever_the_bytes_are() {
        let data = |bytes: &[u8]| list(&[Entry::of("k\"").state(&state(bytes))]);
        assert_eq!(data(b"1.0"), r#"[{"key":"k\"","data":1.0,"etag":"7"}]"#);
        assert_eq!(data(b"plain"), r#"[{"key":"k\"","data":"plain","etag":"7"}]"#);
        assert_eq!(data(b"1 2"), r#"[{"key":"k\"","data":"1 2","etag":"7"}]"#);
        assert_eq!(data(b"\xFF"), r#"[{"key":"k\"","data":"/w==","etag":"7"}]"#);
        assert_eq!(
            list(&[Entry::of("k"), Entry::of("l").error("no")]),
            r#"[{"key":"k"},{"key":"l","error":"no"}]"#
        );
    }

    #[test]
    fn an_end_is_an_instant() {
        let text = rfc3339(everlog_runtime::Timestamp(1_700_000_000_000_000_000));
        assert_eq!(text, "2023-11-14T22:13:20Z");
    }
}
