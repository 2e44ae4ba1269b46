//! Routes about the server itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use everlog_runtime::Membership;
use everlog_store::Health;
use serde_json::{Value, json};

use super::app::App;
use super::openapi;
use super::parameters::Parameters;
use super::problem::{Code, Problem};

/// `GET /livez`: the process answers.
pub(super) async fn livez() -> &'static str {
    "ok\n"
}

/// `GET /readyz?verbose`: whether calls are answered, and why not.
pub(super) async fn readyz(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    let verbose = Parameters::of(request.uri(), &["verbose"])?.switch("verbose")?;
    let mut checks =
        vec![check_store(&app.runtime.store_health()), check_serving(app.stopping.is_cancelled())];
    checks.extend(app.runtime.membership().map(check_cluster));
    let failed = checks.iter().find_map(|check| check.problem.as_deref());
    if verbose {
        let status =
            if failed.is_some() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        let mut checks: Vec<Value> = checks.iter().map(Check::to_json).collect();
        let facts = app.runtime.store_facts();
        if !facts.is_empty() {
            let facts = facts.into_iter().map(|(name, value)| (name.to_owned(), value.into()));
            checks[0]["facts"] = Value::Object(facts.collect());
        }
        let body = json!({ "ready": failed.is_none(), "checks": checks });
        return Ok((status, Json(body)).into_response());
    }
    match failed {
        Some(detail) => Err(Problem::new(Code::Unavailable, detail)),
        None => Ok("ok\n".into_response()),
    }
}

/// Why the server is not ready, if it is not.
pub(super) fn not_ready(app: &App) -> Option<String> {
    let serving = check_serving(app.stopping.is_cancelled());
    check_store(&app.runtime.store_health()).problem.or(serving.problem)
}

/// One thing that must be right for the server to be ready.
struct Check {
    name: &'static str,
    problem: Option<String>,
}

impl Check {
    fn to_json(&self) -> Value {
        match &self.problem {
            None => json!({ "name": self.name, "ok": true }),
            Some(detail) => json!({ "name": self.name, "ok": false, "detail": detail }),
        }
    }
}

fn check_store(health: &Health) -> Check {
    let problem = match health {
        Health::Ok => None,
        Health::Poisoned { reason } => Some(format!(
            "the store accepts nothing since a write failed: {reason}; check the disk and \
             restart the server"
        )),
        Health::Unreachable { reason } => {
            Some(format!("the store cannot be reached: {reason}; what waits is stored once it can"))
        }
    };
    Check { name: "store", problem }
}

fn check_serving(stopping: bool) -> Check {
    Check { name: "serving", problem: stopping.then(|| "the server is stopping".to_owned()) }
}

/// Whether other servers may have taken this one for dead.
fn check_cluster(membership: &Membership) -> Check {
    let problem = (!membership.holds_lease()).then(|| {
        "this server was not heard of by the store for as long as its lease, so others may take \
         over its workers; it answers again when the store is reached"
            .to_owned()
    });
    Check { name: "cluster", problem }
}

/// `GET /metrics`.
pub(super) async fn metrics(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    Parameters::of(request.uri(), &[])?;
    let cluster = app.runtime.membership();
    let text = app.metrics.render(&app.runtime.statistics(), &app.runtime.store_state(), cluster);
    let format = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(format))], text).into_response())
}

/// `GET /v1/version`.
pub(super) async fn version(request: Request) -> Result<Response, Problem> {
    Parameters::of(request.uri(), &[])?;
    Ok(Json(json!({ "name": "everlog", "version": env!("CARGO_PKG_VERSION") })).into_response())
}

/// `GET /openapi.json`.
pub(super) async fn openapi(request: Request) -> Result<Response, Problem> {
    Parameters::of(request.uri(), &[])?;
    let json = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, json)], openapi::DOCUMENT).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poisoned_store_and_a_stopping_server_are_not_ready() {
        assert!(check_store(&Health::Ok).problem.is_none());
        let poisoned = check_store(&Health::Poisoned { reason: "no space left".to_owned() });
        assert!(poisoned.problem.is_some_and(|detail| detail.contains("no space left")));
        let unreachable = Health::Unreachable { reason: "connection refused".to_owned() };
        let detail = check_store(&unreachable).problem.expect("not ready");
        assert!(detail.contains("connection refused"), "{detail}");
        assert!(check_serving(false).problem.is_none());
        assert!(check_serving(true).problem.is_some());
    }
}
