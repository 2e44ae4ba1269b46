//! `POST /v1.0-alpha1/state/{store}/query`.

use axum::http::StatusCode;
use axum::response::Response;
use everlog_runtime::state_store::{KeyedState, MAX_STATE_BYTES, StateStore};
use serde_json::Value;

use super::answers::{self, Entry};
use super::failure::Failure;
use super::items;
use super::query::Query;

/// Values that are read together.
const PAGE: usize = 100;
/// Values that one query looks at.
const MAX_VALUES: usize = 100_000;

/// Looks at each value of the store that is JSON. There is no index, so a query takes time in proportion to the store.
pub(super) async fn query(store: &StateStore, body: &[u8]) -> Result<Response, Failure> {
    if !store.is_listed() {
        return Err(Failure::not_supported(&store.config().name, "queries"));
    }
    let text = items::text(body)?;
    let json = serde_json::from_str(items::json(text)?.text);
    let json: Value = json.map_err(|error| Failure::malformed(error.to_string()))?;
    let query = Query::read(&json).map_err(Failure::malformed)?;
    let mut hits = find_hits(store, &query).await?;
    hits.sort_by(|(_, left), (_, right)| query.compare(left, right));
    let end = query.limit.map_or(hits.len(), |limit| query.skip.saturating_add(limit));
    let page = hits.iter().take(end).skip(query.skip);
    let entries: Vec<Entry> = page.map(|((key, state), _)| Entry::of(key).state(state)).collect();
    if entries.is_empty() {
        return Ok(answers::nothing());
    }
    let token = if end < hits.len() { format!(",\"token\":\"{end}\"") } else { String::new() };
    Ok(answers::json_text(format!("{{\"results\":{}{token}}}", answers::list(&entries))))
}

async fn find_hits(store: &StateStore, query: &Query) -> Result<Vec<(KeyedState, Value)>, Failure> {
    let name = &store.config().name;
    let doing = format!("failed query in state store {name}");
    let too_much = |what: String| {
        let message = format!("{doing}: {what}");
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "ERR_STATE_QUERY", message)
    };
    let (mut hits, mut after) = (Vec::new(), None);
    let (mut seen, mut bytes) = (0, 0);
    loop {
        let page = store.page(after.as_deref(), PAGE).await;
        let (states, next) =
            page.map_err(|error| Failure::of_store("ERR_STATE_QUERY", &doing, &error))?;
        seen += states.len();
        if seen > MAX_VALUES {
            return Err(too_much(format!("the store has more than {MAX_VALUES} values")));
        }
        for (key, state) in states {
            // What guests keep may be no JSON, and then matches nothing.
            let Ok(value) = serde_json::from_slice(&state.bytes) else { continue };
            if query.matches(&value) {
                bytes += state.bytes.len();
                hits.push(((key, state), value));
            }
        }
        if bytes > MAX_STATE_BYTES {
            return Err(too_much(format!("the hits have more than {MAX_STATE_BYTES} bytes")));
        }
        let Some(next) = next else { return Ok(hits) };
        after = Some(next);
    }
}
