//! Components as JSON.

use everlog_runtime::ComponentVersion;
use everlog_runtime::exports::Signature;
use serde::Serialize;
use uuid::Uuid;

use crate::time::format_instant;

/// One version of a component.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct ComponentJson<'a> {
    component: &'a str,
    component_id: Uuid,
    version: u64,
    digest: &'a str,
    size: u64,
    created_at: String,
    exports: Vec<ExportJson>,
    imports: &'a [String],
    /// Functions that need not wait for their turn.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    read_only: &'a [String],
    /// Callers that are served at once, and those that may wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_concurrent: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_waiting: Option<u32>,
}

/// A function that a component exports, its types in WIT.
#[derive(Debug, Serialize)]
struct ExportJson {
    function: String,
    params: Vec<ParameterJson>,
    result: Option<String>,
}

#[derive(Debug, Serialize)]
struct ParameterJson {
    name: String,
    r#type: String,
}

impl<'a> ComponentJson<'a> {
    pub(in crate::http) fn of(version: &'a ComponentVersion) -> Self {
        Self {
            component: &version.name,
            component_id: version.id,
            version: version.version,
            digest: &version.digest,
            size: version.size,
            created_at: format_instant(version.created_at),
            exports: version.exports().signatures().into_iter().map(ExportJson::of).collect(),
            imports: &version.imports,
            read_only: &version.settings.read_only,
            max_concurrent: version.settings.limit.map(|limit| limit.concurrent),
            max_waiting: version.settings.limit.map(|limit| limit.waiting),
        }
    }
}

impl ExportJson {
    fn of(signature: Signature) -> Self {
        let parameter = |(name, r#type)| ParameterJson { name, r#type };
        Self {
            function: signature.function,
            params: signature.parameters.into_iter().map(parameter).collect(),
            result: signature.result,
        }
    }
}
