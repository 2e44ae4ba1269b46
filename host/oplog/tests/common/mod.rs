//! What the tests of the journal share.
#![allow(dead_code, reason = "each test file uses a part of it")]

use everlog_oplog::codec::Decoded;
use everlog_oplog::status::FoldError;
use everlog_oplog::{
    Call, Caller, Category, Codec, CodecError, ComponentId, Create, Divergence, Durability,
    Entered, Entry, EntryKind, Excerpt, FailureKind, Index, Journal, JumpReason, Line, LogLevel,
    LogStream, Payload, PersistenceLevel, Position, RecordedBatch, RecoverError, Region,
    RetryPolicy, Settings, Start, Status, Timestamp, TraceContext, UpdateMode, WorkerId,
    fingerprint,
};
use uuid::Uuid;

pub(crate) const IDENTITY: &[u8] = b"component/worker";

pub(crate) fn create() -> Create {
    Create {
        worker: WorkerId { component: ComponentId(Uuid::from_u128(7)), name: "mary".into() },
        component_version: 3,
        args: vec!["--fast".into()],
        env: vec![("COLOUR".into(), "red".into())],
        parent: None,
        ephemeral: false,
    }
}

/// A journal whose tails go to a log that never fails, with a clock that counts calls.
pub(crate) struct Bench {
    pub(crate) journal: Journal,
    pub(crate) log: Vec<RecordedBatch>,
    pub(crate) settings: Settings,
    clock: u64,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Bench {
        let journal = Journal::create(IDENTITY, create(), settings, Timestamp(1));
        Bench { journal, log: Vec::new(), settings, clock: 1 }
    }

    /// A new worker with an invocation running.
    pub(crate) fn started() -> Bench {
        let mut bench = Bench::new();
        bench.start("key-1");
        bench
    }

    pub(crate) fn now(&mut self) -> Timestamp {
        self.clock += 1;
        Timestamp(self.clock)
    }

    pub(crate) fn start(&mut self, key: &str) -> Index {
        let now = self.now();
        self.journal.start(start(key), now).expect("nothing is recorded ahead")
    }

    pub(crate) fn complete(&mut self, result: &[u8]) {
        let now = self.now();
        self.journal.complete(inline(result), 65536, now).expect("fits the log");
    }

    pub(crate) fn call(&mut self, category: Category, request: &[u8], outcome: &[u8]) -> Answer {
        self.call_of(&call(category, request), outcome)
    }

    /// Makes a call that returns `outcome` where it is live.
    pub(crate) fn call_of(&mut self, call: &Call<'_>, outcome: &[u8]) -> Answer {
        let now = self.now();
        match self.journal.enter(call, now) {
            Ok(Entered::Replayed(outcome)) => Answer::Replayed(outcome),
            Ok(Entered::Live(ticket)) => {
                let gate = ticket.gate();
                let durability = self.journal.leave(ticket, inline(outcome), now);
                Answer::Live { gate, durability }
            }
            Err(divergence) => Answer::Diverged(divergence),
        }
    }

    pub(crate) fn read(&mut self, outcome: &[u8]) -> Answer {
        self.call(Category::ReadLocal, b"", outcome)
    }

    pub(crate) fn print(&mut self, message: &str) -> bool {
        let now = self.now();
        self.journal.log(line(message), now)
    }

    pub(crate) fn flush(&mut self) {
        if let Some(tail) = self.journal.take_tail() {
            self.log.push(RecordedBatch { first: tail.first, bytes: tail.bytes });
        }
    }

    /// Writes the tail, drops the journal, recovers. Recovery is run up to the running invocation.
    pub(crate) fn recover(&mut self) {
        self.flush();
        self.crash();
    }

    /// Drops the journal with its tail, and recovers from what was flushed.
    pub(crate) fn crash(&mut self) {
        let now = self.now();
        self.journal = Journal::recover(IDENTITY, self.log.clone(), self.settings, now)
            .expect("the log is intact");
    }

    /// As [`recover`](Self::recover), and goes on to the recorded invocation.
    pub(crate) fn recover_into_invocation(&mut self) {
        self.recover();
        let recorded = self.journal.next_recorded().expect("the log fits");
        assert!(recorded.is_some(), "an invocation is recorded");
    }

