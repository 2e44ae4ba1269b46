//! The journal of a durable worker: entries, their format, replay, and the status folded from them.
//!
//! A worker is a WebAssembly component whose every contact with the outside is written to an
//! append-only log, the *oplog*. Whatever happens to the process, running the component again and
//! answering it from the log leads to the same place. This crate is the part of that which can be
//! reasoned about without a machine: it does no I/O, reads no clock, draws no random number and
//! knows nothing of WebAssembly. Time and randomness come in as arguments, bytes to be stored go
//! out as a [`Tail`], bytes that were stored come in as [`RecordedBatch`]es.
//!
//! Reading order:
//!
//! - [`index`]: where an entry is, when it was made.
//! - [`payload`]: the bytes that entries carry.
//! - [`entry`]: what can be in a log. The order of the kinds is the format; kinds are only ever
//!   appended.
//! - [`codec`]: an entry as bytes, with checksum, version, and a decoder that accepts any input.
//! - [`status`]: everything that is true of a worker, as a fold over its entries.
//! - [`journal`]: the state machine that is asked before each effect and told after it.
//! - [`copy`]: a log as the beginning of another worker's.
//!
//! **Invariant:** all that a [`Journal`] knows it knows from entries, so that a worker can be
//! rebuilt from its log alone. **Invariant:** nothing here fails on bytes; a damaged log is an
//! error that names the entry.

pub mod codec;
pub mod container;
pub mod copy;
pub mod entry;
pub mod index;
pub mod journal;
pub mod payload;
pub mod status;

pub use codec::{Codec, CodecError};
pub use copy::{CopiedLog, CopyError, Heir, copy_log};
pub use entry::{
    Caller, Category, ComponentId, Create, Entry, EntryKind, FailureKind, FunctionName, JumpReason,
    LogLevel, LogStream, PersistenceLevel, RetryPolicy, TraceContext, UpdateMode, WorkerId,
};
pub use index::{Index, Position, Region, Timestamp};
pub use journal::{
    AtomicError, Begun, Call, Completion, Conduct, Divergence, Durability, Entered, Failure,
    Journal, JumpError, Line, NewInvocation, PromiseError, RecordedBatch, RecordedInvocation,
    RecoverError, Rehearsal, RevertError, Settings, Start, Steered, Tail, Ticket, UncertainWrite,
    Verdict,
};
pub use payload::{Excerpt, Payload, fingerprint};
pub use status::{Status, WorkerState};
