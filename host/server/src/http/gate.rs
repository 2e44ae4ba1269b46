//! What happens to each request before its route: counting, limits, tokens, origin.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Request, Uri, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use sha2::{Digest, Sha256};

use super::app::App;
use super::problem::{Code, Problem};
use crate::cluster::MESSAGES_PATH;
use crate::config::Settings;
use crate::dapr;
use crate::units::format_size;

/// The one route that wants no token: it says nothing but that the process lives.
const OPEN_PATH: &str = "/livez";

/// The longest path with query and headers together, in bytes.
pub(super) const MAX_HEAD_BYTES: usize = 32 << 10;

/// Who may use the server.
pub(super) struct Guard {
    /// SHA-256 of each token, so that comparing says nothing about a token's length or beginning.
    tokens: Vec<[u8; 32]>,
    /// Without tokens, only requests that were meant for this machine are answered.
    local_only: bool,
    max_requests: usize,
}

impl Guard {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            tokens: settings.tokens.iter().map(|token| Sha256::digest(token).into()).collect(),
            local_only: settings.tokens.is_empty() && settings.listen.ip().is_loopback(),
            max_requests: settings.max_requests,
        }
    }

    /// Whether a request needs a token.
    pub(super) fn wants_tokens(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// Whether a request with these headers may go on.
    ///
    /// # Errors
    /// [`Code::Unauthorized`], [`Code::ForeignOrigin`].
    fn admit(&self, path: &str, headers: &HeaderMap) -> Result<(), Problem> {
        // What servers ask each other is shown the cluster's secret.
        if path == OPEN_PATH || path == MESSAGES_PATH || dapr::is_open(path) {
            return Ok(());
        }
        if !self.tokens.is_empty() {
            return match headers.get(dapr::TOKEN_HEADER) {
                Some(token) if dapr::is_ours(path) => self.check_secret(token.as_bytes()),
                _ => self.check_token(headers),
            };
        }
        check_origin(headers, self.local_only)
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some((scheme, token)) = value.and_then(|value| value.split_once(' ')) else {
            let detail = "send one of the server's tokens as `Authorization: Bearer …`";
            return Err(Problem::new(Code::Unauthorized, detail));
        };
        self.check_secret(token.trim().as_bytes()).and_then(|()| {
            let is_bearer = scheme.eq_ignore_ascii_case("bearer");
            if is_bearer { Ok(()) } else { Err(foreign_token()) }
        })
    }

    fn check_secret(&self, token: &[u8]) -> Result<(), Problem> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        // Every token is compared to its end, so that the time does not tell which one was near.
        let known = self.tokens.iter().fold(false, |known, token| known | equal(token, &digest));
        if known { Ok(()) } else { Err(foreign_token()) }
    }
}

fn foreign_token() -> Problem {
    Problem::new(Code::Unauthorized, "the token is not one of the server's")
}

fn equal(left: &[u8; 32], right: &[u8; 32]) -> bool {
    let difference = left.iter().zip(right).fold(0, |difference, (a, b)| difference | (a ^ b));
    std::hint::black_box(difference) == 0
}

/// Without tokens, being able to send a request from this machine is the permission. Web pages can
/// do that too: those of other sites send their `Origin`, and those that point a name of their own
/// to this machine send it as `Host`.
fn check_origin(headers: &HeaderMap, local_only: bool) -> Result<(), Problem> {
    let host = host(headers, &header::HOST);
    if local_only && host.as_ref().is_some_and(|host| !is_local(host.host())) {
        let detail =
            "without tokens, this server answers requests for localhost or an IP address only";
        return Err(Problem::new(Code::ForeignOrigin, detail));
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")?.1.parse().ok());
    if origin.is_some_and(|origin: Authority| Some(origin) == host) {
        return Ok(());
    }
    let detail = "without tokens, this server answers no web pages but its own";
    Err(Problem::new(Code::ForeignOrigin, detail))
}

fn host(headers: &HeaderMap, name: &HeaderName) -> Option<Authority> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

fn is_local(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.ends_with(".localhost") || address.parse::<IpAddr>().is_ok()
}

/// The routes behind the guard, as hyper calls them for each request of a connection.
#[derive(Clone)]
pub(super) struct Gate {
    app: Arc<App>,
    routes: TowerToHyperService<Router>,
    open: Arc<AtomicUsize>,
}

impl Gate {
    pub(super) fn new(app: Arc<App>, routes: Router) -> Self {
        Self { app, routes: TowerToHyperService::new(routes), open: Arc::default() }
    }

    pub(super) async fn answer(self, request: Request<Incoming>) -> Response {
        let started = tokio::time::Instant::now();
        let _open = OpenRequest::new(&self.open);
        let response = match self.check(&request) {
            Err(problem)
                if problem.code() == Code::Unauthorized && dapr::is_ours(request.uri().path()) =>
            {
                dapr::unauthorized()
            }
            Err(problem) => problem.into_response(),
            Ok(()) => match self.routes.call(request.map(Body::new)).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
        };
        self.app.metrics.request_answered(response.status(), started.elapsed());
        response
    }

    fn check(&self, request: &Request<Incoming>) -> Result<(), Problem> {
        let guard = &self.app.guard;
        if self.open.load(Ordering::Relaxed) > guard.max_requests {
            let limit = guard.max_requests;
            let detail = format!("{limit} requests are being answered, the limit `max-requests`");
            return Err(Problem::new(Code::Unavailable, detail));
        }
        check_head(request.uri(), request.headers())?;
        guard.admit(request.uri().path(), request.headers())
    }
}

/// # Errors
/// [`Code::HeadTooLarge`] beyond [`MAX_HEAD_BYTES`].
fn check_head(uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let headers: usize =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if path + headers <= MAX_HEAD_BYTES {
        return Ok(());
    }
    let limit = format_size(MAX_HEAD_BYTES as u64);
    let detail = format!("path and headers have more than {limit} together");
    Err(Problem::new(Code::HeadTooLarge, detail))
}

/// Counts a request for as long as it is being answered, however that ends.
struct OpenRequest<'a>(&'a AtomicUsize);

