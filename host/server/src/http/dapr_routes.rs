//! `/v1.0/…`: the state API of Dapr, which has a module of its own.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::app::App;
use super::body::read_body;
use super::service_routes::not_ready;
use crate::dapr::Circumstances;

/// Every route of that API.
pub(super) async fn answer(State(app): State<Arc<App>>, request: Request) -> Response {
    let not_ready = || not_ready(&app);
    let circumstances = Circumstances { runtime: &app.runtime, not_ready: &not_ready };
    let most = app.max_body_bytes;
    let read =
        async |body| read_body(body, most).await.map_err(|problem| problem.detail().to_owned());
    app.dapr.answer(circumstances, request, read).await
}
