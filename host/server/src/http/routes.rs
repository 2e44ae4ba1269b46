//! The table of routes.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, any, delete, get, post, put};

use super::app::App;
use super::problem::{Code, Problem};
use super::{
    cluster_routes, component_routes, dapr_routes, history_routes, incoming_routes,
    invocation_routes, invoke_routes, log_routes, openapi, oplog_routes, promise_routes,
    query_routes, schedule_routes, service_routes, state_routes, transfer_routes, update_routes,
    worker_listing, worker_routes,
};
use crate::cluster::{MESSAGES_PATH, forward};
use crate::dapr;

/// A method on a path, and what answers it.
struct Route {
    #[cfg_attr(not(test), expect(dead_code, reason = "compared with the OpenAPI document"))]
    method: &'static str,
    path: &'static str,
    handler: MethodRouter<Arc<App>>,
}

/// What begins the path of everything about one component.
macro_rules! component {
    ($rest:literal) => {
        concat!("/v1/components/{component}", $rest)
    };
}

/// What begins the path of everything about one worker.
macro_rules! worker {
    ($rest:literal) => {
        concat!("/v1/workers/{component}/{worker}", $rest)
    };
}

/// What begins the path of everything about one promise.
macro_rules! promise {
    ($rest:literal) => {
        concat!("/v1/promises/{component}/{worker}/{oplogIndex}", $rest)
    };
}

/// What begins the path of everything about one state store.
macro_rules! state {
    ($rest:literal) => {
        concat!("/v1.0/state/{store}", $rest)
    };
}

/// What the OpenAPI document calls a route that takes any method.
const ANY: &str = "x-any";

/// Every route there is. `{*function}` takes slashes, so that the name of an interface may stand in
/// a path as it is.
fn routes() -> Vec<Route> {
    let mut routes = routes_of_workers();
    routes.extend(other_routes());
    routes
}

fn route(method: &'static str, path: &'static str, handler: MethodRouter<Arc<App>>) -> Route {
    Route { method, path, handler }
}

/// Those of workers.
fn routes_of_workers() -> Vec<Route> {
    vec![
        route("get", "/v1/workers", get(worker_listing::list)),
        route("put", worker!(""), put(worker_routes::put)),
        route("get", worker!(""), get(worker_routes::get)),
        route("delete", worker!(""), delete(worker_routes::delete)),
        route("post", worker!("/invoke"), post(invoke_routes::invoke_named)),
        route("post", worker!("/invoke/{*function}"), post(invoke_routes::invoke)),
        route("get", worker!("/activity"), get(worker_routes::activity)),
        route("get", worker!("/invocations"), get(invocation_routes::list)),
        route("get", worker!("/invocations/{key}"), get(invocation_routes::get)),
        route("delete", worker!("/invocations/{key}"), delete(invocation_routes::cancel)),
        route("post", worker!("/invocations/{key}/cancel"), post(invocation_routes::ask_to_end)),
        route("post", worker!("/invocations/{key}/kill"), post(invocation_routes::kill)),
        route("post", worker!("/interrupt"), post(worker_routes::interrupt)),
        route("post", worker!("/resume"), post(worker_routes::resume)),
        route("post", worker!("/crash"), post(worker_routes::crash)),
        route("post", worker!("/revert"), post(history_routes::revert)),
        route("post", worker!("/fork"), post(history_routes::fork)),
        route("post", worker!("/update"), post(update_routes::update)),
        route("get", worker!("/oplog"), get(oplog_routes::list)),
        route("get", worker!("/oplog.bin"), get(transfer_routes::export)),
        route("put", worker!("/oplog.bin"), put(transfer_routes::import)),
        route("get", worker!("/logs"), get(log_routes::read)),
        route("get", worker!("/state"), get(state_routes::list)),
        route("delete", worker!("/state"), delete(state_routes::clear)),
        route("get", worker!("/state/{key}"), get(state_routes::get)),
        route("put", worker!("/state/{key}"), put(state_routes::put)),
        route("delete", worker!("/state/{key}"), delete(state_routes::delete)),
    ]
}

