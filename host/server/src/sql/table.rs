//! The tables, as SQLite sees them.
#![expect(
    unsafe_code,
    reason = "the traits of virtual tables are unsafe; what they ask for is stated below"
)]

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ffi::{CStr, c_int};
use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::vtab::{
    Context, Filters, IndexConstraintOp, IndexInfo, Module, VTab, VTabConnection, VTabCursor,
};
use rusqlite::{Connection, ffi};

use super::rows::Rows;
use super::source::Source;

/// A table there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Components,
    Workers,
    Invocations,
    Oplog,
    State,
    Schedules,
}

impl Kind {
    pub(super) const ALL: [Self; 6] = [
        Self::Components,
        Self::Workers,
        Self::Invocations,
        Self::Oplog,
        Self::State,
        Self::Schedules,
    ];

    fn name(self) -> &'static CStr {
        match self {
            Self::Components => c"components",
            Self::Workers => c"workers",
            Self::Invocations => c"invocations",
            Self::Oplog => c"oplog",
            Self::State => c"state",
            Self::Schedules => c"schedules",
        }
    }

    /// The columns: the first is the component's name, the second (but of components) the worker's.
    fn declaration(self) -> &'static CStr {
        match self {
            Self::Components => {
                c"CREATE TABLE x(component TEXT, component_id TEXT, version INTEGER, digest TEXT, size INTEGER, created_at TEXT)"
            }
            Self::Workers => {
                c"CREATE TABLE x(component TEXT, worker TEXT, component_id TEXT, version INTEGER, status TEXT, created_at TEXT, updated_at TEXT, retries INTEGER, last_error TEXT, last_index INTEGER, log_bytes INTEGER, memory_bytes INTEGER, pending INTEGER, invocation TEXT, function TEXT, suspended_until TEXT, retry_at TEXT)"
            }
            Self::Invocations => {
                c"CREATE TABLE x(component TEXT, worker TEXT, idempotency_key TEXT, status TEXT, function TEXT, started_at TEXT, due TEXT, ended_at TEXT, entry INTEGER, end_entry INTEGER, cancelled INTEGER)"
            }
            Self::Oplog => {
                c"CREATE TABLE x(component TEXT, worker TEXT, entry INTEGER, timestamp TEXT, type TEXT, function TEXT, idempotency_key TEXT, body TEXT)"
            }
            Self::Schedules => {
                c"CREATE TABLE x(component TEXT, worker TEXT, name TEXT, function TEXT, arguments TEXT, cron TEXT, time_zone TEXT, paused INTEGER, next TEXT, last_due TEXT, last_key TEXT, last_error TEXT, fired INTEGER, skipped INTEGER)"
            }
            Self::State => {
                c"CREATE TABLE x(component TEXT, worker TEXT, key TEXT, version TEXT, written_at TEXT, size INTEGER, value BLOB)"
            }
        }
    }
}

/// Whether the component, the worker, and the first entry are given.
const COMPONENT: c_int = 1;
const WORKER: c_int = 2;
const FROM: c_int = 4;

/// What a query asks of a table, as far as the table can look for just that.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) component: Option<String>,
    pub(super) worker: Option<String>,
    pub(super) from: u64,
}

/// Lets statements of `connection` read a table.
pub(super) fn register(
    connection: &Connection,
    kind: Kind,
    source: &Arc<Source>,
) -> rusqlite::Result<()> {
    const MODULE: Module<'_, Table> = Module::eponymous_only_module();
    connection.create_module(kind.name(), &MODULE, Some((kind, Arc::clone(source))))
}

/// A table in one connection.
#[repr(C)]
pub(super) struct Table {
    /// What SQLite knows of it, which must come first.
    base: ffi::sqlite3_vtab,
    kind: Kind,
    source: Arc<Source>,
}

// SAFETY: `repr(C)` with the base first, as the trait asks; nothing else is unsafe.
unsafe impl<'vtab> VTab<'vtab> for Table {
    type Aux = (Kind, Arc<Source>);
    type Cursor = Cursor;

    fn connect(
        _db: &mut VTabConnection,
        aux: Option<&Self::Aux>,
        _module: &[u8],
        _database: &[u8],
        _table: &[u8],
        _args: &[&[u8]],
    ) -> rusqlite::Result<(Cow<'static, CStr>, Self)> {
        let Some((kind, source)) = aux.cloned() else {
            return Err(rusqlite::Error::ModuleError("the table has no source".to_owned()));
        };
        let base = ffi::sqlite3_vtab::default();
        Ok((Cow::Borrowed(kind.declaration()), Self { base, kind, source }))
    }

