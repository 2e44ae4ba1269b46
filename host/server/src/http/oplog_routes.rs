//! Reading oplogs, page by page.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use everlog_runtime::value::HandleUrns;
use everlog_runtime::{Entry, Index, WorkerError};
use serde::Serialize;

use super::app::App;
use super::encode::{ENTRY_TYPES, EntryJson};
use super::names::PathOf;
use super::parameters::{Parameters, invalid};
use super::problem::Problem;
use super::worker_routes::Named;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;
/// Entries read at a time where most of them may not be wanted.
const CHUNK: usize = 1_000;
/// The most entries that one request looks at. A page that ends for this reason may have few
/// entries or none, and a `next` to go on with.
const MAX_SCANNED: usize = 20_000;
/// The longest text that is searched for, in bytes.
const MAX_TEXT_BYTES: usize = 1_024;

/// Which entries are wanted, and in what order.
struct Wanted {
    types: Vec<String>,
    text: Option<String>,
    newest_first: bool,
    limit: usize,
}

/// The answer to a request for entries.
#[derive(Serialize)]
struct Page {
    entries: Vec<EntryJson>,
    /// Where the next page begins; `None` on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// `GET …/oplog?from=&limit=&order=&type=&text=`.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    PathOf((component, worker)): PathOf<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let parameters = Parameters::of(request.uri(), &["from", "limit", "order", "type", "text"])?;
    let wanted = Wanted::of(&parameters)?;
    let from = match parameters.number("from")? {
        Some(0) => return Err(invalid("from", "an index, which are counted from 1", "0")),
        from => from,
    };
    let named = Named::find(&app, &component, worker)?;
    let urns = HandleUrns::of_worker(&named.component.id.to_string(), &named.id.name);
    let page = wanted.page(&app, &named, from, &urns).await;
    Ok(Json(page.map_err(|error| named.problem(error))?).into_response())
}

impl Wanted {
    fn of(parameters: &Parameters<'_>) -> Result<Self, Problem> {
        let types: Vec<String> =
            parameters.all("type").flat_map(|list| list.split(',')).map(str::to_owned).collect();
        if let Some(unknown) = types.iter().find(|name| !ENTRY_TYPES.contains(&name.as_str())) {
            return Err(invalid("type", &format!("among {}", ENTRY_TYPES.join(", ")), unknown));
        }
        let text = parameters.one("text")?;
        if text.is_some_and(|text| text.len() > MAX_TEXT_BYTES) {
            return Err(invalid("text", &format!("at most {MAX_TEXT_BYTES} bytes"), "more"));
        }
        let newest_first = match parameters.one("order")? {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(other) => return Err(invalid("order", "asc or desc", other)),
        };
        let limit = parameters.limit(DEFAULT_LIMIT, MAX_LIMIT)?;
        Ok(Self { types, text: text.map(str::to_owned), newest_first, limit })
    }

    fn takes_all(&self) -> bool {
        self.types.is_empty() && self.text.is_none()
    }

    async fn page(
        &self,
        app: &App,
        named: &Named,
        from: Option<u64>,
        urns: &HandleUrns,
    ) -> Result<Page, WorkerError> {
        let last = app.runtime.last_index(&named.id).await?.get();
        let mut next = Some(match self.newest_first {
            true => from.map_or(last, |from| from.min(last)),
            false => from.map_or(1, |from| from.min(last + 1)),
        });
        let mut entries = Vec::new();
        let mut scanned = 0;
        let chunk = if self.takes_all() { self.limit } else { CHUNK };
        while let Some(start) = next.filter(|_| scanned < MAX_SCANNED) {
            let read = self.read(app, named, start, chunk).await?;
            scanned += read.len();
            next = None;
            for (index, entry) in &read {
                if entries.len() == self.limit {
                    return Ok(Page { entries, next: Some(index.get()) });
                }
                entries.extend(self.shown(*index, entry, urns));
                next = self.after(*index, last);
            }
        }
        Ok(Page { entries, next })
    }

    /// Up to `count` entries from `start` on, in the order that is wanted.
    async fn read(
        &self,
        app: &App,
        named: &Named,
        start: u64,
        count: usize,
    ) -> Result<Vec<(Index, Entry)>, WorkerError> {
        if !self.newest_first {
            return app.runtime.read_oplog(&named.id, Index(start), count).await;
        }
        let first = start.saturating_sub(count as u64 - 1).max(1);
        let span = usize::try_from(start + 1 - first).unwrap_or(count);
        let mut read = app.runtime.read_oplog(&named.id, Index(first), span).await?;
        read.reverse();
        Ok(read)
    }

    fn after(&self, index: Index, last: u64) -> Option<u64> {
        match self.newest_first {
            true => Some(index.get() - 1).filter(|next| *next > 0),
            false => Some(index.get() + 1).filter(|next| *next <= last),
        }
    }

    fn shown(&self, index: Index, entry: &Entry, urns: &HandleUrns) -> Option<EntryJson> {
        let is_type = |name: &String| name == entry.kind.name();
        if !self.types.is_empty() && !self.types.iter().any(is_type) {
            return None;
        }
        let json = EntryJson::of(index, entry, urns);
        match &self.text {
            Some(text) if !json.holds(text) => None,
            _ => Some(json),
        }
    }
}
