//! The world outside of everlog: an HTTP server in the test itself, which counts what reaches it and
//! does what the path says.
//!
//! | path | answer |
//! | --- | --- |
//! | `/echo…` | the method, the path and the body as text |
//! | `/status/N` | status `N` |
//! | `/held/NAME` | as `/echo`, as soon as [`Outside::allow`] lets one of `NAME` through |
//! | `/slow/NAME/N` | `N` pieces, each as soon as it is allowed |
//! | `/changing/NAME/N` | the same, with other pieces each time |
//! | `/bytes/N` | `N` bytes |
//! | `/trailers` | a body with a trailer |
//! | `/large-head` | a header of 100,000 bytes |
//! | `/broken-head` | nothing: the connection closes |
//! | `/broken-body` | two pieces, then the connection closes |
//! | `/silent-body` | one piece, then silence |

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{StreamExt as _, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::wait;

/// A request as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub path: String,
    /// Its headers, in their order.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

impl Received {
    /// Returns a header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct Outside {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    received: Mutex<Vec<Received>>,
    allowed: Mutex<BTreeMap<String, Arc<Semaphore>>>,
    connections: Mutex<usize>,
}

type Answer = Response<UnsyncBoxBody<Bytes, Broken>>;

/// Why the server breaks a connection on purpose.
#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("broken on purpose")
    }
}

impl std::error::Error for Broken {}

impl Outside {
    /// Starts a server on a free port.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let state = Arc::<State>::default();
        let task = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { address, state, task }
    }

    /// Returns the address as a URL has it.
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// Returns the URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns what was received so far.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.state.received).clone()
    }

    /// Returns how many requests for a path were received so far.
    pub fn count(&self, path: &str) -> usize {
        self.received().iter().filter(|received| received.path == path).count()
    }

    /// Returns how many connections were accepted so far.
    pub fn connections(&self) -> usize {
        *lock(&self.state.connections)
    }

    /// Waits until so many requests for a path were received.
    pub async fn has_received(&self, path: &str, count: usize) {
        wait::until(&format!("{count} requests for {path}"), async || {
            (self.count(path) >= count).then_some(())
        })
        .await;
    }

    /// Lets `count` more responses or pieces of `name` through.
    pub fn allow(&self, name: &str, count: usize) {
        self.state.allowed(name).add_permits(count);
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    fn allowed(&self, name: &str) -> Arc<Semaphore> {
        let mut allowed = lock(&self.allowed);
        Arc::clone(allowed.entry(name.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(0))))
    }

    async fn wait_for(&self, name: &str) {
        if let Ok(permit) = self.allowed(name).acquire().await {
            permit.forget();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        *lock(&state.connections) += 1;
        let _ = stream.set_nodelay(true);
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let answer = service_fn(|request| answer(Arc::clone(&state), request));
            // The connections that break do so on purpose.
            let _ = hyper::server::conn::http1::Builder::new()
                .auto_date_header(false)
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Answer, Broken> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let received = Received {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let turn = {
        let mut all = lock(&state.received);
        all.push(received.clone());
        all.iter().filter(|other| other.path == received.path).count()
    };
    act(state, &received, turn).await
}

async fn act(state: Arc<State>, received: &Received, turn: usize) -> Result<Answer, Broken> {
    let steps: Vec<&str> = received.path.split('/').skip(1).collect();
    let number = |text: &str| text.parse::<usize>().unwrap_or_default();
    match steps[..] {
        ["held", name] => {
            state.wait_for(name).await;
            Ok(echo(received))
        }
        ["status", status] => {
            let mut answer = echo(received);
            *answer.status_mut() = StatusCode::from_bytes(status.as_bytes()).unwrap_or_default();
            Ok(answer)
        }
        ["slow", name, pieces] => Ok(slow(state, name.to_owned(), number(pieces), 0)),
        ["changing", name, pieces] => Ok(slow(state, name.to_owned(), number(pieces), turn)),
        ["bytes", count] => Ok(full("b".repeat(number(count)))),
        ["trailers"] => {
            let mut trailers = HeaderMap::new();
            trailers.insert("x-checksum", HeaderValue::from_static("42"));
            let frames = [Ok(Frame::data(Bytes::from("body"))), Ok(Frame::trailers(trailers))];
            let mut answer = Response::new(StreamBody::new(stream::iter(frames)).boxed_unsync());
            answer.headers_mut().insert("trailer", HeaderValue::from_static("x-checksum"));
            Ok(answer)
        }
        ["large-head"] => {
            let mut answer = echo(received);
            let long = HeaderValue::from_str(&"h".repeat(100_000)).map_err(|_| Broken)?;
            answer.headers_mut().insert("x-long", long);
            Ok(answer)
        }
        ["broken-head"] => Err(Broken),
        ["broken-body"] => {
            let pieces = [piece("one "), piece("two "), Err(Broken)];
            Ok(Response::new(StreamBody::new(stream::iter(pieces).then(soon)).boxed_unsync()))
        }
        ["silent-body"] => {
            let frames = stream::iter([piece("one ")]).chain(stream::pending());
            Ok(Response::new(StreamBody::new(frames).boxed_unsync()))
        }
        _ => Ok(echo(received)),
    }
}

/// Hands a piece over after the ones before it had a chance to leave.
async fn soon<T>(piece: T) -> T {
    tokio::task::yield_now().await;
    piece
}

fn piece(text: &str) -> Result<Frame<Bytes>, Broken> {
    Ok(Frame::data(Bytes::from(text.to_owned())))
}

fn echo(received: &Received) -> Answer {
    let Received { method, path, body, .. } = received;
    full(format!("{method} {path} {body}"))
}

fn full(text: String) -> Answer {
    let body = Full::new(Bytes::from(text)).map_err(|never: Infallible| match never {});
    Response::new(body.boxed_unsync())
}

/// A body of pieces, each of which waits until it is allowed. They differ from turn to turn unless
/// `turn` is 0.
fn slow(state: Arc<State>, name: String, pieces: usize, turn: usize) -> Answer {
    let frames = stream::iter(0..pieces).then(move |number| {
        let (state, name) = (Arc::clone(&state), name.clone());
        async move {
            state.wait_for(&name).await;
            piece(&format!("{name}-{turn}-{number} "))
        }
    });
    Response::new(StreamBody::new(frames).boxed_unsync())
}
