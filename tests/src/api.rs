//! The server's HTTP API as the tests use it: components here, workers in [`crate::worker`].

use reqwest::{Method, RequestBuilder, Url};
use serde_json::Value;

use crate::reply::Reply;
use crate::wait;
use crate::worker::Worker;

/// A client of one server. It stays valid across restarts of the server.
#[derive(Debug, Clone)]
pub struct Api {
    client: reqwest::Client,
    base: Url,
}

impl Api {
    /// Makes a client for the server on this port of the loopback interface.
    ///
    /// # Panics
    /// If the client cannot be built.
    pub fn new(port: u16) -> Self {
        // No connection is kept: one that a killed server left behind would fail the next request.
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).no_proxy().build();
        let base = Url::parse(&format!("http://127.0.0.1:{port}/"));
        Self { client: client.expect("a client"), base: base.expect("a URL") }
    }

    /// Begins a request; each segment of the path is percent-encoded, line breaks included, which
    /// [`Url`] would drop.
    pub fn request(&self, method: Method, segments: &[&str]) -> RequestBuilder {
        let encoded: Vec<String> =
            segments.iter().map(|segment| percent_encoded(segment)).collect();
        self.request_path(method, &format!("/{}", encoded.join("/")))
    }

    /// Begins a request to a path that is taken as it is, query included.
    ///
    /// # Panics
    /// If it is no path.
    pub fn request_path(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.base.join(path).expect("a path"))
    }

    /// Gets a path that is taken as it is, query included.
    pub async fn get(&self, path: &str) -> Reply {
        send(self.request_path(Method::GET, path)).await
    }

    /// Tells whether `/readyz` answers 200, or wants a token, which only a server that is ready does.
    pub async fn is_ready(&self) -> bool {
        let request = self.request(Method::GET, &["readyz"]);
        try_send(request).await.is_ok_and(|reply| matches!(reply.status, 200 | 401))
    }

    /// Uploads a binary and returns the answer, whatever it is.
    pub async fn upload(&self, name: &str, bytes: Vec<u8>) -> Reply {
        send(self.request(Method::PUT, &["v1", "components", name]).body(bytes)).await
    }

    /// Uploads a component that the server takes.
    ///
    /// # Panics
    /// If the server refuses it.
    pub async fn deploy(&self, name: &str, bytes: Vec<u8>) -> Component {
        let reply = self.upload(name, bytes).await;
        assert!(matches!(reply.status, 200 | 201), "{} {}", reply.status, reply.text());
        let description = reply.json();
        let id = description["componentId"].as_str().unwrap_or_default().to_owned();
        Component { api: self.clone(), name: name.to_owned(), id }
    }

    /// Returns a component by its name, without asking the server.
    pub fn component(&self, name: &str) -> Component {
        Component { api: self.clone(), name: name.to_owned(), id: String::new() }
    }
}

/// A deployed component.
#[derive(Debug, Clone)]
pub struct Component {
    api: Api,
    /// The name it was deployed under.
    pub name: String,
    /// Its UUID.
    pub id: String,
}

impl Component {
    /// Names a worker of the component; the server learns of it by its first request.
    pub fn worker(&self, name: &str) -> Worker {
        Worker::new(self.api.clone(), &self.name, name)
    }

    /// Calls a function on a fresh worker that lives for this call.
    pub async fn call_ephemeral(&self, function: &str, arguments: Value) -> Reply {
        let path = ["v1", "components", &self.name, "invoke", function];
        send(self.api.request(Method::POST, &path).json(&arguments)).await
    }

    /// Returns the newest version's description.
    pub async fn description(&self) -> Value {
        send(self.api.request(Method::GET, &["v1", "components", &self.name])).await.expect(200)
    }

    /// Asks whether its workers fit a version.
    pub async fn check_update(&self, version: u64) -> Reply {
        let path = ["v1", "components", &self.name, "check-update"];
        let body = serde_json::json!({ "version": version });
        send(self.api.request(Method::POST, &path).json(&body)).await
    }

    /// Deletes the component.
    pub async fn delete(&self) -> Reply {
        send(self.api.request(Method::DELETE, &["v1", "components", &self.name])).await
    }
}

/// Sends a request to a server that is up.
///
/// # Panics
/// If no answer comes.
pub async fn send(request: RequestBuilder) -> Reply {
    match wait::patiently("an answer", try_send(request)).await {
        Ok(reply) => reply,
        Err(error) => panic!("the server did not answer: {error:?}"),
    }
}

/// Sends a request to a server that may be down or die before it answers.
///
/// # Errors
/// If there is no complete answer.
pub async fn try_send(request: RequestBuilder) -> Result<Reply, reqwest::Error> {
    Reply::read(request.send().await?).await
}

/// Keeps what every URL takes as it is, and writes each other byte as `%` and two digits.
fn percent_encoded(segment: &str) -> String {
    let encode = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    segment.bytes().map(encode).collect()
}
