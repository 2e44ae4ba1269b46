//! What one query may be and do.

use std::sync::Arc;
use std::time::Duration;

use everlog_runtime::{Timestamp, clock};
use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;

use super::source::Source;

/// The longest statement, in bytes.
pub(crate) const MAX_STATEMENT_BYTES: usize = 64 << 10;
/// The most rows in an answer.
pub(super) const MAX_ROWS: usize = 10_000;
/// The most bytes in an answer.
pub(super) const MAX_BYTES: usize = 16 << 20;
/// How long a query may take.
pub(super) const QUERY_TIME: Duration = Duration::from_secs(10);
/// How long it may wait for its turn.
pub(super) const TURN_TIME: Duration = Duration::from_secs(5);
/// How many may be under way at once.
pub(super) const MAX_AT_ONCE: usize = 2;
/// What all queries together may hold in memory, in bytes.
pub(super) const MAX_MEMORY_BYTES: u32 = 128 << 20;

/// The longest text or blob in a query, in bytes.
const MAX_VALUE_BYTES: i32 = 32 << 20;
/// How many steps of its machine SQLite makes between two looks at the clock.
const STEPS: i32 = 1_000;

/// When a query has to have ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Timestamp);

impl Clock {
    pub(super) fn starting_now(time: Duration) -> Self {
        Self(clock::now().after(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
    }

    pub(super) fn is_over(self) -> bool {
        self.0 <= clock::now()
    }
}

/// Bounds what the engine takes.
pub(super) fn bound(connection: &Connection) -> rusqlite::Result<()> {
    // One bound for all databases of the process, which are ours.
    connection.pragma_update_and_check(None, "hard_heap_limit", MAX_MEMORY_BYTES, |_| Ok(()))?;
    // What is sorted stays in memory, and so within that bound.
    connection.pragma_update(None, "temp_store", "memory")?;
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES),
        (Limit::SQLITE_LIMIT_COLUMN, 200),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 50),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 1_000),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, most)?;
    }
    Ok(())
}

/// Forbids everything but reading, and ends a query whose time is over.
pub(super) fn guard(connection: &mut Connection, source: &Arc<Source>) -> rusqlite::Result<()> {
    connection.authorizer(Some(|context: AuthContext<'_>| match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => {
            Authorization::Allow
        }
        AuthAction::Function { function_name } if function_name != "load_extension" => {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }))?;
    let clock = source.clock;
    connection.progress_handler(STEPS, Some(move || clock.is_over()))
}
