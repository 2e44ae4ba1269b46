//! A log as the beginning of another worker's.
//!
//! A copy is written anew, entry by entry, since checksums belong to a worker and its place in a
//! log. What entries refer to by content (blobs) is shared.

use crate::codec::Codec;
use crate::entry::{Entry, EntryKind, WorkerId};
use crate::index::{Index, Timestamp};
use crate::journal::{Entries, JumpError, RecordedBatch, RecoverError};
use crate::status::Status;

/// How often a log may be copied from a copy.
pub const ORIGINS_MAX: usize = 64;

/// Why a log cannot be copied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// It cannot end there.
    #[error(transparent)]
    Refused(#[from] JumpError),
    /// It is a copy of a copy of a copy.
    #[error("it was forked from fork to fork {ORIGINS_MAX} times, and not once more")]
    TooManyOrigins,
    /// It is damaged.
    #[error(transparent)]
    Log(#[from] RecoverError),
}

/// The worker that gets a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heir<'a> {
    /// What seeds the checksums of its log.
    pub identity: &'a [u8],
    /// What it is called.
    pub worker: WorkerId,
}

/// A log that is to be stored for a worker that has none.
#[derive(Clone, Debug, PartialEq)]
pub struct CopiedLog {
    /// All its frames; the first is that of entry 1.
    pub bytes: Vec<u8>,
    /// Its last entry.
    pub last: Index,
    /// What follows from it.
    pub status: Status,
}

/// Copies the entries up to `at` of the log of the worker that `identity` names, and says so in one
/// more entry, unless it is the same worker that gets them back. The whole source is checked first.
///
/// # Errors
/// A [`CopyError`] where the source is damaged, or `at` is not part of its history.
pub fn copy_log(
    identity: &[u8],
    log: &[RecordedBatch],
    at: Option<Index>,
    heir: &Heir<'_>,
    now: Timestamp,
) -> Result<CopiedLog, CopyError> {
    let source = Codec::new(identity);
    let status = Status::fold::<_, RecoverError>(|| Entries::of(&source, log))?;
    let at = at.unwrap_or(status.last_index);
    if at < status.last_index {
        status.check_history(at)?;
    } else if status.last_index < at {
        return Err(JumpError::Future { to: at, last: status.last_index }.into());
    }
    let origin = status.create.worker;
    if status.origins.len() >= ORIGINS_MAX {
        return Err(CopyError::TooManyOrigins);
    }
    let target = Codec::new(heir.identity);
    let mut bytes = Vec::new();
    for decoded in Entries::of(&source, log) {
        let mut decoded = decoded?;
        if at < decoded.index {
            break;
        }
        if let EntryKind::Create(create) = &mut decoded.entry.kind {
            create.worker = heir.worker.clone();
            create.ephemeral = false;
        }
        target.encode(decoded.index, &decoded.entry, &mut bytes);
    }
    let mut last = at;
    if origin != heir.worker {
        last = at.next();
        let entry = Entry { timestamp: now, kind: EntryKind::Forked { source: origin, at } };
        target.encode(last, &entry, &mut bytes);
    }
    let copy = [RecordedBatch { first: Index::FIRST, bytes }];
    let status = Status::fold::<_, RecoverError>(|| Entries::of(&target, &copy))?;
    let [RecordedBatch { bytes, .. }] = copy;
    Ok(CopiedLog { bytes, last, status })
}
