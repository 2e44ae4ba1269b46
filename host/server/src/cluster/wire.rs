//! How servers of a cluster reach each other: the port that everybody uses.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use everlog_runtime::{PeerFailure, Peers};
use everlog_store::cluster::Node;
use futures::future::{BoxFuture, FutureExt};
use http_body_util::{BodyExt, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::http::{hop_by_hop, sentence};

/// Where servers ask each other.
pub(crate) const MESSAGES_PATH: &str = "/v1/cluster/messages";
/// The header with what only servers of the cluster know.
pub(crate) const SECRET: HeaderName = HeaderName::from_static("everlog-secret");
/// The header of a request that was passed on: it is not passed on again.
pub(super) const FORWARDED: HeaderName = HeaderName::from_static("everlog-forwarded");

/// How long a connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// How long an unused connection is kept: shorter than the other side keeps it.
const IDLE_LIMIT: Duration = Duration::from_secs(60);
/// The largest answer of a server to another, in bytes: more than the result of a call.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// The connections to other servers.
#[derive(Clone)]
pub(crate) struct Wire {
    client: Client<HttpConnector, Body>,
    secret: HeaderValue,
}

/// Why a request has no answer.
pub(super) struct NoAnswer {
    /// Whether the other side may have got it.
    pub(super) may_have_arrived: bool,
    pub(super) reason: String,
}

impl Wire {
    pub(crate) fn new(secret: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_LIMIT));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_LIMIT)
            .build(connector);
        let mut secret =
            HeaderValue::from_str(secret).unwrap_or_else(|_| HeaderValue::from_static(""));
        secret.set_sensitive(true);
        Self { client, secret }
    }

    /// Passes a request on to `node`, and its answer back; both bodies stream. Dropping the future ends the request
    /// there too.
    pub(super) async fn pass_on(
        &self,
        node: &Node,
        mut request: Request,
    ) -> Result<Response, NoAnswer> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let uri = format!("{}{path}", node.address).parse::<Uri>();
        *request.uri_mut() = uri.map_err(|error| NoAnswer {
            may_have_arrived: false,
            reason: format!("its address {} is none: {error}", node.address),
        })?;
        remove_hop_by_hop(request.headers_mut());
        request.headers_mut().insert(FORWARDED, HeaderValue::from_static("1"));
        *request.version_mut() = axum::http::Version::HTTP_11;
        let response = self.client.request(request).await.map_err(|error| NoAnswer {
            may_have_arrived: !error.is_connect(),
            reason: sentence(&error),
        })?;
        let mut response = response.map(Body::new);
        remove_hop_by_hop(response.headers_mut());
        Ok(response)
    }

    async fn message(&self, address: String, message: Vec<u8>) -> Result<Vec<u8>, String> {
        let uri = format!("{address}{MESSAGES_PATH}").parse::<Uri>();
        let mut request = Request::new(Body::from(message));
        *request.uri_mut() = uri.map_err(|error| error.to_string())?;
        *request.method_mut() = Method::POST;
        request.headers_mut().insert(SECRET, self.secret.clone());
        let response = self.client.request(request).await.map_err(|error| sentence(&error))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        if parts.status == StatusCode::OK {
            return Ok(body.into());
        }
        Err(format!("{}: {}", parts.status, String::from_utf8_lossy(&body)))
    }
}

impl Peers for Wire {
    fn ask(
        &self,
        node: &Node,
        request: Vec<u8>,
    ) -> BoxFuture<'static, Result<Vec<u8>, PeerFailure>> {
        let (wire, address) = (self.clone(), node.address.clone());
        async move {
            let answer = wire.message(address.clone(), request).await;
            answer.map_err(|reason| PeerFailure { node: address, reason })
        }
        .boxed()
    }
}

/// Removes what is about one connection; trailers go through.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let names = hop_by_hop(headers).into_iter();
    for name in names.filter(|name| ![header::TE, header::TRAILER].contains(name)) {
        headers.remove(name);
    }
}
