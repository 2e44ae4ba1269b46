//! Routes about the server, which clients ask before they begin.

use std::sync::PoisonError;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use everlog_runtime::Runtime;
use everlog_runtime::state_store::{StateStore, StateStoreKind};
use rustix::process::{Signal, getpid, kill_process};
use serde_json::{Value, json};

use super::query_string::Options;
use super::{Circumstances, Dapr, Failure, answers, items};

/// What every store can do.
const CAPABILITIES: [&str; 3] = ["ETAG", "TRANSACTIONAL", "TTL"];
/// What a store can do whose values can be listed.
const QUERY: &str = "QUERY_API";

/// How many notes about the server are kept.
const MAX_NOTES: usize = 100;
/// The longest name of a note, and the longest note, in bytes.
const MAX_NOTE_BYTES: usize = 4 << 10;

impl Dapr {
    /// `GET /v1.0/healthz` and `/v1.0/healthz/outbound`.
    pub(super) fn health(
        &self,
        code: &'static str,
        options: &Options,
        circumstances: &Circumstances<'_>,
    ) -> Result<Response, Failure> {
        let failed = |code, message| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, code, message);
        if let Some(wanted) = options.app_id.as_ref().filter(|wanted| **wanted != self.app_id) {
            let message = format!("this server is {}, not {wanted}", self.app_id);
            return Err(failed("ERR_HEALTH_APPID_NOT_MATCH", message));
        }
        match (circumstances.not_ready)() {
            None => Ok(answers::nothing()),
            Some(reason) => Err(failed(code, reason)),
        }
    }

    /// `GET /v1.0/metadata`.
    pub(super) fn metadata(&self, runtime: &Runtime) -> Response {
        let components: Vec<Value> = runtime.state_stores().all().map(component).collect();
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        Json(json!({
            "id": self.app_id,
            "runtimeVersion": env!("CARGO_PKG_VERSION"),
            "components": components,
            "extended": answers::texts(notes.iter()),
            "subscriptions": [],
            "httpEndpoints": [],
            "enabledFeatures": [],
        }))
        .into_response()
    }

    /// `PUT /v1.0/metadata/{name}`. Notes are gone when the server ends.
    pub(super) fn set_metadata(&self, name: String, body: &[u8]) -> Result<Response, Failure> {
        let note = items::text(body)?;
        let longest = name.len().max(note.len());
        if longest > MAX_NOTE_BYTES {
            let message = format!("{longest} bytes, but at most {MAX_NOTE_BYTES} are allowed");
            return Err(Failure::malformed(message));
        }
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.len() >= MAX_NOTES && !notes.contains_key(&name) {
            let message = format!("there are {MAX_NOTES} notes already, which is the most");
            return Err(Failure::malformed(message));
        }
        notes.insert(name, note.to_owned());
        Ok(answers::nothing())
    }
}

/// `POST /v1.0/shutdown`: as SIGTERM.
pub(super) fn shutdown() -> Result<Response, Failure> {
    tracing::info!("stopping, since a client asked for it");
    match kill_process(getpid(), Signal::TERM) {
        Ok(()) => Ok(answers::nothing()),
        Err(error) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Err(Failure::new(status, "ERR_SHUTDOWN", error.to_string()))
        }
    }
}

fn component(store: &StateStore) -> Value {
    let config = store.config();
    let kind = match config.kind {
        StateStoreKind::Own => "state.everlog",
        StateStoreKind::Memory => "state.in-memory",
        StateStoreKind::Redis(_) => "state.redis",
    };
    let mut capabilities = CAPABILITIES.to_vec();
    capabilities.extend(store.is_listed().then_some(QUERY));
    answers::component(&config.name, kind, &capabilities)
}
