//! Promises of a worker, and its past, as the tests complete and change them.

use reqwest::Method;
use serde_json::Value;

use crate::api::send;
use crate::reply::Reply;
use crate::wait;
use crate::worker::Worker;

impl Worker {
    /// Completes the promise that the entry `index` made, and returns the answer, whatever it is.
    pub async fn complete(&self, index: &Value, data: &[u8]) -> Reply {
        let request = self.promise_request(Method::POST, &index.to_string(), &["complete"]);
        send(request.body(data.to_vec())).await
    }

    /// Completes a promise, and returns whether this was the first completion.
    pub async fn completes(&self, index: &Value, data: &str) -> Value {
        self.complete(index, data.as_bytes()).await.expect(200)["completed"].clone()
    }

    /// Asks how a promise stands, and returns the answer, whatever it is.
    pub async fn promise(&self, index: &Value) -> Reply {
        send(self.promise_request(Method::GET, &index.to_string(), &[])).await
    }

    /// Waits until the worker has made a promise, and returns its index.
    pub async fn made_promise(&self) -> Value {
        wait::until("a promise is made", async || {
            let reply = send(self.request(Method::GET, &["oplog"])).await;
            if reply.status == 404 {
                return None;
            }
            let mut entries = self.oplog_of_type("promise-created").await;
            entries.pop().map(|entry| entry["index"].clone())
        })
        .await
    }

    /// Takes the worker back, as in `{"toIndex": 3}`.
    pub async fn revert(&self, to: Value) -> Reply {
        send(self.request(Method::POST, &["revert"]).json(&to)).await
    }

    /// Forks the worker, as in `{"worker": "new", "atIndex": 3}`.
    pub async fn fork(&self, wanted: Value) -> Reply {
        send(self.request(Method::POST, &["fork"]).json(&wanted)).await
    }
}
