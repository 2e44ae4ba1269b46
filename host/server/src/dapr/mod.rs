//! The state API that clients of Dapr speak, for callers that have no component.
//!
//! [`path`] says what a request asks for, [`json`] and [`items`] read its body, [`state_routes`], [`query_route`] and
//! [`service_routes`] answer it, and [`failure`] is what every refusal goes through. The routes are in the table of
//! `http/routes.rs` all the same; each leads to [`Dapr::answer`].

mod answers;
pub(crate) mod components;
mod failure;
mod items;
mod json;
mod path;
mod query;
mod query_route;
mod query_string;
mod service_routes;
mod state_routes;

use std::collections::BTreeMap;
use std::sync::Mutex;

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use everlog_runtime::Runtime;
use everlog_runtime::state_store::StateStore;
use hyper::body::Bytes;

pub(crate) use failure::Failure;
pub(crate) use path::is_ours;

use self::path::Route;
use self::query_string::Options;

/// The header in which clients of this API send a token.
pub(crate) const TOKEN_HEADER: &str = "dapr-api-token";

/// What the API needs beside the runtime.
pub(crate) struct Dapr {
    /// As which application this server presents itself.
    app_id: String,
    /// What callers noted about it, by name.
    notes: Mutex<BTreeMap<String, String>>,
}

/// What a request finds when it is answered.
pub(crate) struct Circumstances<'a> {
    pub(crate) runtime: &'a Runtime,
    /// Says why the server is not ready, if it is not.
    pub(crate) not_ready: &'a (dyn Fn() -> Option<String> + Sync),
}

impl Dapr {
    /// The API of a server that presents itself as `app_id`.
    pub(crate) fn new(app_id: &str) -> Self {
        Self { app_id: app_id.to_owned(), notes: Mutex::default() }
    }

    /// Answers a request; `read` reads its body, up to a limit.
    pub(crate) async fn answer(
        &self,
        circumstances: Circumstances<'_>,
        request: Request,
        read: impl AsyncFnOnce(Body) -> Result<Bytes, String>,
    ) -> Response {
        match self.try_answer(circumstances, request, read).await {
            Ok(response) => response,
            Err(failure) => failure.into_response(),
        }
    }

    async fn try_answer(
        &self,
        circumstances: Circumstances<'_>,
        request: Request,
        read: impl AsyncFnOnce(Body) -> Result<Bytes, String>,
    ) -> Result<Response, Failure> {
        let (parts, body) = request.into_parts();
        let Some(route) = Route::of(&parts.method, parts.uri.path()) else {
            return Err(Failure::no_route(parts.method.as_str(), parts.uri.path()));
        };
        let options = Options::of(&parts);
        let runtime = circumstances.runtime;
        let read = async || read(body).await.map_err(Failure::malformed);
        match route {
            Route::Save { store } => {
                let store = find(runtime, &store)?;
                state_routes::save(store, &options, &read().await?).await
            }
            Route::Get { store, key } => {
                state_routes::get(find(runtime, &store)?, &options, &key).await
            }
            Route::Delete { store, key } => {
                state_routes::delete(find(runtime, &store)?, &options, &parts, key).await
            }
            Route::BulkGet { store } => {
                let store = find(runtime, &store)?;
                state_routes::bulk_get(store, &read().await?).await
            }
            Route::Transaction { store } => {
                let store = find(runtime, &store)?;
                state_routes::transact(store, &options, &read().await?).await
            }
            Route::Query { store } => {
                let store = find(runtime, &store)?;
                query_route::query(store, &read().await?).await
            }
            Route::Health => self.health("ERR_HEALTH_NOT_READY", &options, &circumstances),
            Route::OutboundHealth => {
                self.health("ERR_OUTBOUND_HEALTH_NOT_READY", &options, &circumstances)
            }
            Route::Metadata => Ok(self.metadata(runtime)),
            Route::SetMetadata { name } => self.set_metadata(name, &read().await?),
            Route::Shutdown => service_routes::shutdown(),
        }
    }
}

/// Whether a path says nothing but that the server lives, so that it needs no token.
pub(crate) fn is_open(path: &str) -> bool {
    matches!(Route::of(&axum::http::Method::GET, path), Some(Route::Health | Route::OutboundHealth))
}

/// What a request without a good token is told.
pub(crate) fn unauthorized() -> Response {
    (StatusCode::UNAUTHORIZED, "invalid api token").into_response()
}

fn find<'a>(runtime: &'a Runtime, name: &str) -> Result<&'a StateStore, Failure> {
    let stores = runtime.state_stores();
    match stores.find(name) {
        Some(store) => Ok(store),
        None if stores.all().next().is_none() => Err(Failure::no_stores(name)),
        None => Err(Failure::no_such_store(name)),
    }
}
