//! The words that entries are made of.

use std::borrow::Cow;
use std::fmt;

use bincode::de::{BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{BorrowDecode, Decode, Encode};
use uuid::Uuid;

use crate::index::Position;

/// What a component is called for life. Encoded as its 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentId(pub Uuid);

impl fmt::Display for ComponentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl From<Uuid> for ComponentId {
    fn from(uuid: Uuid) -> ComponentId {
        ComponentId(uuid)
    }
}

impl Encode for ComponentId {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.0.as_bytes().encode(encoder)
    }
}

impl<Context> Decode<Context> for ComponentId {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        <[u8; 16]>::decode(decoder).map(|bytes| ComponentId(Uuid::from_bytes(bytes)))
    }
}

impl<'de, Context> BorrowDecode<'de, Context> for ComponentId {
    fn borrow_decode<D: BorrowDecoder<'de, Context = Context>>(
        decoder: &mut D,
    ) -> Result<Self, DecodeError> {
        Self::decode(decoder)
    }
}

/// The full name of a host function: a constant where a call is recorded, owned where it is
/// decoded. Encoded as a string.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FunctionName(pub Cow<'static, str>);

impl FunctionName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&'static str> for FunctionName {
    fn from(name: &'static str) -> FunctionName {
        FunctionName(Cow::Borrowed(name))
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Encode for FunctionName {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.0.encode(encoder)
    }
}

impl<Context> Decode<Context> for FunctionName {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        String::decode(decoder).map(|name| FunctionName(Cow::Owned(name)))
    }
}

impl<'de, Context> BorrowDecode<'de, Context> for FunctionName {
    fn borrow_decode<D: BorrowDecoder<'de, Context = Context>>(
        decoder: &mut D,
    ) -> Result<Self, DecodeError> {
        Self::decode(decoder)
    }
}

/// What a worker is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct WorkerId {
    /// The component that it runs.
    pub component: ComponentId,
    /// Its name among the workers of that component.
    pub name: String,
}

impl fmt::Display for WorkerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.component, self.name)
    }
}

/// A call of a worker that changed another's log: no two calls of one worker share a position, and a
/// call that a crash makes again is at the same one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Caller {
    /// The worker that called.
    pub worker: WorkerId,
    /// How far its execution had come.
    pub position: Position,
}

/// What a worker is made from.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Create {
    /// The worker, so that a log says by itself whose it is.
    pub worker: WorkerId,
    /// The version of the component that the worker starts on.
    pub component_version: u64,
    /// Command line arguments, exactly as given.
    pub args: Vec<String>,
    /// Environment variables, in the order given.
    pub env: Vec<(String, String)>,
    /// The worker whose call created this one.
    pub parent: Option<WorkerId>,
    /// Whether the worker lives for a single invocation.
    pub ephemeral: bool,
}

/// The span that an invocation belongs to, as W3C trace context headers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TraceContext {
    /// The `traceparent` header.
    pub traceparent: String,
    /// The `tracestate` header.
    pub tracestate: Option<String>,
}

/// What sort of effect a host call is; it decides what must be durable, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Category {
    /// Reads something of this host: clock, random numbers, what is ready.
    ReadLocal,
    /// Changes something of this worker only.
    WriteLocal,
    /// Asks somebody else.
    ReadRemote,
    /// Changes something of somebody else.
    WriteRemote,
}

impl Category {
    /// Whether the call is seen by somebody else.
    #[must_use]
    pub fn is_remote(self) -> bool {
        matches!(self, Category::ReadRemote | Category::WriteRemote)
    }
}

/// What is recorded, as the guest chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub enum PersistenceLevel {
    /// Calls are not recorded and are made again in every replay.
    PersistNothing,
    /// Everything is recorded, and the guest waits until a remote outcome is durable.
    PersistRemoteSideEffects,
    /// Everything is recorded, and the guest waits only where it must.
    #[default]
    Smart,
}

/// What sort of failure ended an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum FailureKind {
    /// The guest trapped or panicked.
    Trap,
    /// The host could not do what it should.
    HostError,
    /// The guest's stack is exhausted, as it would be every time.
    StackOverflow,
    /// The worker's own memory limit is reached.
    MemoryLimit,
    /// The host has no room for the worker now. Waits for room, however long.
    HostMemory,
    /// A remote write that must not be repeated may have happened.
    UncertainWrite,
}

impl FailureKind {
    /// Whether another attempt may end differently.
    #[must_use]
    pub fn is_retried(self) -> bool {
        match self {
            FailureKind::Trap
            | FailureKind::HostError
            | FailureKind::MemoryLimit
            | FailureKind::HostMemory => true,
            FailureKind::StackOverflow | FailureKind::UncertainWrite => false,
        }
    }

    /// Whether it is the worker's own doing, and so uses up one of its attempts.
    #[must_use]
    pub fn uses_attempt(self) -> bool {
        self != FailureKind::HostMemory
    }
}

/// Who went back in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum JumpReason {
    /// The guest, with `set-oplog-index`.
    Explicit,
    /// Recovery, which found an atomic region without its end; or an update, which found that the
    /// new version does not go the last steps to a failure.
    AtomicRetry,
}

/// Where a printed line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// `wasi:logging`.
    Log,
}

/// How important a logged line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum LogLevel {
    /// Every step.
    Trace,
    /// For whoever looks for a fault.
    Debug,
    /// For whoever operates the worker.
    Info,
    /// Unexpected, but handled.
    Warn,
    /// Something did not happen that should have.
    Error,
    /// The worker is of no use any more.
    Critical,
}

/// How a worker goes over to another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum UpdateMode {
    /// The new version replays the whole history.
    Automatic,
    /// The old version saves, the new version loads.
    Snapshot,
}
