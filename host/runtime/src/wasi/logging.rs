//! `wasi:logging`: each message becomes an entry of the log, with its level and context.
//!
//! Like a line of output it is a hint, so it is recorded at once, shown once it is durable, and known again when a
//! recovering guest logs it a second time. What is too long is cut by the journal, which says so in the text.

use everlog_oplog::{Line, LogLevel, LogStream};
use wasmtime::component::Linker;

use super::{HasWorker, WorkerState};
use bindings::wasi::logging::logging::{self, Host, Level};

mod bindings {
    wasmtime::component::bindgen!({
        path: ["../../wit/deps/logging"],
        inline: "
            package everlog:logging;
            world imports {
                import wasi:logging/logging;
            }
        ",
        world: "everlog:logging/imports",
        imports: { default: trappable },
    });
}

/// Links `wasi:logging`.
pub(super) fn add_to_linker(linker: &mut Linker<WorkerState>) -> wasmtime::Result<()> {
    logging::add_to_linker::<_, HasWorker>(linker, |worker| worker)
}

impl Host for WorkerState {
    fn log(&mut self, level: Level, context: String, message: String) -> wasmtime::Result<()> {
        let context = if context.is_empty() { None } else { Some(context) };
        let level = Some(level.into());
        let line = Line { stream: LogStream::Log, level, context, message };
        // Whether it is new, or was in the log already because this is a replay, makes no difference to the guest.
        self.recorder.with(|journal, now| journal.log(line, now));
        Ok(())
    }
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
            Level::Critical => Self::Critical,
        }
    }
}
