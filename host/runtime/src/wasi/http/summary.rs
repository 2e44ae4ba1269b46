//! What an entry says of an HTTP exchange, for people who read the log.

use bincode::Decode;
use everlog_oplog::Payload;
use everlog_oplog::payload::Excerpt;

use super::outcome::{
    BLOCKING_READ, BodyRead, HANDLE, Outcome, READ, RequestLine, TRAILERS, Trailers,
};
use crate::durable::decode_bytes;

/// An entry about an HTTP exchange; what it does not say is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpSummary {
    /// The method of the request.
    pub method: Option<String>,
    /// Where it went.
    pub url: Option<String>,
    /// The status of the response.
    pub status: Option<u16>,
    /// Why there is no response, or no rest of it.
    pub error: Option<String>,
    /// Bytes of the body that were read.
    pub bytes: Option<u64>,
    /// Whether the guest dropped the request without looking at its outcome.
    pub dropped: bool,
    /// Whether the body was read to its end.
    pub ended: bool,
}

impl HttpSummary {
    /// What a call's or a begin's entry says; `None` where it is about something else, or can't be read.
    #[must_use]
    pub fn of(
        function: &str,
        request: Option<&Excerpt>,
        outcome: Option<&Payload>,
    ) -> Option<Self> {
        let mut summary = Self::default();
        match function {
            HANDLE => {
                // A begin has more behind the line, which may be cut off.
                let line: RequestLine = decode_bytes(&request?.bytes)?;
                summary.method = Some(line.method);
                summary.url = Some(line.uri);
                if let Some(outcome) = outcome {
                    summary.add_outcome(decode(outcome)?);
                }
            }
            READ | BLOCKING_READ => summary.add_read(decode(outcome?)?),
            TRAILERS => match decode::<Option<Trailers>>(outcome?)? {
                Some(Trailers::Failed(failure)) => summary.error = Some(failure.to_string()),
                Some(Trailers::Came(_)) => summary.ended = true,
                None => {}
            },
            _ => return None,
        }
        Some(summary)
    }

    fn add_outcome(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Response(head) => self.status = Some(head.status),
            Outcome::Failed(failure) => self.error = Some(failure.to_string()),
            Outcome::Dropped => self.dropped = true,
        }
    }

    fn add_read(&mut self, read: BodyRead) {
        match read {
            BodyRead::Bytes(bytes) => self.bytes = Some(bytes.len() as u64),
            BodyRead::End(_) => self.ended = true,
            BodyRead::Failed(failure) => self.error = Some(failure.to_string()),
        }
    }
}

fn decode<T: Decode<()>>(payload: &Payload) -> Option<T> {
    match payload {
        Payload::Inline(bytes) => decode_bytes(bytes),
        Payload::Blob { .. } => None,
    }
}