    /// Equality of component and worker, and a least entry, are looked for; SQLite checks the rest, and these once more.
    fn best_index(&self, info: &mut IndexInfo) -> rusqlite::Result<bool> {
        use IndexConstraintOp::{
            SQLITE_INDEX_CONSTRAINT_EQ as EQ, SQLITE_INDEX_CONSTRAINT_GE as GE,
            SQLITE_INDEX_CONSTRAINT_GT as GT,
        };
        let mut used = [None; 3];
        for (place, constraint) in info.constraints().enumerate() {
            let operator = constraint.operator();
            let column = match constraint.column() {
                0 if operator == EQ => 0,
                1 if operator == EQ && self.kind != Kind::Components => 1,
                2 if matches!(operator, EQ | GE | GT) && self.kind == Kind::Oplog => 2,
                _ => continue,
            };
            // Names that are equal otherwise, as without regard to case, are not found by name.
            if constraint.is_usable() && info.collation(place)? == "BINARY" {
                used[column] = Some(place);
            }
        }
        let (mut plan, mut arguments) = (0, 0);
        for (place, flag) in used.into_iter().zip([COMPONENT, WORKER, FROM]) {
            if let Some(place) = place {
                arguments += 1;
                plan |= flag;
                info.constraint_usage(place).set_argv_index(arguments);
            }
        }
        let narrow = f64::from(plan.count_ones());
        info.set_estimated_cost(1e9 / 1e3_f64.powf(narrow));
        info.set_idx_num(plan);
        Ok(true)
    }

    fn open(&'vtab mut self) -> rusqlite::Result<Cursor> {
        let rows = Rows::new(self.kind, Arc::clone(&self.source), Wanted::default());
        let base = ffi::sqlite3_vtab_cursor::default();
        let (kind, source) = (self.kind, Arc::clone(&self.source));
        Ok(Cursor { base, kind, source, rows, page: VecDeque::new(), passed: 0 })
    }
}

/// A walk through a table.
#[repr(C)]
pub(super) struct Cursor {
    /// What SQLite knows of it, which must come first.
    base: ffi::sqlite3_vtab_cursor,
    kind: Kind,
    source: Arc<Source>,
    rows: Rows,
    page: VecDeque<Vec<Value>>,
    passed: i64,
}

impl Cursor {
    /// Has the next row at hand, if there is one.
    fn fill(&mut self) -> rusqlite::Result<()> {
        if self.page.is_empty() {
            match self.source.wait(self.rows.next_page()) {
                Ok(page) => self.page = page.into(),
                Err(error) => {
                    let told = error.to_string();
                    self.source.fail(error);
                    return Err(rusqlite::Error::ModuleError(told));
                }
            }
        }
        Ok(())
    }
}

/// The one name that equals a value in a column of text, where integers equal their digits; `None`: SQLite compares all.
fn name_equal_to(value: Value) -> Option<String> {
    match value {
        Value::Text(name) => Some(name),
        Value::Integer(number) => Some(number.to_string()),
        // Nothing equals it, and nothing has no name.
        Value::Null => Some(String::new()),
        Value::Real(_) | Value::Blob(_) => None,
    }
}

// SAFETY: `repr(C)` with the base first, as the trait asks; nothing else is unsafe.
unsafe impl VTabCursor for Cursor {
    fn filter(
        &mut self,
        plan: c_int,
        _text: Option<&str>,
        arguments: &Filters<'_>,
    ) -> rusqlite::Result<()> {
        let mut wanted = Wanted::default();
        for (place, flag) in
            [COMPONENT, WORKER, FROM].into_iter().filter(|flag| plan & flag != 0).enumerate()
        {
            let argument: Value = arguments.get(place)?;
            match flag {
                COMPONENT => wanted.component = name_equal_to(argument),
                WORKER => wanted.worker = name_equal_to(argument),
                _ => {
                    if let Value::Integer(from) = argument {
                        wanted.from = u64::try_from(from).unwrap_or_default();
                    }
                }
            }
        }
        self.rows = Rows::new(self.kind, Arc::clone(&self.source), wanted);
        self.page.clear();
        self.passed = 0;
        self.fill()
    }

    fn next(&mut self) -> rusqlite::Result<()> {
        self.page.pop_front();
        self.passed += 1;
        self.fill()
    }

    fn eof(&self) -> bool {
        self.page.is_empty()
    }

    fn column(&self, context: &mut Context, column: c_int) -> rusqlite::Result<()> {
        let row = self.page.front();
        let value = usize::try_from(column).ok().and_then(|column| row?.get(column));
        context.set_result(value.unwrap_or(&Value::Null))
    }

    fn rowid(&self) -> rusqlite::Result<i64> {
        Ok(self.passed)
    }
}
