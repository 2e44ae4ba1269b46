//! Whole oplogs, out and in.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use everlog_runtime::{Export, WorkerError};
use futures::stream;

use super::app::App;
use super::body::{discard, next_piece};
use super::encode::WorkerJson;
use super::names::PathOf;
use super::parameters::Parameters;
use super::problem::Problem;
use super::worker_routes::Named;

/// `GET …/oplog.bin`: all entries, the blobs that they name, and what an import needs to know.
pub(super) async fn export(
    State(app): State<Arc<App>>,
    PathOf((component, worker)): PathOf<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    Parameters::of(request.uri(), &[])?;
    let named = Named::find(&app, &component, worker)?;
    let export = app.runtime.export(&named.id).await.map_err(|error| named.problem(error))?;
    // A piece that cannot be read breaks the connection: what has arrived lacks its end.
    let next = async |mut export: Export| {
        let piece = export.piece().await.map_err(|error| {
            tracing::error!(%error, "an export is broken off");
            error
        })?;
        Ok::<_, WorkerError>(piece.map(|piece| (piece, export)))
    };
    let mut response = Response::new(Body::from_stream(stream::try_unfold(export, next)));
    let media_type = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    Ok(response)
}

/// `PUT …/oplog.bin`: 201 and the worker, which goes on from where the oplog ends.
pub(super) async fn import(
    State(app): State<Arc<App>>,
    PathOf((component, worker)): PathOf<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, mut body) = request.into_parts();
    Parameters::of(&parts.uri, &[])?;
    let named = Named::find(&app, &component, worker)?;
    match take_in(&app, &named, &mut body).await {
        Ok(()) => {}
        Err(problem) => {
            discard(body).await;
            return Err(problem);
        }
    }
    let metadata = app.runtime.worker(&named.id).await.map_err(|error| named.problem(error))?;
    let json = Json(WorkerJson::of(&metadata, &named.component.name));
    Ok((StatusCode::CREATED, json).into_response())
}

async fn take_in(app: &App, named: &Named, body: &mut Body) -> Result<(), Problem> {
    let failed = |error: WorkerError| named.problem(error);
    let mut import = app.runtime.import(&named.id).await.map_err(failed)?;
    while let Some(piece) = next_piece(body).await? {
        import.take(&piece).await.map_err(failed)?;
    }
    app.runtime.finish_import(import).await.map_err(failed)?;
    Ok(())
}
