use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::{Space, WorkerKey};

/// What can go wrong in a store. Cheap to clone, since one failed sync fails every batch that
/// waited for it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// An append does not continue the oplog: somebody else wrote it, or the caller lost count.
    #[error(
        "append to worker {worker} starts at entry {found}, but its oplog continues with entry \
         {expected}; load the worker again"
    )]
    Conflict {
        /// Whose oplog.
        worker: WorkerKey,
        /// The index that comes next.
        expected: u64,
        /// The first index of the append.
        found: u64,
    },

    /// A record does not hold what the batch expects: somebody else wrote it.
    #[error(
        "record {} of space {} {}, but the batch expects {}; read it again",
        key.escape_ascii(),
        space.number(),
        held(found.as_deref()),
        wanted(expected.as_deref())
    )]
    Unexpected {
        /// The record's name space.
        space: Space,
        /// The record's key.
        key: Vec<u8>,
        /// What the batch expects; `None`: no such record.
        expected: Option<Vec<u8>>,
        /// What is stored; `None`: there is no such record.
        found: Option<Vec<u8>>,
    },

    /// The worker belongs to another node.
    #[error(
        "worker {worker} belongs to another node now (session {holder}), which alone may write its \
         oplog; ask that node"
    )]
    Moved {
        /// Whose oplog.
        worker: WorkerKey,
        /// The session of its node, or `nobody`.
        holder: String,
    },

    /// The batch contradicts itself.
    #[error("refused batch: {detail}")]
    InvalidBatch {
        /// What is wrong with it.
        detail: String,
    },

    /// Something is larger than the store takes.
    #[error("{found} {what}, but at most {limit} are allowed")]
    Limit {
        /// What was counted.
        what: &'static str,
        /// The most that is allowed.
        limit: usize,
        /// What was asked for.
        found: usize,
    },

    /// A write or a sync failed earlier. What is on the disk is unknown until the store is opened
    /// again, so nothing more is acknowledged.
    #[error(
        "the store accepts nothing since a write failed: {reason}; check the disk, then restart \
         the server: it finds everything that was acknowledged, or says what is missing"
    )]
    Poisoned {
        /// What failed first.
        reason: String,
    },

    /// Stored bytes are not what was written.
    #[error("damaged data: {place}: {detail}. {advice}")]
    Corrupt {
        /// The worker and entry, the record or the file.
        place: String,
        /// What was expected and what was found.
        detail: String,
        /// What to do.
        advice: &'static str,
    },

    /// Something was acknowledged and is not there any more.
    #[error(
        "acknowledged data is missing in {directory}: {what}: {acknowledged} was acknowledged, \
         {found} is stored ({others} more like this). Files were damaged or replaced: restore the \
         directory from a backup, or start with `accept_loss` to go on without what is missing"
    )]
    LostTail {
        /// The state directory.
        directory: PathBuf,
        /// The worker or record that lost something; the first of them.
        what: String,
        /// What must be there.
        acknowledged: String,
        /// What is there.
        found: String,
        /// How many further workers and records lost something.
        others: usize,
    },

    /// Another process uses the state directory.
    #[error("{directory} is in use by {holder}; stop it or choose another directory")]
    Locked {
        /// The state directory.
        directory: PathBuf,
        /// The process that holds the lock, as far as it is known.
        holder: String,
    },

    /// The state directory was written by another version, or is somebody else's.
    #[error(
        "{directory} holds {found}; this version reads \"{expected}\" only. Start the version that \
         wrote it, or choose another directory; nothing was changed"
    )]
    Format {
        /// The state directory.
        directory: PathBuf,
        /// What this version writes into the file `format`.
        expected: &'static str,
        /// What was found.
        found: String,
    },

    /// The operating system refused.
    #[error("cannot {operation} {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Arc<io::Error>,
    },

    /// A store on another machine cannot be reached or used.
    #[error("the store at {address} cannot be used: {reason}")]
    Unavailable {
        /// Where it is, without secrets.
        address: String,
        /// Why not.
        reason: String,
    },

    /// Another server uses the data.
    #[error(
        "{place} is in use by {holder}; stop that server, or choose another place or prefix for \
         this one"
    )]
    Taken {
        /// Where the data is.
        place: String,
        /// Who uses it.
        holder: String,
    },

    /// Another server took over, so this one may not write any more.
    #[error(
        "at {place}, {holder} found the lease of session {session} ended and took over, so this \
         session stores nothing any more; start the server again"
    )]
    Fenced {
        /// Where the data is.
        place: String,
        /// Who may write now.
        holder: String,
        /// Who may not.
        session: u64,
    },

    /// The store is another one now, without the last batches of this session, none of which was acknowledged: they
    /// waited for replicas.
    #[error(
        "{place} knows {found} batches of the {executed} that session {session} had executed, as when a replica takes \
         over; everything that was acknowledged is there. Start the server again"
    )]
    Rewound {
        /// Where the data is.
        place: String,
        /// How many batches it knows.
        found: u64,
        /// How many were executed before.
        executed: u64,
        /// Whose.
        session: u64,
    },

    /// The store was closed before the batch was stored.
    #[error("the store is closed; the batch was not stored")]
    Closed,
}

/// How much of a value a message shows.
const SHOWN_VALUE_BYTES: usize = 32;

fn held(value: Option<&[u8]>) -> String {
    value.map_or("does not exist".into(), |value| format!("holds {}", shown(value)))
}

fn wanted(value: Option<&[u8]>) -> String {
    value.map_or("none".into(), shown)
}

fn shown(value: &[u8]) -> String {
    let length = value.len();
    match value.get(..SHOWN_VALUE_BYTES) {
        None => format!("\"{}\"", value.escape_ascii()),
        Some(head) => format!("\"{}\"… ({length} bytes)", head.escape_ascii()),
    }
}

/// An error with its causes, in one line.
pub(crate) fn describe(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
