//! The shop of the examples `payment-saga` and `ticket-shop`: an HTTP service that fails now and then, on purpose.
//!
//! Things are ordered by `POST /KIND` and undone by `DELETE /KIND/ID`, KIND being `reservations`,
//! `payments`, `shipments` or `mails`. A request that is sent again under its `Idempotency-Key` gets the
//! same answer and does nothing. Payments above [`CREDIT`] and shipments of a samovar are refused.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The largest payment that is accepted, in cents.
pub const CREDIT: u64 = 10_000;

/// Of so many requests one is answered 503, and nothing is done.
const UNAVAILABLE_EVERY: u64 = 3;

/// Of so many requests one is done, but its answer is lost.
const LOST_EVERY: u64 = 4;

/// A running shop; dropping it closes it.
#[derive(Debug)]
pub struct Shop {
    address: SocketAddr,
    books: Arc<Mutex<Books>>,
    task: JoinHandle<()>,
}

/// What the shop knows.
#[derive(Debug, Default)]
struct Books {
    requests: u64,
    /// Every order that was ever taken, as in `payments/3`.
    taken: Vec<String>,
    open: BTreeSet<String>,
    answers: BTreeMap<String, (StatusCode, Value)>,
    says: bool,
}

impl Shop {
    /// Opens a shop on a port, 0 for any; one that `says` prints what it does.
    ///
    /// # Panics
    /// If the port is taken.
    pub async fn open(port: u16, says: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let books = Arc::new(Mutex::new(Books { says, ..Books::default() }));
        let task = tokio::spawn(accept(listener, Arc::clone(&books)));
        Self { address, books, task }
    }

    /// Returns where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns every order that was ever taken, oldest first.
    pub fn taken(&self) -> Vec<String> {
        lock(&self.books).taken.clone()
    }

    /// Returns the orders that were not undone.
    pub fn standing(&self) -> Vec<String> {
        lock(&self.books).open.iter().cloned().collect()
    }

    /// Returns how many requests it got.
    pub fn requests(&self) -> u64 {
        lock(&self.books).requests
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(books: &Mutex<Books>) -> MutexGuard<'_, Books> {
    books.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, books: Arc<Mutex<Books>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let books = Arc::clone(&books);
        tokio::spawn(async move {
            let serve = service_fn(|request| answer(Arc::clone(&books), request));
            // An error is a connection that the shop broke on purpose.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), serve)
                .await;
        });
    }
}

/// The answer that was lost.
#[derive(Debug)]
struct Lost;

impl std::fmt::Display for Lost {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("lost on purpose")
    }
}

impl std::error::Error for Lost {}

async fn answer(
    books: Arc<Mutex<Books>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Lost> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Lost)?.to_bytes();
    let wish = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let key = head.headers.get("idempotency-key").map(|key| format!("{key:?}"));
    let path = head.uri.path().trim_start_matches('/');
    let (status, text) = lock(&books).answer(&head.method, path, key, &wish)?;
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Full::from(text.to_string())).map_err(|_| Lost)
}

impl Books {
    fn answer(
        &mut self,
        method: &Method,
        path: &str,
        key: Option<String>,
        wish: &Value,
    ) -> Result<(StatusCode, Value), Lost> {
        self.requests += 1;
        let turn = self.requests;
        if turn.is_multiple_of(UNAVAILABLE_EVERY) {
            self.say(&format!("{method} {path}: 503, come back later"));
            return Ok((StatusCode::SERVICE_UNAVAILABLE, json!({"error": "come back later"})));
        }
        let known = key.as_ref().and_then(|key| self.answers.get(key).cloned());
        let again = if known.is_some() { ", again" } else { "" };
        let answer = known.unwrap_or_else(|| self.serve(method, path, wish));
        if let Some(key) = key {
            self.answers.insert(key, answer.clone());
        }
        let is_lost = turn.is_multiple_of(LOST_EVERY);
        let lost = if is_lost { "; the answer is lost" } else { "" };
        self.say(&format!("{method} {path}: {}{again}{lost}", answer.0));
        if is_lost { Err(Lost) } else { Ok(answer) }
    }

    fn serve(&mut self, method: &Method, path: &str, wish: &Value) -> (StatusCode, Value) {
        match (method, path) {
            (&Method::DELETE, order) if self.open.remove(order) => (StatusCode::OK, json!({})),
            (&Method::POST, "payments") if wish["cents"].as_u64() > Some(CREDIT) => {
                (StatusCode::PAYMENT_REQUIRED, json!({"error": "too expensive"}))
            }
            (&Method::POST, "shipments") if wish["item"] == "samovar" => {
                (StatusCode::CONFLICT, json!({"error": "too heavy"}))
            }
            (&Method::POST, "reservations" | "payments" | "shipments" | "mails") => {
                let id = self.taken.len() + 1;
                let order = format!("{path}/{id}");
                self.taken.push(order.clone());
                self.open.insert(order);
                (StatusCode::CREATED, json!({"id": id}))
            }
            _ => (StatusCode::NOT_FOUND, json!({"error": "no such thing"})),
        }
    }

    fn say(&self, what: &str) {
        if self.says {
            println!("{what}");
        }
    }
}
