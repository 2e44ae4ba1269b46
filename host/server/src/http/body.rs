//! Request bodies: media types, sizes, and how long they may take to arrive.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use futures::TryFutureExt;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Bytes};

use super::problem::{Code, Problem};
use crate::units::format_size;

/// The longest pause between two pieces of a body.
const PAUSE_LIMIT: Duration = Duration::from_secs(30);

/// What is read and thrown away of a body that is too large, in bytes: a client that is still
/// sending when the connection closes would not see the answer. Beyond it, it may not.
const MAX_DISCARDED_BYTES: usize = 16 << 20;

/// The two languages in which arguments and results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Json,
    Wave,
}

/// The media type of WAVE.
pub(super) const WAVE: &str = "application/wave";

/// What language the body is in: JSON unless it says WAVE.
///
/// `application/x-www-form-urlencoded` counts as JSON because curl's `-d` says so of anything.
///
/// # Errors
/// A problem for a type that is neither.
pub(super) fn body_language(headers: &HeaderMap) -> Result<Language, Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(Language::Json) };
    let text = value.to_str().unwrap_or("?");
    let essence = text.split(';').next().unwrap_or(text).trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" | "application/x-www-form-urlencoded" | "text/json" | "" => {
            Ok(Language::Json)
        }
        json if json.starts_with("application/") && json.ends_with("+json") => Ok(Language::Json),
        WAVE => Ok(Language::Wave),
        _ => Err(Problem::new(
            Code::UnsupportedMediaType,
            format!("the body is {text}; this route takes application/json and {WAVE}"),
        )),
    }
}

/// What language the answer is wanted in: JSON unless WAVE is named.
pub(super) fn answer_language(headers: &HeaderMap) -> Language {
    let accepts =
        |value: &header::HeaderValue| value.to_str().is_ok_and(|text| text.contains(WAVE));
    if headers.get_all(header::ACCEPT).iter().any(accepts) {
        Language::Wave
    } else {
        Language::Json
    }
}

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// [`Code::BodyTooLarge`], [`Code::RequestTimeout`], or [`Code::InvalidRequest`] if the client went
/// away in the middle of it.
pub(super) async fn read_body(mut body: Body, limit: usize) -> Result<Bytes, Problem> {
    match read_within(&mut body, limit).await {
        Err(problem) if problem.code() == Code::BodyTooLarge => {
            discard(body).await;
            Err(problem)
        }
        read => read,
    }
}

async fn read_within(body: &mut Body, limit: usize) -> Result<Bytes, Problem> {
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large(limit));
    }
    // Nearly every body is one piece, which needs no copy.
    let Some(first) = next_piece(body).await? else { return Ok(Bytes::new()) };
    if first.len() > limit {
        return Err(too_large(limit));
    }
    let Some(second) = next_piece(body).await? else { return Ok(first) };
    let mut whole = first.to_vec();
    let mut piece = Some(second);
    while let Some(bytes) = piece {
        if whole.len() + bytes.len() > limit {
            return Err(too_large(limit));
        }
        whole.extend_from_slice(&bytes);
        piece = next_piece(body).await?;
    }
    Ok(whole.into())
}

/// Reads what is left of a body that was refused, up to a limit, so that its client sees why.
pub(super) async fn discard(mut body: Body) {
    let mut discarded = 0;
    while let Ok(Some(piece)) = next_piece(&mut body).await {
        discarded += piece.len();
        if discarded > MAX_DISCARDED_BYTES {
            return;
        }
    }
}

/// The next piece of a body that is read as it comes.
///
/// # Errors
/// [`Code::RequestTimeout`], or [`Code::InvalidRequest`] if the client went away in the middle of it.
pub(super) async fn next_piece(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    loop {
        if body.is_end_stream() {
            return Ok(None);
        }
        let frame = tokio::time::timeout(PAUSE_LIMIT, body.frame()).map_err(|_| paused()).await?;
        match frame {
            None => return Ok(None),
            Some(Err(error)) => {
                let detail = format!("the body ended early: {error}");
                return Err(Problem::new(Code::InvalidRequest, detail));
            }
            Some(Ok(frame)) => match frame.into_data() {
                Ok(bytes) => return Ok(Some(bytes)),
                Err(_trailers) => {}
            },
        }
    }
}

fn paused() -> Problem {
    let limit = PAUSE_LIMIT.as_secs();
    Problem::new(Code::RequestTimeout, format!("no piece of the body arrived for {limit} seconds"))
}

fn too_large(limit: usize) -> Problem {
    let limit = format_size(limit as u64);
    Problem::new(
        Code::BodyTooLarge,
        format!("the body has more than {limit}, the limit of this route"),
    )
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn pieces(pieces: &[&'static str]) -> Body {
        let pieces: Vec<Result<_, std::io::Error>> =
            pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect();
        Body::from_stream(stream::iter(pieces))
    }

    #[tokio::test]
    async fn a_body_is_whole_or_refused() {
        assert_eq!(read_body(Body::empty(), 0).await.expect("fits"), "");
        assert_eq!(read_body(Body::from("abc"), 3).await.expect("fits"), "abc");
        assert_eq!(read_body(pieces(&["a", "", "bc"]), 3).await.expect("fits"), "abc");
        for body in [Body::from("abcd"), pieces(&["abcd"]), pieces(&["ab", "cd"])] {
            let problem = read_body(body, 3).await.expect_err("too large");
            assert_eq!(problem.code(), Code::BodyTooLarge);
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_no_body() {
        let broken =
            stream::iter([Ok(Bytes::from_static(b"a")), Err(std::io::Error::other("reset"))]);
        let problem = read_body(Body::from_stream(broken), 3).await.expect_err("broken");
        assert_eq!(problem.code(), Code::InvalidRequest);
    }

    #[test]
    fn languages_are_told_by_media_type() {
        let language = |text: &'static str| {
            let headers =
                HeaderMap::from_iter([(header::CONTENT_TYPE, text.parse().expect("a value"))]);
            body_language(&headers)
        };
        assert_eq!(body_language(&HeaderMap::new()).expect("taken"), Language::Json);
        for json in ["application/json; charset=utf-8", "APPLICATION/JSON", "application/x+json"] {
            assert_eq!(language(json).expect("taken"), Language::Json);
        }
        assert_eq!(language("application/wave").expect("taken"), Language::Wave);
        for other in ["text/html", "multipart/form-data; boundary=x", "application/xml"] {
            assert_eq!(language(other).expect_err("refused").code(), Code::UnsupportedMediaType);
        }
    }
}
