//! What can go wrong between the command line and a server.

use serde::Deserialize;

/// How much of an answer that nobody expected is shown, in characters.
const SHOWN_CHARACTERS: usize = 200;

/// Why a request has no answer, or not the one that was hoped for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("the token cannot be sent in a header")]
    InvalidToken,
    #[error("cannot set up the HTTP client")]
    Setup(#[source] reqwest::Error),
    #[error("a URL cannot hold the name `{name}`")]
    UnspeakableName { name: String },
    #[error("no answer from {server}; is the server running, and --server right?")]
    Unreachable {
        server: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{0}")]
    Problem(ServerProblem),
    #[error("{server} answered with status {status}, which is not how everlog answers: {body}")]
    Unexpected { server: String, status: u16, body: String },
    #[error("{server} answered with something that is not JSON")]
    NotJson {
        server: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("{server} answered with more than {limit} bytes")]
    TooLarge { server: String, limit: usize },
}

/// A problem as the server stated it.
#[derive(Debug, Deserialize, thiserror::Error)]
#[error("{title}: {detail}{} [{code}]", place(pointer))]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServerProblem {
    title: String,
    detail: String,
    code: String,
    #[serde(default)]
    pointer: String,
}

impl ClientError {
    /// Whether the server stated a problem of this code.
    pub(crate) fn is_problem(&self, code: &str) -> bool {
        matches!(self, Self::Problem(problem) if problem.code == code)
    }

    /// The error that an answer without success is.
    pub(crate) fn of_answer(server: &str, status: u16, body: &[u8]) -> Self {
        match serde_json::from_slice(body) {
            Ok(problem) => Self::Problem(problem),
            Err(_) => {
                let body = String::from_utf8_lossy(body).chars().take(SHOWN_CHARACTERS).collect();
                Self::Unexpected { server: server.to_owned(), status, body }
            }
        }
    }
}

fn place(pointer: &str) -> String {
    if pointer.is_empty() { String::new() } else { format!(" (at {pointer})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_with_title_detail_and_code() {
        let body = br#"{"title":"No worker","detail":"there is no worker c/w",
            "code":"worker-not-found","status":404}"#;
        let error = ClientError::of_answer("http://host", 404, body);
        assert_eq!(error.to_string(), "No worker: there is no worker c/w [worker-not-found]");
        let body = br#"{"title":"T","detail":"d","code":"invalid-arguments","pointer":"/0"}"#;
        let error = ClientError::of_answer("http://host", 400, body);
        assert_eq!(error.to_string(), "T: d (at /0) [invalid-arguments]");
    }

    #[test]
    fn another_server_is_told_from_ours() {
        let error = ClientError::of_answer("http://host", 502, b"<html>").to_string();
        assert!(error.contains("502") && error.contains("<html>"), "{error}");
    }
}