/// Those of the server, of components and of schedules, and the state API.
fn other_routes() -> Vec<Route> {
    vec![
        route("get", "/livez", get(service_routes::livez)),
        route("get", "/readyz", get(service_routes::readyz)),
        route("get", "/metrics", get(service_routes::metrics)),
        route("get", "/openapi.json", get(service_routes::openapi)),
        route("get", "/v1/version", get(service_routes::version)),
        route("get", "/v1/cluster", get(cluster_routes::status)),
        route("post", MESSAGES_PATH, post(cluster_routes::message)),
        route("post", "/v1/query", post(query_routes::query)),
        route("get", "/v1/components", get(component_routes::list)),
        route("put", component!(""), put(component_routes::put)),
        route("get", component!(""), get(component_routes::get)),
        route("delete", component!(""), delete(component_routes::delete)),
        route("get", component!("/versions/{version}"), get(component_routes::get_version)),
        route("get", component!("/versions/{version}/wasm"), get(component_routes::get_wasm)),
        route("get", component!("/openapi.json"), get(openapi::of_component)),
        route("post", component!("/check-update"), post(update_routes::check)),
        route("post", component!("/invoke"), post(invoke_routes::invoke_ephemeral_named)),
        route("post", component!("/invoke/{*function}"), post(invoke_routes::invoke_ephemeral)),
        route("get", "/v1/schedules", get(schedule_routes::list)),
        route("post", "/v1/schedules", post(schedule_routes::add)),
        route("get", "/v1/schedules/{name}", get(schedule_routes::get)),
        route("delete", "/v1/schedules/{name}", delete(schedule_routes::remove)),
        route("post", "/v1/schedules/{name}/pause", post(schedule_routes::pause)),
        route("post", "/v1/schedules/{name}/resume", post(schedule_routes::resume)),
        route("get", promise!(""), get(promise_routes::get)),
        route("post", promise!("/complete"), post(promise_routes::complete)),
        route("post", state!(""), post(dapr_routes::answer)),
        route("put", state!(""), put(dapr_routes::answer)),
        route("get", state!("/{key}"), get(dapr_routes::answer)),
        route("delete", state!("/{key}"), delete(dapr_routes::answer)),
        route("post", state!("/bulk"), post(dapr_routes::answer)),
        route("put", state!("/bulk"), put(dapr_routes::answer)),
        route("post", state!("/transaction"), post(dapr_routes::answer)),
        route("put", state!("/transaction"), put(dapr_routes::answer)),
        route("post", "/v1.0-alpha1/state/{store}/query", post(dapr_routes::answer)),
        route("put", "/v1.0-alpha1/state/{store}/query", put(dapr_routes::answer)),
        route("get", "/v1.0/healthz", get(dapr_routes::answer)),
        route("get", "/v1.0/healthz/outbound", get(dapr_routes::answer)),
        route("get", "/v1.0/metadata", get(dapr_routes::answer)),
        route("put", "/v1.0/metadata/{name}", put(dapr_routes::answer)),
        route("post", "/v1.0/shutdown", post(dapr_routes::answer)),
        route(ANY, "/http/{component}", any(incoming_routes::no_worker)),
        route(ANY, "/http/{component}/", any(incoming_routes::no_worker)),
        route(ANY, "/http/{component}/{worker}", any(incoming_routes::at_root)),
        route(ANY, "/http/{component}/{worker}/", any(incoming_routes::at_root)),
        route(ANY, "/http/{component}/{worker}/{*path}", any(incoming_routes::below)),
    ]
}

/// The routes, ready to be called.
pub(super) fn router(app: Arc<App>) -> Router {
    let add = |router: Router<Arc<App>>, route: Route| router.route(route.path, route.handler);
    let mut router = routes().into_iter().fold(Router::new(), add);
    // A server alone has nobody to pass anything on to, and its calls shall cost nothing more.
    if app.cluster.is_some() {
        router = router.route_layer(from_fn_with_state(Arc::clone(&app), forward));
    }
    router.fallback(no_route).method_not_allowed_fallback(no_method).with_state(app)
}

async fn no_route(State(app): State<Arc<App>>, request: Request) -> Response {
    // That API takes slashes too many, and has an answer of its own for what it does not know.
    if dapr::is_ours(request.uri().path()) {
        return dapr_routes::answer(State(app), request).await;
    }
    let detail = format!(
        "there is no {} in this version; GET /openapi.json lists the routes there are",
        request.uri().path()
    );
    Problem::new(Code::RouteNotFound, detail).into_response()
}

async fn no_method(State(app): State<Arc<App>>, request: Request) -> Response {
    if dapr::is_ours(request.uri().path()) {
        return dapr_routes::answer(State(app), request).await;
    }
    let (method, path) = (request.method(), request.uri().path());
    let detail = format!("{path} has no {method}; the Allow header names the methods it has");
    Problem::new(Code::MethodNotAllowed, detail).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_openapi_document_has_every_route_and_no_other() {
        let document: serde_json::Value =
            serde_json::from_str(openapi::DOCUMENT).expect("the document is JSON");
        let paths = document["paths"].as_object().expect("paths");
        let methods = ["get", "put", "post", "delete", ANY];
        let described: BTreeSet<String> = paths
            .iter()
            .flat_map(|(path, item)| {
                let operations = item.as_object().expect("an object").keys();
                let operations = operations.filter(|key| methods.contains(&key.as_str()));
                operations.map(move |method| format!("{method} {path}"))
            })
            .collect();
        let served: BTreeSet<String> = routes()
            .iter()
            .map(|route| format!("{} {}", route.method, route.path.replace("{*", "{")))
            .collect();
        assert_eq!(described, served);
    }
}
