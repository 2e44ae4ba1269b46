//! The state API as the tests use it.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api::{Api, send};
use crate::reply::Reply;

/// A client of one state store.
#[derive(Debug, Clone)]
pub struct StateStore {
    api: Api,
    name: String,
}

impl StateStore {
    /// Names a store of a server.
    pub fn new(api: &Api, name: &str) -> Self {
        Self { api: api.clone(), name: name.to_owned() }
    }

    /// Begins a request to the path behind the store's name.
    pub fn request(&self, method: Method, rest: &[&str]) -> RequestBuilder {
        self.api.request(method, &[&["v1.0", "state", &self.name], rest].concat())
    }

    /// Saves items, whatever comes of it.
    pub async fn try_save(&self, items: Value) -> Reply {
        send(self.request(Method::POST, &[]).json(&items)).await
    }

    /// Saves items.
    ///
    /// # Panics
    /// If they are not taken.
    pub async fn save(&self, items: Value) {
        self.try_save(items).await.expect(204);
    }

    /// Saves one value, without any option.
    pub async fn put(&self, key: &str, value: impl Into<Value>) {
        self.save(json!([{ "key": key, "value": value.into() }])).await;
    }

    /// Reads a key, whatever is there.
    pub async fn try_get(&self, key: &str) -> Reply {
        send(self.request(Method::GET, &[key])).await
    }

    /// Returns a value.
    ///
    /// # Panics
    /// If there is none.
    pub async fn get(&self, key: &str) -> Value {
        self.try_get(key).await.expect(200)
    }

    /// Tells that there is nothing under a key.
    ///
    /// # Panics
    /// If there is.
    pub async fn expect_absent(&self, key: &str) {
        let reply = self.try_get(key).await;
        assert_eq!((reply.status, reply.bytes.len()), (204, 0), "{key}: {}", reply.text());
        assert_eq!(reply.header("etag"), None);
    }

    /// Returns the ETag of a value.
    ///
    /// # Panics
    /// If there is none.
    pub async fn etag(&self, key: &str) -> String {
        self.try_get(key).await.header("etag").expect("an ETag").to_owned()
    }

    /// Deletes a key, if it has this ETag where one is given.
    pub async fn try_delete(&self, key: &str, etag: Option<&str>) -> Reply {
        let mut request = self.request(Method::DELETE, &[key]);
        if let Some(etag) = etag {
            request = request.header("if-match", etag);
        }
        send(request).await
    }

    /// Deletes a key.
    ///
    /// # Panics
    /// If that is refused.
    pub async fn delete(&self, key: &str) {
        self.try_delete(key, None).await.expect(204);
    }

    /// Reads several keys.
    ///
    /// # Panics
    /// If that is refused.
    pub async fn bulk(&self, keys: &[&str]) -> Value {
        let body = json!({ "keys": keys });
        send(self.request(Method::POST, &["bulk"]).json(&body)).await.expect(200)
    }

    /// Asks for a transaction of these operations.
    pub async fn transact(&self, operations: Value) -> Reply {
        let body = json!({ "operations": operations, "metadata": {} });
        send(self.request(Method::POST, &["transaction"]).json(&body)).await
    }

    /// Asks for what a query finds.
    pub async fn query(&self, query: &Value) -> Reply {
        let path = ["v1.0-alpha1", "state", &self.name, "query"];
        send(self.api.request(Method::POST, &path).json(query)).await
    }

    /// Sends this body to be saved.
    pub async fn save_text(&self, body: &str) -> Reply {
        send(self.request(Method::POST, &[]).body(body.to_owned())).await
    }
}

/// An operation of a transaction that writes a value.
pub fn upsert(key: &str, value: impl Into<Value>) -> Value {
    json!({ "operation": "upsert", "request": { "key": key, "value": value.into() } })
}

/// An operation of a transaction that deletes one.
pub fn delete(key: &str) -> Value {
    json!({ "operation": "delete", "request": { "key": key } })
}

/// Checks the shape of a refusal, and returns its message.
///
/// # Panics
/// If it is another.
#[track_caller]
pub fn refused(reply: &Reply, status: u16, code: &str) -> String {
    let body = reply.expect(status);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(body["errorCode"], code, "{body}");
    body["message"].as_str().expect("a message").to_owned()
}

/// A directory of component files. Dropping it removes it.
#[derive(Debug)]
pub struct ComponentFiles(TempDir);

impl ComponentFiles {
    /// Writes files, each with its name.
    ///
    /// # Panics
    /// If they cannot be written.
    #[expect(clippy::disallowed_methods, reason = "the harness sets up what the server reads")]
    pub fn write(files: &[(&str, &str)]) -> Self {
        let directory = TempDir::with_prefix("everlog-components-").expect("a directory");
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).expect("a file");
        }
        Self(directory)
    }

    /// Returns its path.
    ///
    /// # Panics
    /// If that is no UTF-8.
    pub fn path(&self) -> &str {
        self.0.path().to_str().expect("UTF-8")
    }
}

/// Returns the text of a file that sets up one store.
pub fn component_file(name: &str, kind: &str, metadata: &[(&str, &str)]) -> String {
    let metadata: String = metadata
        .iter()
        .map(|(name, value)| format!("    - {{name: {name}, value: \"{value}\"}}\n"))
        .collect();
    format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: {name}\nspec:\n  \
         type: {kind}\n  version: v1\n  metadata:\n{metadata}"
    )
}
