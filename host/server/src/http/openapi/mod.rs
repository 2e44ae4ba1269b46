//! OpenAPI 3.1: of the server's own routes, and of a component's functions.

mod schema;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use everlog_runtime::ComponentVersion;
use everlog_runtime::exports::{Exports, Function};
use serde_json::{Map, Value, json};

use self::schema::schema;
use super::app::App;
use super::names::PathOf;
use super::parameters::Parameters;
use super::problem::Problem;
use crate::percent::encode_segment;

/// The routes of this server; a test compares them with the table of routes.
pub(super) const DOCUMENT: &str = include_str!("document.json");

/// `GET /v1/components/{component}/openapi.json`: one path for each function, made from its WIT.
pub(super) async fn of_component(
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<String>,
    request: Request,
) -> Result<Response, Problem> {
    Parameters::of(request.uri(), &[])?;
    Ok(Json(document(&*app.runtime.component(&name)?)).into_response())
}

fn document(version: &ComponentVersion) -> Value {
    let exports = version.exports();
    let paths: Map<String, Value> = exports
        .functions()
        .map(|(_, function)| {
            let encoded = encode_segment(&function.name);
            let path = format!("/v1/workers/{}/{{worker}}/invoke/{encoded}", version.name);
            (path, json!({ "post": operation(function, exports) }))
        })
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": { "title": version.name, "version": version.version.to_string() },
        "paths": paths,
    })
}

fn operation(function: &Function, exports: &Exports) -> Value {
    let result = function.result.as_ref().map_or(json!({ "type": "null" }), schema);
    json!({
        "operationId": function.name,
        "summary": signature(function, exports),
        "parameters": [{
            "name": "worker", "in": "path", "required": true, "schema": { "type": "string" },
        }],
        "requestBody": { "content": { "application/json": { "schema": arguments(function) } } },
        "responses": {
            "200": {
                "description": "The result.",
                "content": { "application/json": { "schema": result } },
            },
            "default": {
                "description": "A problem.",
                "content": { "application/problem+json": {} },
            },
        },
    })
}

fn signature(function: &Function, exports: &Exports) -> String {
    let parameters: Vec<String> = function
        .parameters
        .iter()
        .map(|(name, ty)| format!("{name}: {}", exports.type_text(ty)))
        .collect();
    let result = function.result.as_ref().map(|ty| format!(" -> {}", exports.type_text(ty)));
    format!("func({}){}", parameters.join(", "), result.unwrap_or_default())
}

/// Arguments come by position or by name.
fn arguments(function: &Function) -> Value {
    let positional: Vec<Value> = function.parameters.iter().map(|(_, ty)| schema(ty)).collect();
    let count = positional.len();
    let named = function.parameters.iter().map(|(name, ty)| (name.as_str(), ty.clone()));
    json!({ "oneOf": [
        { "type": "array", "prefixItems": positional, "minItems": count, "maxItems": count },
        schema::object(named),
    ] })
}
