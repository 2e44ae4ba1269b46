//! The command line's HTTP client: it speaks the same API as everybody else.

mod error;
mod lines;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde_json::Value;

pub(crate) use error::ClientError;
pub(crate) use lines::Lines;

use crate::percent::encode_segment;

/// The largest answer that is read whole, in bytes: more than any page of the API.
const MAX_ANSWER_BYTES: usize = 512 << 20;

/// A client of one server.
pub(crate) struct Client {
    http: reqwest::Client,
    server: Url,
}

impl Client {
    /// A client of the server at `server`, which it shows `token`.
    ///
    /// # Errors
    /// [`ClientError::InvalidToken`], [`ClientError::Setup`].
    pub(crate) fn new(server: Url, token: Option<&str>) -> Result<Self, ClientError> {
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| ClientError::InvalidToken)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .tcp_nodelay(true)
            .build()
            .map_err(ClientError::Setup)?;
        Ok(Self { http, server })
    }

    /// Begins a request to the path of these segments, each taken as it is.
    ///
    /// # Errors
    /// [`ClientError::UnspeakableName`] for `.` and `..`, which no URL can hold as a name.
    pub(crate) fn request(
        &self,
        method: Method,
        segments: &[&str],
    ) -> Result<RequestBuilder, ClientError> {
        let mut path = self.server.path().trim_end_matches('/').to_owned();
        for segment in segments {
            if matches!(*segment, "." | "..") {
                return Err(ClientError::UnspeakableName { name: (*segment).to_owned() });
            }
            path.push('/');
            path.push_str(&encode_segment(segment));
        }
        let mut url = self.server.clone();
        url.set_path(&path);
        Ok(self.http.request(method, url))
    }

    /// Sends a request and returns the answer, unless it is a problem.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`], [`ClientError::Problem`], [`ClientError::Unexpected`].
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = self.read(response).await?;
        Err(ClientError::of_answer(self.server.as_str(), status.as_u16(), &body))
    }

    /// Sends a request and returns the JSON of the answer; `null` where it has no body.
    ///
    /// # Errors
    /// Those of [`Client::send`]; [`ClientError::NotJson`].
    pub(crate) async fn json(&self, request: RequestBuilder) -> Result<Value, ClientError> {
        let response = self.send(request).await?;
        let body = self.read(response).await?;
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).map_err(|source| self.not_json(source))
    }

    /// Sends a request and returns the text of the answer.
    ///
    /// # Errors
    /// Those of [`Client::send`].
    pub(crate) async fn text(&self, request: RequestBuilder) -> Result<String, ClientError> {
        let response = self.send(request).await?;
        let body = self.read(response).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Sends a request and returns the lines of the answer as they come.
    ///
    /// # Errors
    /// Those of [`Client::send`].
    pub(crate) async fn lines(&self, request: RequestBuilder) -> Result<Lines, ClientError> {
        Ok(Lines::new(self.server.to_string(), self.send(request).await?))
    }

    async fn read(&self, mut response: Response) -> Result<Vec<u8>, ClientError> {
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| self.unreachable(error))? {
            if body.len() + piece.len() > MAX_ANSWER_BYTES {
                let server = self.server.to_string();
                return Err(ClientError::TooLarge { server, limit: MAX_ANSWER_BYTES });
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    fn unreachable(&self, source: reqwest::Error) -> ClientError {
        // The message names the server already.
        let source = source.without_url();
        ClientError::Unreachable { server: self.server.to_string(), source }
    }

    fn not_json(&self, source: serde_json::Error) -> ClientError {
        ClientError::NotJson { server: self.server.to_string(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(segments: &[&str]) -> Result<String, ClientError> {
        let server: Url = "http://host:7070/base/".parse().expect("a URL");
        let request = Client::new(server, None)?.request(Method::GET, segments)?;
        Ok(request.build().expect("a request").url().to_string())
    }

    #[test]
    fn names_stay_one_segment_each() {
        let path = url(&["v1", "workers", "c", "a/b ?#%ü"]).expect("a path");
        assert_eq!(path, "http://host:7070/base/v1/workers/c/a%2Fb%20%3F%23%25%C3%BC");
        assert!(matches!(url(&["v1", ".."]), Err(ClientError::UnspeakableName { .. })));
    }
}
