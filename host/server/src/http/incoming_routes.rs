//! `/http/{component}/{worker}/…`: requests that a worker answers itself.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use everlog_runtime::{Headers, HttpRequest, HttpResponse, Invocation};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;

use super::app::App;
use super::body::read_body;
use super::names::{self, IDEMPOTENCY_KEY, PathOf, hop_by_hop};
use super::problem::{Code, Problem};
use super::worker_routes::Named;

/// `/http/{component}`: a request needs a worker.
pub(super) async fn no_worker(PathOf(component): PathOf<String>) -> Problem {
    let detail = format!(
        "which worker is to answer? Send the request to /http/{component}/{{worker}}/…, with any \
         name; the worker is created by its first request"
    );
    Problem::new(Code::WorkerNotFound, detail)
}

/// `/http/{component}/{worker}`.
pub(super) async fn at_root(
    State(app): State<Arc<App>>,
    PathOf((component, worker)): PathOf<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    answer(&app, &component, worker, request).await
}

/// `/http/{component}/{worker}/{*path}`.
pub(super) async fn below(
    State(app): State<Arc<App>>,
    PathOf((component, worker, _path)): PathOf<(String, String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    answer(&app, &component, worker, request).await
}

async fn answer(
    app: &App,
    component: &str,
    worker: String,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let key = names::idempotency_key(&parts.headers)?;
    let named = Named::find(app, component, worker)?;
    let versions =
        app.runtime.versions_for(&named.id).await.map_err(|error| named.problem(error))?;
    // One that only a coming version has waits for the update.
    let mut versions = std::iter::once(versions.current).chain(versions.coming);
    let handler = versions.find_map(|version| {
        version.exports().http_handler().map(|target| (Arc::clone(&version), target))
    });
    let Some((version, target)) = handler else {
        let detail = format!(
            "component {} does not export wasi:http/incoming-handler, so it answers no requests",
            named.component.name
        );
        return Err(Problem::new(Code::FunctionNotFound, detail));
    };
    let body = read_body(body, app.max_body_bytes).await?;
    let request = request_of(&parts, body.to_vec(), app.guard.wants_tokens());
    let trace = names::trace_context(&parts.headers);
    let args = request.to_arguments();
    let call = Invocation { key: key.clone(), version, target, args, trace };
    let answered = app.runtime.invoke(&named.id, call).await.map_err(|error| {
        let problem = named.problem(error);
        match key {
            Some(key) => problem.key(key),
            None => problem,
        }
    })?;
    let invalid = |reason: String| {
        let problem = Problem::new(Code::InvalidResponse, reason).worker(named.label());
        problem.key(&answered.key).oplog_index(answered.index.get())
    };
    let response = HttpResponse::of_result(answered.value.as_ref()).map_err(invalid)?;
    let mut response = response_of(&parts.method, response).map_err(invalid)?;
    if let Ok(key) = HeaderValue::from_str(&answered.key) {
        response.headers_mut().entry(IDEMPOTENCY_KEY).or_insert(key);
    }
    Ok(response)
}

/// The request as the guest gets it: without what is about this connection, or about this server.
fn request_of(parts: &Parts, body: Vec<u8>, wants_tokens: bool) -> HttpRequest {
    let dropped = hop_by_hop(&parts.headers);
    let is_ours = |name: &HeaderName| {
        [header::HOST, header::EXPECT, header::CONTENT_LENGTH].contains(name)
            || (wants_tokens && *name == header::AUTHORIZATION)
    };
    let mut headers = listed(&parts.headers, |name| dropped.contains(name) || is_ours(name));
    let has_body = parts.headers.contains_key(header::CONTENT_LENGTH)
        || parts.headers.contains_key(header::TRANSFER_ENCODING);
    if has_body {
        headers.push(("content-length".to_owned(), body.len().to_string().into_bytes()));
    }
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = parts.uri.authority().map(|authority| authority.as_str()).or(host);
    HttpRequest {
        method: parts.method.to_string(),
        scheme: "http".to_owned(),
        authority: authority.unwrap_or("localhost").to_owned(),
        path_with_query: path_below_worker(&parts.uri),
        headers,
        body,
    }
}

/// What follows `/http/{component}/{worker}`, as the client sent it.
fn path_below_worker(uri: &Uri) -> String {
    let path = uri.path();
    let below = path.match_indices('/').nth(3).map_or("/", |(place, _)| &path[place..]);
    match uri.query() {
        Some(query) => format!("{below}?{query}"),
        None => below.to_owned(),
    }
}

/// # Errors
/// Why it can't be sent.
fn response_of(method: &Method, response: HttpResponse) -> Result<Response, String> {
    let HttpResponse { status, headers, body, trailers } = response;
    let status = StatusCode::from_u16(status).map_err(|error| error.to_string())?;
    let mut headers = header_map(headers)?;
    for name in hop_by_hop(&headers) {
        headers.remove(name);
    }
    // Of an answer to HEAD the guest says how long it would be; otherwise the body says it.
    if *method != Method::HEAD {
        headers.remove(header::CONTENT_LENGTH);
    }
    let trailers = header_map(trailers)?;
    let body = Full::new(Bytes::from(body));
    let body = if trailers.is_empty() {
        Body::new(body)
    } else {
        let names: Vec<&str> = trailers.keys().map(HeaderName::as_str).collect();
        let names = HeaderValue::from_str(&names.join(", ")).map_err(|error| error.to_string())?;
        headers.insert(header::TRAILER, names);
        Body::new(body.with_trailers(std::future::ready(Some(Ok(trailers)))))
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer)
}

fn header_map(headers: Headers) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let invalid = |error: &dyn std::fmt::Display| format!("header {name:?}: {error}");
        let parsed = HeaderName::try_from(name.as_str()).map_err(|error| invalid(&error))?;
        map.append(parsed, HeaderValue::try_from(value).map_err(|error| invalid(&error))?);
    }
    Ok(map)
}

