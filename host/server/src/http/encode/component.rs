//! Components as JSON.

use everlog_runtime::ComponentVersion;
use serde_json::{Value, json};

use crate::time::format_instant;

/// One version of a component.
pub(in crate::http) fn component_json(version: &ComponentVersion) -> Value {
    let exports: Vec<Value> = version.exports().signatures().into_iter().map(export_json).collect();
    json!({
        "component": version.name,
        "componentId": version.id,
        "version": version.version,
        "digest": version.digest,
        "size": version.size,
        "createdAt": format_instant(version.created_at),
        "exports": exports,
        "imports": version.imports,
    })
}

fn export_json(signature: everlog_runtime::exports::Signature) -> Value {
    let parameter = |(name, ty): (String, String)| json!({ "name": name, "type": ty });
    let parameters: Vec<Value> = signature.parameters.into_iter().map(parameter).collect();
    json!({ "function": signature.function, "params": parameters, "result": signature.result })
}
