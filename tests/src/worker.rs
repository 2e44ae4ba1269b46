//! One worker, as the tests call and watch it.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::api::{Api, send, try_send};
use crate::follower::Follower;
use crate::reply::Reply;
use crate::wait;

/// Entries per page when a test reads a whole oplog.
const OPLOG_PAGE: &str = "1000";

/// How long a client waits before it asks a server again that was down.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// A worker by its name; it need not exist yet.
#[derive(Debug, Clone)]
pub struct Worker {
    api: Api,
    component: String,
    name: String,
}

impl Worker {
    pub(crate) fn new(api: Api, component: &str, name: &str) -> Self {
        Self { api, component: component.to_owned(), name: name.to_owned() }
    }

    /// Begins a request to a path below the worker.
    pub fn request(&self, method: Method, below: &[&str]) -> RequestBuilder {
        let path = [&["v1", "workers", &self.component, &self.name], below].concat();
        self.api.request(method, &path)
    }

    /// Begins a request to a path below a promise of the worker.
    pub fn promise_request(&self, method: Method, index: &str, below: &[&str]) -> RequestBuilder {
        let path = [&["v1", "promises", &self.component, &self.name, index], below].concat();
        self.api.request(method, &path)
    }

    /// Creates the worker with settings as in `{"args": [], "env": {}}`.
    pub async fn create(&self, settings: Value) -> Reply {
        send(self.request(Method::PUT, &[]).json(&settings)).await
    }

    /// Begins an invocation.
    pub fn invocation(&self, function: &str, arguments: &Value) -> RequestBuilder {
        self.request(Method::POST, &["invoke", function]).json(arguments)
    }

    /// Invokes a function and returns the answer, whatever it is.
    pub async fn invoke(&self, function: &str, arguments: Value) -> Reply {
        send(self.invocation(function, &arguments)).await
    }

    /// Invokes a function that succeeds, and returns its result.
    pub async fn call(&self, function: &str, arguments: Value) -> Value {
        self.invoke(function, arguments).await.expect(200)
    }

    /// Invokes a function under an idempotency key.
    pub async fn invoke_with_key(&self, function: &str, arguments: Value, key: &str) -> Reply {
        send(self.invocation(function, &arguments).header("Idempotency-Key", key)).await
    }

    /// As [`Self::invoke_with_key`], of a server that may die before it answers.
    ///
    /// # Errors
    /// If there is no complete answer.
    pub async fn try_invoke_with_key(
        &self,
        function: &str,
        arguments: Value,
        key: &str,
    ) -> Result<Reply, reqwest::Error> {
        try_send(self.invocation(function, &arguments).header("Idempotency-Key", key)).await
    }

    /// Invokes a function under an idempotency key, again and again while the server is down, until
    /// the result is there.
    ///
    /// # Panics
    /// If the answer is neither 200 nor 503, or does not come within [`wait::PATIENCE`].
    pub async fn call_until_acknowledged(
        &self,
        function: &str,
        arguments: Value,
        key: &str,
    ) -> Value {
        self.ask_until_answered(function, arguments, key).await.expect(200)
    }

    /// Invokes a function under an idempotency key, again and again while the server is down, until
    /// there is an answer, whatever it is.
    ///
    /// # Panics
    /// If none comes within [`wait::PATIENCE`].
    pub async fn ask_until_answered(&self, function: &str, arguments: Value, key: &str) -> Reply {
        let stopwatch = wait::Stopwatch::start();
        while stopwatch.elapsed() < wait::PATIENCE {
            if let Ok(reply) = self.try_invoke_with_key(function, arguments.clone(), key).await
                && reply.status != 503
            {
                return reply;
            }
            wait::pause(ASK_AGAIN_AFTER).await;
        }
        panic!("{function} under key {key} was not answered within {:?}", wait::PATIENCE);
    }

    /// Has a call accepted that runs by itself, and returns its idempotency key.
    ///
    /// # Panics
    /// If it is not accepted.
    pub async fn start(&self, function: &str, arguments: Value) -> String {
        self.start_when(function, arguments, &[]).await
    }

    /// As [`Self::start`], with a query such as `[("delay", "2s")]`.
    ///
    /// # Panics
    /// If it is not accepted.
    pub async fn start_when(
        &self,
        function: &str,
        arguments: Value,
        query: &[(&str, &str)],
    ) -> String {
        let request = self.invocation(function, &arguments).query(query);
        let reply = send(request.header("Prefer", "respond-async")).await;
        let accepted = reply.expect(202);
        accepted["idempotencyKey"].as_str().expect("a key").to_owned()
    }

    /// Returns what is known of an invocation, at once.
    pub async fn invocation_state(&self, key: &str) -> Reply {
        send(self.request(Method::GET, &["invocations", key])).await
    }

    /// Waits until an invocation has ended, and returns its state.
    pub async fn outcome(&self, key: &str) -> Value {
        wait::until(&format!("invocation {key} has ended"), async || {
            let request = self.request(Method::GET, &["invocations", key]);
            let state = send(request.query(&[("wait", "10s")])).await.expect(200);
            let ended = ["completed", "failed", "cancelled"];
            ended.contains(&state["status"].as_str().unwrap_or_default()).then_some(state)
        })
        .await
    }

    /// Returns the worker's metadata.
    pub async fn metadata(&self) -> Value {
        send(self.request(Method::GET, &[])).await.expect(200)
    }

    /// Returns the metadata as folded from the whole oplog, past every cache.
    pub async fn rebuilt_metadata(&self) -> Value {
        send(self.request(Method::GET, &[]).query(&[("rebuild", "true")])).await.expect(200)
    }