fn listed(headers: &HeaderMap, is_dropped: impl Fn(&HeaderName) -> bool) -> Headers {
    let kept = headers.iter().filter(|(name, _)| !is_dropped(name));
    kept.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_below_the_worker_stays_as_it_was_sent() {
        for (sent, below) in [
            ("/http/c/w", "/"),
            ("/http/c/w/", "/"),
            ("/http/c/w?x=1", "/?x=1"),
            ("/http/c/a%2Fb/d%2Fe/?x=%20&y", "/d%2Fe/?x=%20&y"),
        ] {
            assert_eq!(path_below_worker(&sent.parse().expect("a URI")), below);
        }
    }

    #[test]
    fn what_is_about_the_connection_stays_here() {
        let request = Request::builder()
            .uri("/http/c/w")
            .header("connection", "close, X-Mine")
            .header("x-mine", "1")
            .header("upgrade", "h2c")
            .header("host", "here:1")
            .header("authorization", "Bearer secret")
            .header("x-other", "2");
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        let guests = |wants_tokens| {
            let request = request_of(&parts, Vec::new(), wants_tokens);
            assert_eq!(request.authority, "here:1");
            request.headers.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(guests(true), ["x-other"]);
        assert_eq!(guests(false), ["authorization", "x-other"]);
    }

    #[test]
    fn an_answer_that_cannot_be_sent_is_refused() {
        let response = |status, name: &str| HttpResponse {
            status,
            headers: vec![(name.to_owned(), b"1".to_vec())],
            ..HttpResponse::default()
        };
        assert!(response_of(&Method::GET, response(200, "x")).is_ok());
        assert!(response_of(&Method::GET, response(200, "x y")).is_err());
        assert!(response_of(&Method::GET, response(2000, "x")).is_err());
        let answer = response_of(&Method::GET, response(200, "transfer-encoding"));
        assert!(answer.expect("an answer").headers().is_empty());
    }
}