    pub(crate) fn entries(&mut self) -> Vec<Decoded> {
        self.flush();
        decode(&self.log).expect("the log is intact")
    }

    /// The log as `index name` lines.
    pub(crate) fn names(&mut self) -> Vec<String> {
        let entries = self.entries();
        entries.iter().map(|item| format!("{} {}", item.index, item.entry.kind.name())).collect()
    }
}

#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    Replayed(Payload),
    Live { gate: bool, durability: Durability },
    Diverged(Divergence),
}

impl Answer {
    pub(crate) fn is_live(&self) -> bool {
        matches!(self, Answer::Live { .. })
    }

    pub(crate) fn divergence(self) -> Divergence {
        match self {
            Answer::Diverged(divergence) => divergence,
            other => panic!("expected a divergence, got {other:?}"),
        }
    }
}

pub(crate) fn replayed(outcome: &[u8]) -> Answer {
    Answer::Replayed(inline(outcome))
}

pub(crate) fn inline(bytes: &[u8]) -> Payload {
    Payload::Inline(bytes.to_vec())
}

pub(crate) fn start(key: &str) -> Start {
    Start {
        key: key.to_owned(),
        accepted: None,
        request: inline(b"[]"),
        function: "demo:counter/api.{add}".into(),
        fingerprint: fingerprint("demo:counter/api.{add}", b"[]"),
        trace: None,
    }
}

pub(crate) fn call(category: Category, request: &[u8]) -> Call<'_> {
    let function = match category {
        Category::ReadLocal => "wasi:clocks/wall-clock.now",
        Category::WriteLocal => "test:local/files.touch",
        Category::ReadRemote => "wasi:keyvalue/store.get",
        Category::WriteRemote => "wasi:keyvalue/store.set",
    };
    Call { category, function, request, begin: None }
}

pub(crate) fn line(message: &str) -> Line {
    Line { stream: LogStream::Stdout, level: None, context: None, message: message.to_owned() }
}

pub(crate) fn decode(log: &[RecordedBatch]) -> Result<Vec<Decoded>, CodecError> {
    let codec = Codec::new(IDENTITY);
    log.iter().flat_map(|batch| codec.decode(batch.first, &batch.bytes)).collect()
}

/// The status of a whole log, folded from the beginning.
pub(crate) fn fold(entries: &[Decoded]) -> Status {
    Status::fold::<_, FoldError>(|| entries.iter().cloned().map(Ok)).expect("a log")
}

pub(crate) fn try_recover(log: Vec<RecordedBatch>) -> Result<Journal, RecoverError> {
    Journal::recover(IDENTITY, log, Settings::default(), Timestamp(1_000_000))
}

/// A small generator of random numbers (SplitMix64), so that a seed says everything.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(crate) fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}

pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// The number of a test's first seed, from `SEED` where a failure is to be repeated.
pub(crate) fn first_seed() -> u64 {
    std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0)
}

/// One entry of each kind, in the order of the format, with nothing left at its default.
pub(crate) fn samples() -> Vec<Entry> {
    let at = |(place, kind): (u64, EntryKind)| Entry {
        timestamp: Timestamp(1_790_000_000_000_000_000 + place),
        kind,
    };
    let kinds = [replayed_samples(), structure_samples(), hint_samples(), update_samples()];
    (0..).zip(kinds.into_iter().flatten()).map(at).collect()
}

fn trace() -> Option<TraceContext> {
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned();
    Some(TraceContext { traceparent, tracestate: Some("vendor=1".into()) })
}

fn parent() -> WorkerId {
    WorkerId { component: ComponentId(Uuid::from_u128(8)), name: "parent".into() }
}