impl<'a> OpenRequest<'a> {
    fn new(open: &'a AtomicUsize) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(open)
    }
}

impl Drop for OpenRequest<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(settings: &Settings, path: &str, pairs: &[(&'static str, &str)]) -> Option<Code> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().expect("a header value"));
        }
        Guard::new(settings).admit(path, &headers).err().map(|problem| problem.code())
    }

    #[test]
    fn tokens_are_wanted_everywhere_but_at_livez() {
        let settings =
            Settings { tokens: vec!["one".to_owned(), "two".to_owned()], ..Settings::default() };
        let refused = Some(Code::Unauthorized);
        assert_eq!(admit(&settings, "/livez", &[]), None);
        assert_eq!(admit(&settings, "/metrics", &[]), refused);
        let with = |value| admit(&settings, "/v1/version", &[("authorization", value)]);
        assert_eq!(with("Bearer one"), None);
        assert_eq!(with("bearer two"), None);
        let path = "/v1.0/state/s/k";
        assert_eq!(admit(&settings, path, &[("dapr-api-token", "two")]), None);
        assert_eq!(admit(&settings, path, &[("dapr-api-token", "three")]), refused);
        assert_eq!(admit(&settings, path, &[("authorization", "Bearer two")]), None);
        assert_eq!(admit(&settings, path, &[]), refused);
        assert_eq!(admit(&settings, "/v1.0/healthz", &[]), None);
        assert_eq!(admit(&settings, "/v1/version", &[("dapr-api-token", "two")]), refused);
        for wrong in ["Bearer three", "Bearer ", "Bearer", "one", "Basic one", "Bearer one two"] {
            assert_eq!(with(wrong), refused, "{wrong}");
        }
    }

    #[test]
    fn without_tokens_web_pages_of_other_sites_are_refused() {
        let settings = Settings::default();
        let refused = Some(Code::ForeignOrigin);
        let check = |pairs: &[(&'static str, &str)]| admit(&settings, "/v1/version", pairs);
        assert_eq!(check(&[]), None);
        for host in ["localhost:7070", "127.0.0.1:7070", "[::1]:7070", "x.localhost"] {
            assert_eq!(check(&[("host", host)]), None, "{host}");
        }
        assert_eq!(check(&[("host", "rebound.example:7070")]), refused);
        let origin = |origin| check(&[("host", "localhost:7070"), ("origin", origin)]);
        assert_eq!(origin("http://localhost:7070"), None);
        for other in ["http://evil.example", "null", "http://localhost:8080"] {
            assert_eq!(origin(other), refused, "{other}");
        }
    }

    #[test]
    fn a_head_that_is_too_large_is_a_problem() {
        let uri: Uri = "/v1/version?x=y".parse().expect("a URI");
        let headers = |length: usize| {
            let value = "v".repeat(length).parse().expect("a header value");
            HeaderMap::from_iter([(header::USER_AGENT, value)])
        };
        assert!(check_head(&uri, &headers(10_000)).is_ok());
        let problem = check_head(&uri, &headers(MAX_HEAD_BYTES)).expect_err("too large");
        assert_eq!(problem.code(), Code::HeadTooLarge);
    }
}
