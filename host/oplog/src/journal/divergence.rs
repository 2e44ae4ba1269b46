//! Replay asked for something other than what is recorded.

use std::fmt::Write;

use super::recover::UncertainWrite;
use crate::codec::CodecError;
use crate::entry::EntryKind;
use crate::index::Index;
use crate::payload::{Excerpt, Payload};

/// The most of a request or a result that a report shows, in bytes.
const SHOWN_MAX_BYTES: usize = 120;

/// Replay asked for something other than what is recorded. Nothing was written, and the journal
/// answers everything with this report from now on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "replay diverged at entry {index}: recorded is {recorded}, but the component asks for {asked}. \
     Nothing was lost or written. Update the worker to a component version that fits its log, \
     revert it to an entry before {index}, or fork it there"
)]
pub struct Divergence {
    /// The entry that was not met.
    pub index: Index,
    /// What is recorded there.
    pub recorded: String,
    /// What the component asked for.
    pub asked: String,
}

/// Says that the log cannot be decoded although its checksums were right when it was opened.
pub(super) fn unreadable(error: &CodecError) -> Divergence {
    Divergence {
        index: error.index,
        recorded: format!("something unreadable ({})", error.problem),
        asked: "the next entry".to_owned(),
    }
}

/// Says that the guest went on although a write before it may or may not have happened.
pub(super) fn past_uncertain_write(write: &UncertainWrite) -> Divergence {
    Divergence {
        index: write.index,
        recorded: write.to_string(),
        asked: "what comes after it".to_owned(),
    }
}

/// Says that a rehearsal went beyond the history, which ends before `index`.
pub(super) fn beyond_rehearsal(index: Index) -> Divergence {
    Divergence {
        index,
        recorded: "the end of the history".to_owned(),
        asked: "what comes after it".to_owned(),
    }
}

/// Says that a check came to a call that is made again in every replay.
pub(super) fn unchecked(index: Index, call: String) -> Divergence {
    Divergence {
        index,
        recorded: "nothing, since the guest chose to persist nothing, so that it is made again in \
                   every replay; a check must not make it"
            .to_owned(),
        asked: call,
    }
}

/// Says that the journal's owner went on using it after going back in the history.
pub(super) fn spent(index: Index) -> Divergence {
    Divergence {
        index,
        recorded: "a return to an earlier entry, from which the worker has to be recovered".into(),
        asked: "what comes after it without a recovery".to_owned(),
    }
}

/// A replayed entry in the words of a report.
pub(super) fn describe(kind: &EntryKind) -> String {
    match kind {
        EntryKind::InvocationStarted { key, function, .. } => {
            format!("the start of invocation `{key}` of `{function}`")
        }
        EntryKind::InvocationCompleted { result, .. } => {
            format!("the end of the invocation with {}", describe_payload("result", result))
        }
        EntryKind::HostCall { function, fingerprint, request, begin, .. } => {
            let call = describe_call(function.as_str(), *fingerprint, request.as_ref());
            match begin {
                // A report on equal calls would say nothing without it.
                Some(begin) => format!("{call}, begun at entry {begin}"),
                None => call,
            }
        }
        EntryKind::WriteBegin { function, fingerprint, request, .. } => {
            format!(
                "the begin of {}",
                describe_call(function.as_str(), *fingerprint, Some(request))
            )
        }
        EntryKind::NoOp => "a mark (`get-oplog-index`)".to_owned(),
        EntryKind::AtomicBegin => "the begin of an atomic region".to_owned(),
        EntryKind::AtomicEnd { begin } => {
            format!("the end of the atomic region that began at entry {begin}")
        }
        EntryKind::SetPersistenceLevel(level) => format!("the persistence level {level:?}"),
        EntryKind::SetIdempotence(idempotence) => format!("the idempotence mode {idempotence}"),
        EntryKind::SetRetryPolicy(policy) => format!("the retry policy {policy:?}"),
        EntryKind::PromiseCreated => "the creation of a promise".to_owned(),
        EntryKind::PromiseDeleted { promise } => format!("the deletion of promise {promise}"),
        other => format!("`{}`", other.name()),
    }
}

fn describe_call(function: &str, fingerprint: u64, request: Option<&Excerpt>) -> String {
    let mut text = format!("a call of `{function}` (request {fingerprint:016x}");
    if let Some(request) = request.filter(|request| request.size > 0) {
        let _ = write!(text, ", {}", show(&request.bytes, request.size));
    }
    text.push(')');
    text
}

fn describe_payload(what: &str, payload: &Payload) -> String {
    match payload {
        Payload::Inline(bytes) => format!("{what} {}", show(bytes, payload.size())),
        Payload::Blob { digest, size } => {
            let head = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
            format!("{what} of {size} bytes (SHA-256 {head:08x}…)")
        }
    }
}

/// The beginning of bytes, readable where they are text.
fn show(bytes: &[u8], size: u64) -> String {
    let shown = &bytes[..bytes.len().min(SHOWN_MAX_BYTES)];
    let more = size - shown.len() as u64;
    let mut text = format!("\"{}\"", shown.escape_ascii());
    if more > 0 {
        let _ = write!(text, " and {more} bytes more");
    }
    text
}
