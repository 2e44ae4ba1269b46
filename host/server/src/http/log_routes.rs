//! What a worker printed: once, or followed as it goes on.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use everlog_runtime::{Entry, Follower, Index, WorkerError, clock};
use futures::{Stream, stream};
use hyper::body::Bytes;

use super::app::App;
use super::encode::LogLine;
use super::names::PathOf;
use super::parameters::{Parameters, invalid};
use super::problem::{Code, Problem};
use super::worker_routes::Named;

/// Entries read at a time.
const CHUNK: usize = 1_000;
/// A stream of events that is silent for so long sends a comment, so that nobody between client and
/// server takes the connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// One JSON object a line.
    Lines,
    /// Server-sent events, each with the index as its id.
    Events,
}

/// `GET …/logs?follow=&from=`; `from` is the index of an entry.
pub(super) async fn read(
    State(app): State<Arc<App>>,
    PathOf((component, worker)): PathOf<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let parameters = Parameters::of(request.uri(), &["follow", "from"])?;
    let follow = parameters.switch("follow")?;
    let format = Format::of(request.headers());
    let from = match parameters.number("from")? {
        Some(0) => return Err(invalid("from", "an index, which are counted from 1", "0")),
        Some(from) => from,
        None => after_last_event(request.headers())?,
    };
    let named = Named::find(&app, &component, worker)?;
    // Before the first read, so that nothing falls between reading and following.
    let follower = follow.then(|| app.runtime.follow(&named.id));
    let last = app.runtime.last_index(&named.id).await.map_err(|error| named.problem(error))?;
    let end = if follow { None } else { Some(last) };
    let reader = Reader { app, named, format, next: Index(from), end, follower };
    let mut response = Response::new(Body::from_stream(reader.into_stream()));
    let media_type = HeaderValue::from_static(format.media_type());
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Where a client that lost its stream of events goes on.
fn after_last_event(headers: &HeaderMap) -> Result<u64, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(1) };
    let index = value.to_str().ok().and_then(|text| text.parse::<u64>().ok());
    let next = index.and_then(|index| index.checked_add(1));
    next.ok_or_else(|| {
        Problem::new(Code::InvalidRequest, "Last-Event-ID is not the index of an entry")
    })
}

impl Format {
    fn of(headers: &HeaderMap) -> Self {
        let accepts = |value: &HeaderValue| {
            value.to_str().is_ok_and(|text| text.contains("text/event-stream"))
        };
        match headers.get_all(header::ACCEPT).iter().any(accepts) {
            true => Self::Events,
            false => Self::Lines,
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::Events => "text/event-stream",
        }
    }

    /// Appends what is sent for an entry: nothing, unless it is a line of the log.
    fn write(self, index: Index, entry: &Entry, out: &mut Vec<u8>) {
        let Some(line) = LogLine::of(index, entry) else { return };
        if self == Self::Events {
            out.extend_from_slice(format!("id: {index}\ndata: ").as_bytes());
        }
        // Texts and numbers are always JSON, and memory takes every byte.
        let _ = serde_json::to_writer(&mut *out, &line);
        out.extend_from_slice(if self == Self::Events { b"\n\n" } else { b"\n" });
    }
}

/// Goes through an oplog and, if it follows, waits for more at its end.
struct Reader {
    app: Arc<App>,
    named: Named,
    format: Format,
    next: Index,
    /// The last entry that is read; `None` to follow for ever.
    end: Option<Index>,
    follower: Option<Follower>,
}

impl Reader {
    fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> {
        stream::try_unfold(self, |mut reader| async move {
            match reader.piece().await {
                Ok(Some(piece)) => Ok(Some((piece, reader))),
                Ok(None) => Ok(None),
                // The head of the answer is out, so breaking the connection is all that is left.
                Err(error) => {
                    tracing::warn!(worker = reader.named.label(), %error, "a log ends early");
                    Err(io::Error::other(error))
                }
            }
        })
    }

    /// The next bytes to be sent; `None` at the end.
    async fn piece(&mut self) -> Result<Option<Bytes>, WorkerError> {
        loop {
            match self.read().await? {
                Some(lines) if !lines.is_empty() => return Ok(Some(lines.into())),
                Some(_) => continue,
                None if self.follower.is_none() => return Ok(None),
                None => {}
            }
            if let Some(comment) = self.wait().await {
                return Ok(Some(comment));
            }
        }
    }

    /// The lines of the next entries, possibly none; `None` where there are no more entries.
    async fn read(&mut self) -> Result<Option<Vec<u8>>, WorkerError> {
        let entries = match self.app.runtime.read_oplog(&self.named.id, self.next, CHUNK).await {
            // Deleted while it was followed: the end, not a failure.
            Err(WorkerError::NotFound { .. }) if self.end.is_none() => Vec::new(),
            entries => entries?,
        };
        let within = |index: Index| self.end.is_none_or(|end| index <= end);
        let mut lines = Vec::new();
        let mut any = false;
        for (index, entry) in entries.iter().filter(|(index, _)| within(*index)) {
            self.format.write(*index, entry, &mut lines);
            self.next = index.next();
            any = true;
        }
        Ok(any.then_some(lines))
    }

    /// Waits for more entries. Returns a comment to be sent where nothing came for a while; drops
    /// the follower where nothing ever will.
    async fn wait(&mut self) -> Option<Bytes> {
        let Some(follower) = &mut self.follower else { return None };
        tokio::select! {
            more = follower.changed() => {
                if !more {
                    self.follower = None;
                }
                None
            }
            () = self.app.stopping.cancelled() => {
                self.follower = None;
                None
            }
            () = clock::pause(HEARTBEAT), if self.format == Format::Events => {
                Some(Bytes::from_static(b": still here\n\n"))
            }
        }
    }
}
