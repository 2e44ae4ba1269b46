//! Words of the oplog as the API spells them.

use everlog_oplog::entry::{FailureKind, JumpReason};
use everlog_oplog::{Category, LogLevel, LogStream, PersistenceLevel, UpdateMode};

pub(super) fn stream_name(stream: LogStream) -> &'static str {
    match stream {
        LogStream::Stdout => "stdout",
        LogStream::Stderr => "stderr",
        LogStream::Log => "log",
    }
}

pub(super) fn level_name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Trace => "trace",
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
        LogLevel::Critical => "critical",
    }
}

pub(super) fn category_name(category: Category) -> &'static str {
    match category {
        Category::ReadLocal => "read-local",
        Category::WriteLocal => "write-local",
        Category::ReadRemote => "read-remote",
        Category::WriteRemote => "write-remote",
    }
}

pub(super) fn persistence_name(level: PersistenceLevel) -> &'static str {
    match level {
        PersistenceLevel::PersistNothing => "persist-nothing",
        PersistenceLevel::PersistRemoteSideEffects => "persist-remote-side-effects",
        PersistenceLevel::Smart => "smart",
    }
}

pub(super) fn jump_name(reason: JumpReason) -> &'static str {
    match reason {
        JumpReason::Explicit => "explicit",
        JumpReason::AtomicRetry => "atomic-retry",
    }
}

pub(super) fn failure_name(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Trap => "trap",
        FailureKind::HostError => "host-error",
        FailureKind::StackOverflow => "stack-overflow",
        FailureKind::MemoryLimit => "memory-limit",
        FailureKind::HostMemory => "host-memory",
        FailureKind::UncertainWrite => "uncertain-write",
    }
}

pub(super) fn update_name(mode: UpdateMode) -> &'static str {
    match mode {
        UpdateMode::Automatic => "automatic",
        UpdateMode::Snapshot => "snapshot",
    }
}
