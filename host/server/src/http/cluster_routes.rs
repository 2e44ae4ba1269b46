//! Routes about the servers that share a store.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use everlog_store::cluster::SHARDS;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::app::App;
use super::body::read_body;
use super::parameters::Parameters;
use super::problem::{Code, Problem};
use crate::cluster::SECRET;

/// The largest message from another server, in bytes: a promise's payload with what is around it.
const MAX_MESSAGE_BYTES: usize = 80 << 20;

/// `GET /v1/cluster`: who is there, and how many shards each has.
pub(super) async fn status(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    Parameters::of(request.uri(), &[])?;
    let Some(membership) = app.runtime.membership() else {
        return Ok(Json(json!({ "shared": false, "nodes": [] })));
    };
    let view = membership.view();
    let nodes: Vec<Value> = view
        .nodes
        .iter()
        .map(|node| {
            json!({
                "session": node.session.0,
                "node": node.number,
                "address": node.address,
                "state": node.state.name(),
                "shards": view.shards_of(Some(node.session)).count(),
                "this": node.session == membership.this(),
            })
        })
        .collect();
    let unowned = view.shards_of(None).count();
    let lease = membership.holds_lease();
    Ok(Json(json!({
        "shared": true,
        "shards": SHARDS,
        "unowned": unowned,
        "holdsLease": lease,
        "nodes": nodes,
    })))
}

/// `POST /v1/cluster/messages`: what other servers of the cluster ask; nobody else may.
pub(super) async fn message(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let shown = parts.headers.get(SECRET).map(|secret| secret.as_bytes());
    let known = app.runtime.membership().map(|membership| membership.secret().as_bytes());
    // Hashes are compared, so that the time says nothing about the secret.
    let is_known = shown
        .zip(known)
        .is_some_and(|(shown, known)| Sha256::digest(shown) == Sha256::digest(known));
    if !is_known {
        let detail = "only servers that share a store may ask this";
        return Err(Problem::new(Code::Unauthorized, detail));
    }
    let body = read_body(body, MAX_MESSAGE_BYTES).await?;
    let answer = app.runtime.answer_peer(&body).await?;
    Ok(Body::from(answer).into_response())
}
