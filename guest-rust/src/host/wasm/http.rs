//! `wasi:http`, through `wstd`.

use wstd::http::{Body, Client, Request, Response};

use crate::http::{self, Error};

pub(crate) async fn send(request: http::Request) -> Result<http::Response, Error> {
    let mut client = Client::new();
    if let Some(timeout) = request.timeout {
        client.set_connect_timeout(timeout);
        client.set_first_byte_timeout(timeout);
        client.set_between_bytes_timeout(timeout);
    }
    let response = client.send(outgoing(request)?).await.map_err(|error| broken(&error))?;
    incoming(response).await
}

fn outgoing(request: http::Request) -> Result<Request<Body>, Error> {
    let mut outgoing = Request::builder().method(request.method.as_str()).uri(request.url);
    let is_length = |name: &str| name.eq_ignore_ascii_case("content-length");
    // Without a length the body would go out in chunks, which not every service reads.
    if !request.body.is_empty() && !request.headers.iter().any(|(name, _)| is_length(name)) {
        outgoing = outgoing.header("content-length", request.body.len());
    }
    for (name, value) in request.headers {
        outgoing = outgoing.header(name, value);
    }
    let outgoing = outgoing.body(Body::from(request.body));
    outgoing.map_err(|error| Error::Request(error.to_string()))
}

async fn incoming(response: Response<Body>) -> Result<http::Response, Error> {
    let status = response.status().as_u16();
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
        .collect();
    let mut body = response.into_body();
    let body = body.contents().await.map_err(|error| broken(&error))?.to_vec();
    Ok(http::Response { status, headers, body })
}

/// The whole chain of causes in one line.
fn broken(error: &wstd::http::Error) -> Error {
    Error::Connection(format!("{error:#}"))
}
