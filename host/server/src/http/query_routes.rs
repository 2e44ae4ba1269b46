//! `POST /v1/query`: SQL over what the server knows, read-only.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::app::App;
use super::body::read_body;
use super::parameters::Parameters;
use super::problem::{Code, Problem};
use crate::sql::{MAX_STATEMENT_BYTES, SqlError};

/// A statement with its parameters: twice the longest statement leaves room for them.
const MAX_BODY_BYTES: usize = 2 * MAX_STATEMENT_BYTES;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    sql: String,
    /// What `?1`, `?2`, … in the statement stand for.
    #[serde(default)]
    parameters: Vec<Value>,
}

/// `POST /v1/query` with `{"sql": "select …", "parameters": […]}`.
pub(super) async fn query(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    Parameters::of(&parts.uri, &[])?;
    let body = read_body(body, MAX_BODY_BYTES).await?;
    let query: Query = serde_json::from_slice(&body)
        .map_err(|error| Problem::new(Code::MalformedJson, error.to_string()))?;
    let found = app.sql.query(Arc::clone(&app.runtime), query.sql, query.parameters).await?;
    Ok(Json(json!({ "columns": found.columns, "rows": found.rows })).into_response())
}

impl From<SqlError> for Problem {
    fn from(error: SqlError) -> Self {
        let code = match error {
            SqlError::Invalid(_) => Code::InvalidQuery,
            SqlError::TooMuch(_) => Code::QueryTooLarge,
            SqlError::Busy => Code::TooManyRequests,
            SqlError::Failed(_) => Code::StorageUnavailable,
        };
        Self::new(code, error.to_string())
    }
}
