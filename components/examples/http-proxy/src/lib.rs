//! Stands before another server: asks it several things at once and answers with all of them, and
//! passes everything else on. A stock `wasi:http/proxy` component; nothing in it knows of everlog.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::{Value, json};
use wstd::http::{Body, Client, Error, HeaderMap, HeaderName, Request, Response, StatusCode};
use wstd::runtime::spawn;

/// The other server, unless the variable `UPSTREAM` names one.
const UPSTREAM: &str = "http://localhost:7070";

/// Things that are asked for at once.
const MAX_QUESTIONS: usize = 16;

/// Headers that are about one connection, or that the client makes itself.
const NOT_PASSED_ON: [&str; 6] =
    ["connection", "content-length", "expect", "host", "keep-alive", "transfer-encoding"];

/// Requests answered so far. Plain memory, and yet it outlives the server.
static ANSWERED: AtomicU64 = AtomicU64::new(0);

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let response = match path {
        "/all" => all(query).await,
        "/answered" => Ok(text(StatusCode::OK, format!("{}\n", ANSWERED.load(Relaxed)))),
        _ => pass_on(request, &target).await,
    };
    ANSWERED.fetch_add(1, Relaxed);
    // What the other server did wrong is no reason to fail here.
    Ok(response.unwrap_or_else(|error| text(StatusCode::BAD_GATEWAY, format!("{error:#}\n"))))
}

/// Asks for each path in the query, all at the same time.
async fn all(query: &str) -> Result<Response<Body>, Error> {
    let paths: Vec<_> = query.split('&').filter(|path| path.starts_with('/')).collect();
    if paths.is_empty() || paths.len() > MAX_QUESTIONS {
        let usage = format!("1 to {MAX_QUESTIONS} paths are asked for, as in /all?/one&/two\n");
        return Ok(text(StatusCode::BAD_REQUEST, usage));
    }
    let questions: Vec<_> = paths.iter().map(|path| spawn(ask((*path).to_owned()))).collect();
    let mut answers = Vec::new();
    for (path, question) in paths.iter().zip(questions) {
        let answer = question.await.unwrap_or_else(|error| json!({ "error": error.to_string() }));
        answers.push(json!({ "path": path, "answer": answer }));
    }
    let mut response = Response::new(Body::from_json(&answers)?);
    response.headers_mut().insert("content-type", "application/json".parse()?);
    Ok(response)
}

async fn ask(path: String) -> Result<Value, Error> {
    let request = Request::get(upstream() + &path).body(Body::empty())?;
    let mut body = Client::new().send(request).await?.into_body();
    let text = body.str_contents().await?;
    // JSON as it is, anything else as a string of it.
    Ok(serde_json::from_str(text).unwrap_or_else(|_| json!(text)))
}

async fn pass_on(request: Request<Body>, target: &str) -> Result<Response<Body>, Error> {
    let (parts, body) = request.into_parts();
    let mut onward = Request::builder().method(parts.method).uri(upstream() + target).body(body)?;
    copy(&parts.headers, onward.headers_mut());
    let (parts, body) = Client::new().send(onward).await?.into_parts();
    let mut response = Response::new(body);
    *response.status_mut() = parts.status;
    copy(&parts.headers, response.headers_mut());
    Ok(response)
}

fn copy(from: &HeaderMap, to: &mut HeaderMap) {
    let is_passed_on = |name: &HeaderName| !NOT_PASSED_ON.contains(&name.as_str());
    for (name, value) in from.iter().filter(|(name, _)| is_passed_on(name)) {
        to.append(name, value.clone());
    }
}

fn upstream() -> String {
    std::env::var("UPSTREAM").unwrap_or_else(|_| UPSTREAM.to_owned())
}

fn text(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response
}
