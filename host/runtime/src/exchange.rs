//! An HTTP request that a worker answers, and its answer, as the log has them.
//!
//! They are WIT values like other arguments and results, so that a log shows them and replay compares them. What the
//! guest sees are the resources of `wasi:http`, made from them.

use crate::value::{Value, ValueError};

/// The largest body of an answer, in bytes. Replay compares answers, so it is part of the log's format.
pub const MAX_RESPONSE_BYTES: u64 = 16 << 20;

/// Names and values of headers, in order.
pub type Headers = Vec<(String, Vec<u8>)>;

/// A request, with its body whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// Such as `GET`.
    pub method: String,
    /// `http` or `https`.
    pub scheme: String,
    /// Host and port as the client named them.
    pub authority: String,
    /// What the guest sees as its path, percent-encoded as the client sent it, with the query.
    pub path_with_query: String,
    /// Its headers.
    pub headers: Headers,
    /// Its body.
    pub body: Vec<u8>,
}

/// An answer, with its body whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// Its headers.
    pub headers: Headers,
    /// Its body.
    pub body: Vec<u8>,
    /// What comes after the body.
    pub trailers: Headers,
}

impl HttpRequest {
    /// As the one argument of an invocation.
    #[must_use]
    pub fn to_arguments(&self) -> Vec<Value> {
        vec![record([
            ("method", Value::String(self.method.clone())),
            ("scheme", Value::String(self.scheme.clone())),
            ("authority", Value::String(self.authority.clone())),
            ("path-with-query", Value::String(self.path_with_query.clone())),
            ("headers", headers_value(&self.headers)),
            ("body", bytes_value(&self.body)),
        ])]
    }

    /// What makes it the same request when it is sent again: everything but the headers, of which many differ each
    /// time.
    #[must_use]
    pub(crate) fn identity(arguments: &[Value]) -> Vec<Value> {
        let [Value::Record(fields)] = arguments else { return Vec::new() };
        let fields = fields.iter().filter(|(name, _)| name != "headers");
        fields.map(|(_, value)| value.clone()).collect()
    }

    /// # Errors
    /// Arguments that are no request.
    pub(crate) fn of_arguments(arguments: &[Value]) -> Result<Self, ValueError> {
        let read = || {
            let [Value::Record(fields)] = arguments else { return None };
            let field = |name: &str| fields.iter().find(|(field, _)| field == name).map(|f| &f.1);
            Some(Self {
                method: text_of(field("method")?)?,
                scheme: text_of(field("scheme")?)?,
                authority: text_of(field("authority")?)?,
                path_with_query: text_of(field("path-with-query")?)?,
                headers: headers_of(field("headers")?)?,
                body: bytes_of(field("body")?)?,
            })
        };
        read().ok_or_else(|| ValueError::mismatch("an HTTP request", "other arguments"))
    }
}

impl HttpResponse {
    /// As the `ok` of an invocation's result.
    pub(crate) fn to_value(&self) -> Value {
        record([
            ("status", Value::U16(self.status)),
            ("headers", headers_value(&self.headers)),
            ("body", bytes_value(&self.body)),
            ("trailers", headers_value(&self.trailers)),
        ])
    }

    /// The answer that an invocation's result holds.
    ///
    /// # Errors
    /// Why the guest gave none.
    pub fn of_result(result: Option<&Value>) -> Result<Self, String> {
        match result {
            Some(Value::Result(Ok(Some(value)))) => Self::of_value(value)
                .ok_or_else(|| "what is recorded is no HTTP response".to_owned()),
            Some(Value::Result(Err(Some(reason)))) => {
                Err(text_of(reason).unwrap_or_else(|| "no reason is recorded".to_owned()))
            }
            _ => Err("what is recorded is no HTTP response".to_owned()),
        }
    }

    fn of_value(value: &Value) -> Option<Self> {
        let Value::Record(fields) = value else { return None };
        let field = |name: &str| fields.iter().find(|(field, _)| field == name).map(|f| &f.1);
        let Value::U16(status) = field("status")? else { return None };
        Some(Self {
            status: *status,
            headers: headers_of(field("headers")?)?,
            body: bytes_of(field("body")?)?,
            trailers: headers_of(field("trailers")?)?,
        })
    }
}

/// An answer, or why there is none, as the result of an invocation.
pub(crate) fn result_value(answer: Result<HttpResponse, String>) -> Value {
    let boxed = |value| Some(Box::new(value));
    Value::Result(match answer {
        Ok(response) => Ok(boxed(response.to_value())),
        Err(reason) => Err(boxed(Value::String(reason))),
    })
}

fn record<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Record(fields.map(|(name, value)| (name.to_owned(), value)).into())
}

fn headers_value(headers: &Headers) -> Value {
    let pair = |(name, value): &(String, Vec<u8>)| {
        Value::Tuple(vec![Value::String(name.clone()), bytes_value(value)])
    };
    Value::List(headers.iter().map(pair).collect())
}

fn headers_of(value: &Value) -> Option<Headers> {
    let Value::List(pairs) = value else { return None };
    let pair = |pair: &Value| match pair {
        Value::Tuple(parts) => match parts.as_slice() {
            [name, value] => Some((text_of(name)?, bytes_of(value)?)),
            _ => None,
        },
        _ => None,
    };
    pairs.iter().map(pair).collect()
}

/// Text where it is one, so that people can read it in the log.
fn bytes_value(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::String(text.to_owned()),
        Err(_) => Value::Bytes(bytes.to_vec()),
    }
}

fn bytes_of(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Bytes(bytes) => Some(bytes.clone()),
        _ => None,
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> HttpRequest {
        HttpRequest {
            method: "PROPFIND".to_owned(),
            scheme: "http".to_owned(),
            authority: "localhost:7070".to_owned(),
            path_with_query: "/a%2Fb?c".to_owned(),
            headers: vec![("x".to_owned(), vec![255]), ("y".to_owned(), b"1".to_vec())],
            body: vec![0, 159, 146, 150],
        }
    }

    #[test]
    fn a_request_comes_back_from_its_arguments() {
        assert_eq!(HttpRequest::of_arguments(&request().to_arguments()).unwrap(), request());
        assert!(HttpRequest::of_arguments(&[]).is_err());
        assert!(HttpRequest::of_arguments(&[Value::U8(1)]).is_err());
    }

    #[test]
    fn headers_do_not_make_it_another_request() {
        let identity = |request: &HttpRequest| HttpRequest::identity(&request.to_arguments());
        let again = HttpRequest { headers: Vec::new(), ..request() };
        assert_eq!(identity(&again), identity(&request()));
        let other = HttpRequest { body: Vec::new(), ..request() };
        assert_ne!(identity(&other), identity(&request()));
    }

    #[test]
    fn an_answer_comes_back_from_its_result() {
        let response = HttpResponse {
            status: 201,
            headers: vec![("location".to_owned(), b"/1".to_vec())],
            body: b"made".to_vec(),
            trailers: vec![("checksum".to_owned(), b"7".to_vec())],
        };
        let value = result_value(Ok(response.clone()));
        assert_eq!(HttpResponse::of_result(Some(&value)), Ok(response));
        let value = result_value(Err("no answer".to_owned()));
        assert_eq!(HttpResponse::of_result(Some(&value)), Err("no answer".to_owned()));
        assert!(HttpResponse::of_result(None).is_err());
    }
}
