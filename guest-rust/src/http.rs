//! Requests to others, made durable by the host: an answer that was seen is not asked for again,
//! and a request whose answer was lost in a crash is sent again, with the same idempotency key.
//!
//! ```
//! # use everlog::{http, mock};
//! # let host = mock::Host::new().on_http(|request| {
//! #     assert_eq!(request.method, "POST");
//! #     http::Response::new(201, r#"{"id": 17}"#)
//! # });
//! # host.run(|| -> Result<(), http::Error> {
//! #[derive(serde::Deserialize)]
//! struct Reservation {
//!     id: u64,
//! }
//!
//! let reservation: Reservation = http::post("http://shop.example/reservations")
//!     .idempotency_key(everlog::generate_idempotency_key())
//!     .json(&["tea", "milk"])
//!     .send()?
//!     .error_for_status()?
//!     .json()?;
//! # assert_eq!(reservation.id, 17);
//! # Ok(())
//! # }).unwrap();
//! ```
//!
//! Asynchronous guests use [`RequestBuilder::send_async`], several at once if they like. It reads
//! whole bodies into memory; for streams use the crate `wstd`, on which this stands.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::{block_on, host};

/// A request, see [`RequestBuilder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method, as in `GET`.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// The headers, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How long connecting, and waiting for the first and each next part of the answer, may take.
    pub timeout: Option<Duration>,
}

/// An answer that was read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status, as in 200.
    pub status: u16,
    /// The headers, in order, with names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no answer, or not the one that was wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The request cannot be made: a bad URL, method, header or body.
    Request(String),
    /// No answer came, or not all of it.
    Connection(String),
    /// The answer has a status that is no success, see [`Response::error_for_status`].
    Status(Box<Response>),
    /// The body is not what was expected.
    Body(String),
}

/// Collects what a request consists of.
#[derive(Debug, Clone)]
#[must_use = "a request is made by `send`"]
pub struct RequestBuilder {
    request: Request,
    error: Option<Error>,
}

/// Begins a GET request.
pub fn get(url: impl Into<String>) -> RequestBuilder {
    request("GET", url)
}

/// Begins a POST request.
pub fn post(url: impl Into<String>) -> RequestBuilder {
    request("POST", url)
}

/// Begins a PUT request.
pub fn put(url: impl Into<String>) -> RequestBuilder {
    request("PUT", url)
}

/// Begins a PATCH request.
pub fn patch(url: impl Into<String>) -> RequestBuilder {
    request("PATCH", url)
}

/// Begins a DELETE request.
pub fn delete(url: impl Into<String>) -> RequestBuilder {
    request("DELETE", url)
}

/// Begins a request of any method.
pub fn request(method: impl Into<String>, url: impl Into<String>) -> RequestBuilder {
    let request = Request {
        method: method.into(),
        url: url.into(),
        headers: Vec::new(),
        body: Vec::new(),
        timeout: None,
    };
    RequestBuilder { request, error: None }
}

impl RequestBuilder {
    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.request.headers.push((name.into(), value.into()));
        self
    }

    /// Adds the header by which the other side can recognise a repetition.
    pub fn idempotency_key(self, key: Uuid) -> Self {
        self.header("idempotency-key", key.to_string())
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.request.body = body.into();
        self
    }

    /// Sets the body to a value in JSON, and the header that says so.
    pub fn json(mut self, value: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.header("content-type", "application/json").body(body),
            Err(error) => {
                self.error = Some(Error::Request(format!("no JSON: {error}")));
                self
            }
        }
    }

    /// Limits how long connecting, and waiting for each part of the answer, may take.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.request.timeout = Some(timeout);
        self
    }

    /// Sends the request, and waits for the answer. Not within [`block_on`].
    ///
    /// # Errors
    /// If no whole answer came. An answer of any status is one.
    pub fn send(self) -> Result<Response, Error> {
        block_on(self.send_async())
    }

    /// Sends the request; other futures go on while it waits for the answer.
    ///
    /// # Errors
    /// If no whole answer came. An answer of any status is one.
    pub async fn send_async(self) -> Result<Response, Error> {
        match self.error {
            Some(error) => Err(error),
            None => host::send(self.request).await,
        }
    }
}

impl Response {
    /// Makes a response, for tests.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// Tells whether the status says success, 200 to 299.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Returns the response if its status says success.
    ///
    /// # Errors
    /// [`Error::Status`] if not.
    pub fn error_for_status(self) -> Result<Self, Error> {
        if self.is_success() { Ok(self) } else { Err(Error::Status(Box::new(self))) }
    }

    /// Returns the first header of a name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_str())
    }

    /// Returns the body as text.
    ///
    /// # Errors
    /// If it is no UTF-8.
    pub fn text(&self) -> Result<&str, Error> {
        std::str::from_utf8(&self.body).map_err(|error| Error::Body(error.to_string()))
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    /// If it is none, or not that of a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| Error::Body(error.to_string()))
    }
}

/// How much of a body an error shows, in characters.
const BODY_SHOWN: usize = 200;

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(why) => write!(formatter, "the request cannot be made: {why}"),
            Self::Connection(why) => write!(formatter, "no answer: {why}"),
            Self::Status(response) => {
                let body = String::from_utf8_lossy(&response.body);
                let shown: String = body.chars().take(BODY_SHOWN).collect();
                write!(formatter, "status {}: {shown}", response.status)
            }
            Self::Body(why) => write!(formatter, "unexpected body: {why}"),
        }
    }
}

impl std::error::Error for Error {}

/// Lets `?` hand an error on where errors are texts.
impl From<Error> for String {
    fn from(error: Error) -> Self {
        error.to_string()
    }
}