    /// Waits until the worker has a status, and returns the metadata then. The worker need not
    /// exist yet: the call that creates it may be on its way.
    pub async fn reaches(&self, status: &str) -> Value {
        wait::until(&format!("worker {} is {status}", self.name), async || {
            let reply = send(self.request(Method::GET, &[])).await;
            if reply.status == 404 {
                reply.expect_problem(404, "worker-not-found");
                return None;
            }
            let metadata = reply.expect(200);
            (metadata["status"] == status).then_some(metadata)
        })
        .await
    }

    /// Does `interrupt`, `resume` or `crash`.
    pub async fn order(&self, action: &str) -> Reply {
        send(self.request(Method::POST, &[action])).await
    }

    /// Does `interrupt`, `resume` or `crash`.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn obey(&self, action: &str) {
        let reply = self.order(action).await;
        assert!((200..300).contains(&reply.status), "{action}: {} {}", reply.status, reply.text());
    }

    /// Asks for an update with a body such as `{"version": 1, "mode": "automatic"}`.
    pub async fn request_update(&self, body: Value) -> Reply {
        send(self.request(Method::POST, &["update"]).json(&body)).await
    }

    /// Has an update accepted.
    pub async fn update(&self, version: u64, mode: &str) {
        self.request_update(json!({ "version": version, "mode": mode })).await.expect(202);
    }

    /// Waits until an update to this version is done and none is pending, and returns the metadata
    /// then.
    pub async fn is_updated_to(&self, version: u64) -> Value {
        wait::until(&format!("worker {} is updated to {version}", self.name), async || {
            let metadata = self.metadata().await;
            let failed = &metadata["updates"]["failed"];
            assert_eq!(failed, &json!([]), "no update fails");
            let done = metadata["updates"]["successful"].as_array();
            let done = done.is_some_and(|done| done.contains(&version.into()));
            (done && metadata["updates"]["pending"] == json!([])).then_some(metadata)
        })
        .await
    }

    /// Waits until an update to this version has failed and none is pending, and returns why.
    pub async fn fails_update_to(&self, version: u64) -> String {
        wait::until(&format!("worker {} fails its update to {version}", self.name), async || {
            let metadata = self.metadata().await;
            let failed = metadata["updates"]["failed"].as_array().cloned().unwrap_or_default();
            let failed = failed.iter().find(|update| update["version"] == version)?;
            let settled = metadata["updates"]["pending"] == json!([]);
            let durable = !self.oplog_of_type("update-failed").await.is_empty();
            (settled && durable).then(|| failed["details"].as_str().unwrap_or_default().to_owned())
        })
        .await
    }

    /// Sends a request again and again while the server is down.
    async fn until_acknowledged(&self, request: RequestBuilder) -> Reply {
        let stopwatch = wait::Stopwatch::start();
        while stopwatch.elapsed() < wait::PATIENCE {
            let again = request.try_clone().expect("the body is in memory");
            if let Ok(reply) = try_send(again).await
                && reply.status != 503
            {
                return reply;
            }
            wait::pause(ASK_AGAIN_AFTER).await;
        }
        panic!("{request:?} was not acknowledged within {:?}", wait::PATIENCE);
    }

    /// As [`Self::create`], of a server that may die before it answers.
    pub async fn create_until_acknowledged(&self, settings: Value) {
        let request = self.request(Method::PUT, &[]).json(&settings);
        let reply = self.until_acknowledged(request).await;
        assert!(matches!(reply.status, 200 | 201), "{}", reply.text());
    }

    /// As [`Self::update`], of a server that may die before it answers.
    pub async fn update_until_acknowledged(&self, version: u64, mode: &str) {
        let body = json!({ "version": version, "mode": mode });
        let request = self.request(Method::POST, &["update"]).json(&body);
        self.until_acknowledged(request).await.expect(202);
    }

    /// Deletes the worker.
    pub async fn delete(&self) -> Reply {
        send(self.request(Method::DELETE, &[])).await
    }

    /// Returns the whole oplog.
    ///
    /// # Panics
    /// If a page is not as the API says.
    pub async fn oplog(&self) -> Vec<Value> {
        let mut entries = Vec::new();
        let mut from = String::from("1");
        loop {
            let query = [("from", from.as_str()), ("limit", OPLOG_PAGE)];
            let page = send(self.request(Method::GET, &["oplog"]).query(&query)).await.expect(200);
            entries.extend_from_slice(page["entries"].as_array().expect("entries"));
            match &page["next"] {
                Value::Null => return entries,
                next => from = next.to_string(),
            }
        }
    }

    /// Returns the entries of one type.
    pub async fn oplog_of_type(&self, kind: &str) -> Vec<Value> {
        let mut entries = self.oplog().await;
        entries.retain(|entry| entry["type"] == kind);
        entries
    }

    /// Returns the log records that are durable now.
    ///
    /// # Panics
    /// If a line is no JSON.
    pub async fn logs(&self) -> Vec<Value> {
        let reply = send(self.request(Method::GET, &["logs"])).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let parse = |line: &str| serde_json::from_str(line).expect("one JSON object a line");
        reply.text().lines().map(parse).collect()
    }

    /// Returns the messages of the log records that are durable now.
    pub async fn messages(&self) -> Vec<String> {
        self.logs().await.iter().map(message).collect()
    }

    /// Waits until the log has a message.
    pub async fn has_logged(&self, text: &str) {
        wait::until(&format!("{text:?} is in the log"), async || {
            self.messages().await.iter().any(|message| message == text).then_some(())
        })
        .await;
    }

    /// Follows the log from its beginning.
    pub async fn follow(&self) -> Follower {
        let request = self.request(Method::GET, &["logs"]).query(&[("follow", "true")]);
        Follower::open(request).await
    }
}

/// Returns the text of a log record.
pub fn message(record: &Value) -> String {
    record["message"].as_str().unwrap_or_default().to_owned()
}
