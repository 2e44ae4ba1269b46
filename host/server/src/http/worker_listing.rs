//! `GET /v1/workers`: pages through all workers, loaded or not.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use everlog_runtime::{Runtime, WorkerId, WorkerMetadata};
use serde::Serialize;
use uuid::Uuid;

use super::app::App;
use super::encode::{WorkerJson, state_name};
use super::parameters::Parameters;
use super::problem::{Code, Problem};
use crate::filter::{self, Filter, Subject};

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;
/// The most filters in one request.
const MAX_FILTERS: usize = 16;
/// Workers read from the store at a time.
const CHUNK: usize = 1_000;
/// The most workers that one request looks at. A page that ends for this reason may have few
/// workers or none, and a cursor to go on with.
const MAX_SCANNED: usize = 100_000;

/// The answer to a listing.
#[derive(Serialize)]
struct Page {
    workers: Vec<WorkerJson>,
    /// Where the next page begins; `None` on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// `GET /v1/workers?component=&filter=&limit=&cursor=`.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    let parameters = Parameters::of(request.uri(), &["component", "filter", "limit", "cursor"])?;
    let component = match parameters.one("component")? {
        Some(name) => Some(app.runtime.component(name)?.id),
        None => None,
    };
    let filters = filters(&parameters)?;
    let limit = parameters.limit(DEFAULT_LIMIT, MAX_LIMIT)?;
    let after = parameters.one("cursor")?.map(read_cursor).transpose()?;
    let page = page(&app.runtime, component, &filters, limit, after).await?;
    Ok(Json(page).into_response())
}

fn filters(parameters: &Parameters<'_>) -> Result<Vec<Filter>, Problem> {
    if parameters.all("filter").count() > MAX_FILTERS {
        let detail = format!("a request has at most {MAX_FILTERS} filters");
        return Err(Problem::new(Code::InvalidRequest, detail));
    }
    let parse = |text| {
        filter::parse(text).map_err(|error| Problem::new(Code::InvalidRequest, error.to_string()))
    };
    parameters.all("filter").map(parse).collect()
}

async fn page(
    runtime: &Runtime,
    component: Option<Uuid>,
    filters: &[Filter],
    limit: usize,
    mut after: Option<WorkerId>,
) -> Result<Page, Problem> {
    let mut workers = Vec::new();
    let mut scanned = 0;
    loop {
        let wanted = CHUNK.min(if filters.is_empty() { limit } else { CHUNK });
        let chunk = runtime.workers(component, after.clone(), wanted).await?;
        // Shorter than asked for does not mean the end: damaged workers are left out; an empty chunk does.
        if chunk.is_empty() {
            return Ok(Page { workers, cursor: None });
        }
        scanned += chunk.len();
        for metadata in chunk {
            after = Some(metadata.worker.clone());
            if filters.iter().all(|filter| filter.matches(&subject(&metadata))) {
                workers.push(WorkerJson::of(&metadata, &component_name(runtime, &metadata)));
            }
            if workers.len() == limit {
                return Ok(Page { workers, cursor: more(runtime, component, after).await? });
            }
        }
        if scanned >= MAX_SCANNED {
            return Ok(Page { workers, cursor: after.as_ref().map(write_cursor) });
        }
    }
}

/// The cursor behind a full page; none if nothing comes after it.
async fn more(
    runtime: &Runtime,
    component: Option<Uuid>,
    after: Option<WorkerId>,
) -> Result<Option<String>, Problem> {
    let next = runtime.workers(component, after.clone(), 1).await?;
    Ok(if next.is_empty() { None } else { after.as_ref().map(write_cursor) })
}

fn subject(metadata: &WorkerMetadata) -> Subject<'_> {
    Subject {
        name: &metadata.worker.name,
        status: state_name(metadata.status.state),
        version: metadata.status.component_version,
        created_at: metadata.status.created_at.0,
        env: &metadata.status.create.env,
    }
}

/// The component's name; its UUID if it is being deleted at this moment.
fn component_name(runtime: &Runtime, metadata: &WorkerMetadata) -> String {
    let id = metadata.worker.component.to_string();
    runtime.component(&id).map_or(id, |component| component.name.clone())
}

/// A cursor is the last worker of the page before: opaque to clients, and good for ever.
fn write_cursor(worker: &WorkerId) -> String {
    URL_SAFE_NO_PAD.encode([worker.component.as_bytes(), worker.name.as_bytes()].concat())
}

fn read_cursor(text: &str) -> Result<WorkerId, Problem> {
    let parse = || {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (component, name) = bytes.split_first_chunk::<16>()?;
        let name = std::str::from_utf8(name).ok()?;
        WorkerId::new(Uuid::from_bytes(*component), name).ok()
    };
    parse().ok_or_else(|| {
        Problem::new(Code::InvalidRequest, "`cursor` is not one that an answer of this route had")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        let worker = WorkerId::new(Uuid::from_u128(7), "größe/1").expect("a name");
        assert_eq!(read_cursor(&write_cursor(&worker)).expect("valid"), worker);
        for bad in ["", "!", "AAAA", &write_cursor(&worker)[..20]] {
            assert_eq!(read_cursor(bad).expect_err(bad).code(), Code::InvalidRequest);
        }
    }
}
