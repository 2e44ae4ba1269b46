//! What callers say beside the body: parameters of the query, and headers where they are missing.

use axum::http::request::Parts;
use everlog_runtime::state_store::Concurrency;

/// The options of one request.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// Of `metadata.<name>=<value>`.
    pub(super) metadata: Vec<(String, String)>,
    consistency: Option<String>,
    concurrency: Option<String>,
    /// Which application the caller takes this server for.
    pub(super) app_id: Option<String>,
}

impl Options {
    /// The options of a request. A parameter counts before the header of its name; others are not looked at.
    pub(super) fn of(parts: &Parts) -> Self {
        let mut options = Self::default();
        let query = parts.uri.query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "consistency" => options.consistency = Some(value.into_owned()),
                "concurrency" => options.concurrency = Some(value.into_owned()),
                "appid" => options.app_id = Some(value.into_owned()),
                name => {
                    if let Some(name) = name.strip_prefix("metadata.") {
                        options.metadata.push((name.to_owned(), value.into_owned()));
                    }
                }
            }
        }
        let header = |name: &str| {
            let value = parts.headers.get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        options.consistency = options.consistency.or_else(|| header("consistency"));
        options.concurrency = options.concurrency.or_else(|| header("concurrency"));
        options
    }

    /// Whether the caller wants to wait for the replicas.
    pub(super) fn is_strong(&self) -> Result<bool, String> {
        is_strong(self.consistency.as_deref())
    }

    /// Who wins.
    pub(super) fn concurrency(&self) -> Result<Concurrency, String> {
        concurrency(self.concurrency.as_deref())
    }
}

/// Reads a word for consistency; without one it is `eventual`.
pub(super) fn is_strong(word: Option<&str>) -> Result<bool, String> {
    match word {
        None | Some("" | "eventual") => Ok(false),
        Some("strong") => Ok(true),
        Some(other) => Err(format!("unrecognized consistency value '{other}'")),
    }
}

/// Reads a word for concurrency; without one it is `last-write`.
pub(super) fn concurrency(word: Option<&str>) -> Result<Concurrency, String> {
    match word {
        None | Some("" | "last-write") => Ok(Concurrency::LastWrite),
        Some("first-write") => Ok(Concurrency::FirstWrite),
        Some(other) => Err(format!("unrecognized concurrency value '{other}'")),
    }
}