fn replayed_samples() -> Vec<EntryKind> {
    vec![
        EntryKind::Create(Create { parent: Some(parent()), ephemeral: true, ..create() }),
        EntryKind::InvocationStarted {
            key: "key".into(),
            accepted: Some(Index(300)),
            request: Some(inline(b"[1]")),
            function: "demo:counter/api.{add}".into(),
            fingerprint: 0xFEED,
            trace: trace(),
        },
        EntryKind::InvocationCompleted { result: inline(b"6"), memory_bytes: 1 << 20 },
        EntryKind::HostCall {
            function: "wasi:keyvalue/store.get".into(),
            category: Category::ReadRemote,
            fingerprint: 0xBEEF,
            request: Some(Excerpt { bytes: b"cart".to_vec(), size: 70_000 }),
            begin: Some(Index(5)),
            outcome: Payload::Blob { digest: [9; 32], size: 1 << 33 },
        },
        EntryKind::WriteBegin {
            function: "wasi:http/outgoing-handler.handle".into(),
            fingerprint: 0xCAFE,
            request: Excerpt { bytes: b"POST /".to_vec(), size: 6 },
            idempotent: true,
        },
        EntryKind::NoOp,
        EntryKind::AtomicBegin,
        EntryKind::AtomicEnd { begin: Index(7) },
        EntryKind::SetPersistenceLevel(PersistenceLevel::PersistRemoteSideEffects),
        EntryKind::SetIdempotence(true),
        EntryKind::SetRetryPolicy(RetryPolicy::default()),
        EntryKind::PromiseCreated,
        EntryKind::PromiseDeleted { promise: Index(12) },
    ]
}

fn structure_samples() -> Vec<EntryKind> {
    let deleted = Region { start: Index(7), end: Index(14) };
    vec![
        EntryKind::Jump { deleted, reason: JumpReason::AtomicRetry },
        EntryKind::Revert { deleted: Region { start: Index(3), end: Index(15) } },
    ]
}

fn hint_samples() -> Vec<EntryKind> {
    vec![
        EntryKind::Accepted {
            key: "queued".into(),
            function: "demo:counter/api.{get}".into(),
            request: inline(b"[]"),
            fingerprint: 0xABCD,
            due: Some(Timestamp(99)),
            trace: trace(),
        },
        EntryKind::Cancelled { key: "queued".into(), reason: "by its caller".into() },
        EntryKind::Failed {
            position: Position { returns: 2, entries: 40 },
            attempt: 3,
            kind: FailureKind::HostError,
            message: "no route".into(),
            retry_at: Some(Timestamp(77)),
        },
        EntryKind::Suspended { until: Some(Timestamp(55)) },
        EntryKind::Woken,
        EntryKind::Interrupted,
        EntryKind::Resumed,
        EntryKind::Exited { code: 17 },
        EntryKind::Stalled { entry: Index(9), recorded: "this".into(), asked: "that".into() },
        EntryKind::Log {
            stream: LogStream::Log,
            level: Some(LogLevel::Warn),
            context: Some("cart".into()),
            message: "nearly full".into(),
        },
        EntryKind::ResourceCreated {
            id: 4,
            resource: "demo:cart/api.{cart}".into(),
            params: "(\"mary\")".into(),
        },
        EntryKind::ResourceDropped { id: 4 },
        EntryKind::PromiseCompleted { promise: Index(12), data: inline(b"yes") },
    ]
}

fn update_samples() -> Vec<EntryKind> {
    vec![
        EntryKind::UpdateRequested { version: 4, mode: UpdateMode::Snapshot },
        EntryKind::UpdateDone { version: 4 },
        EntryKind::UpdateFailed { version: 5, details: "it does not fit".into() },
        EntryKind::SnapshotLoaded { version: 4, data: inline(b"saved") },
        EntryKind::Snapshot { covers: Index(30), digest: [3; 32], size: 4096, version: 4 },
        EntryKind::Forked { source: parent(), at: Index(20) },
        EntryKind::PromiseCompletedBy {
            promise: Index(12),
            data: inline(b"no"),
            completer: Caller { worker: parent(), position: Position { returns: 1, entries: 9 } },
        },
        EntryKind::UpdateRequestedBy {
            version: 5,
            mode: UpdateMode::Automatic,
            requester: Caller { worker: parent(), position: Position { returns: 2, entries: 10 } },
        },
        EntryKind::Awaiting { promise: Index(12) },
        EntryKind::CancelRequested { key: "key".to_owned() },
    ]
}
